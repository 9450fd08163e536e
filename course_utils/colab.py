"""What the set-up cell needs in Google Colab; elsewhere nothing here is used."""

import importlib
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from course_utils import ROOT

NOT_NEEDED = {"jupyter", "nbval"}
"""What only a Jupyter of one's own, or the tests, need."""
OPENCV = {
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
}
"""Packages that all write one module, cv2: any will do, and a second one spoils the first."""


def canonical(requirement: str) -> str:
    """The name at the beginning of a requirement, in pip's spelling (PEP 503).

    By hand, as this runs before anything is installed.
    """
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def installed() -> dict[str, str]:
    """Every installed distribution that pip knows: name (in pip's spelling) and version."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name and distribution.version:  # a half removed package has neither
            found.setdefault(canonical(name), distribution.version)
    return found


def missing(requirements: Path = ROOT / "requirements.txt") -> list[str]:
    """The lines of a requirements file whose package is not installed in any version."""
    lines = [line.split("#")[0].strip() for line in requirements.read_text().splitlines()]
    have = installed().keys() | NOT_NEEDED
    have |= OPENCV if have & OPENCV else set()
    return [
        line for line in lines if line and not line.startswith("-") and canonical(line) not in have
    ]


def is_here() -> bool:
    """Whether this is a notebook in Google Colab."""
    return "google.colab" in sys.modules


def say_where_links_lead(repository: str) -> None:
    """Print where the other lessons are: a lesson's links to them are made for Jupyter and GitHub.

    They are relative, and in Colab they lead somewhere only from a notebook opened from GitHub.
    """
    if "github.com" in repository:
        place = repository.replace("github.com", "colab.research.google.com/github", 1)
        print(f"All lessons in Colab: {place}")
    else:
        print("The links to other lessons lead nowhere here: open each one as you opened this one.")


def install_missing(requirements: Path = ROOT / "requirements.txt") -> None:
    """Install what the course needs and Colab lacks, and leave whatever is there as it is.

    Every installed package is pinned while pip runs: Colab's torch, which fits its GPU, is never
    replaced. Does nothing when nothing is missing. Raises RuntimeError where pip fails.
    """
    wanted = missing(requirements)
    if not wanted:
        return
    print(f"Installing {', '.join(wanted)} ...")
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "constraints.txt"
        pins.write_text("".join(f"{name}=={version}\n" for name, version in installed().items()))
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "--constraint", str(pins), *wanted],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # the two together tell the story in order
            text=True,
        )
    if done.returncode:
        reason = "\n".join(line for line in done.stdout.splitlines()[-15:] if line)
        raise RuntimeError(
            f"pip could not install {', '.join(wanted)}:\n{reason}\n"
            f"Choose Runtime > Disconnect and delete runtime, then run this cell again."
        )
    importlib.invalidate_caches()
