"""Bring tests/colab/versions.txt up to what Google Colab has now: `make colab-versions`.

Google publishes the packages of its machines as a git repository. The names in the file stay as
they are; their versions, the date and the version of Python are read there. Another repository,
also one on this machine, can be given: `python tools/colab_versions.py ADDRESS`.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ADDRESS = "https://github.com/googlecolab/backend-info"
VERSIONS = Path(__file__).resolve().parents[1] / "tests" / "colab" / "versions.txt"
HEAD = """\
# What Google Colab has installed, of what the course and its notebooks use. `make colab-versions`
# writes this file anew; `make test-colab` installs it.
# Source: {address}, pip-freeze.txt at {commit}
# Date: {date}
# Python: {python}
"""


def read_freeze(text: str) -> dict[str, str]:
    """Name (lower case, with -) and version of each line of `pip freeze`.

    Some are `name @ address/name-VERSION%2Bcpu-....whl`: the build's own mark is left out. Lines
    without a version, as of a package from a git repository, are left out too.
    """
    found = {}
    for line in text.splitlines():
        name = re.match(r"[\w.-]*", line)[0].lower().replace("_", "-")
        version = re.match(r"[\w.-]+==([\w.]+)", line)
        version = version or re.match(r"[\w.-]+ @ .*/[\w.]+?-(\d[\w.]*)(?:%2B|-)", line)
        if name and version:
            found[name] = version[1]
    return found


def renewed(old: str, freeze: str, about: dict[str, str]) -> str:
    """The text of versions.txt with the names of `old` and the versions of `freeze`.

    Raises SystemExit for a name that Colab no longer lists: whether the course can do without is
    for a person to say.
    """
    names = [line.split("==")[0] for line in old.splitlines() if line and line[0] != "#"]
    versions = read_freeze(freeze)
    gone = [name for name in names if name not in versions]
    if gone:
        sys.exit(f"Colab no longer lists {', '.join(gone)}: take the name out of {VERSIONS.name}.")
    return HEAD.format(**about) + "".join(f"{name}=={versions[name]}\n" for name in names)


def main(address: str = ADDRESS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", "--depth=1", address, folder], check=True)
        git = ["git", "-C", folder, "log", "-1", "--format=%h %cs"]
        commit, date = subprocess.check_output(git, text=True).split()
        python = re.search(r"Python ([\d.]+)", Path(folder, "os-info.txt").read_text())[1]
        about = dict(address=ADDRESS, commit=commit, date=date, python=python)
        freeze = Path(folder, "pip-freeze.txt").read_text()
    VERSIONS.write_text(renewed(VERSIONS.read_text(), freeze, about))
    print(f"{VERSIONS.name}: Colab as of {date}, Python {python}")


if __name__ == "__main__":
    main(*sys.argv[1:])
