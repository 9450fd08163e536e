"""Run the lessons as Google Colab does: `python3.13 tools/try_colab.py [LESSON ...]`.

Makes an environment with Colab's packages (tests/colab/versions.txt) in .colab, packs the course
as `make colab` does, and runs each lesson and its solutions in a kernel that starts in an empty
folder: its set-up cell unpacks the zip, as a learner's does. Twice: Colab has three OpenCV packages
that write one folder, and which one wins is chance, so once 5 was installed last and once 4. A
lesson passes when no cell fails and each shows as many pictures as the committed one.

Needs git, and is run by Colab's version of Python. --opencv 5 or 4 runs one half.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLAB = ROOT / "tests" / "colab"
VERSIONS = COLAB / "versions.txt"
ENVIRONMENT = ROOT / ".colab" / "environment"
PYTHON = ENVIRONMENT / "bin" / "python"
OPENCV = {
    "5": ("opencv-contrib-python", "opencv-python", "opencv-python-headless"),
    "4": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
}
"""In which order Colab may have installed them; the last one is what `import cv2` finds."""


def pins() -> dict[str, str]:
    """Each line of versions.txt by its package."""
    lines = VERSIONS.read_text().splitlines()
    return {line.split("==")[0]: line for line in lines if line and not line.startswith("#")}


def pip(*arguments: str) -> str:
    command = [str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def check_python() -> None:
    """SystemExit where this is not the Python that Colab has, by its first two numbers."""
    here = "{}.{}".format(*sys.version_info)
    colab = re.search(r"^# Python: (\d+\.\d+)", VERSIONS.read_text(), re.M)[1]
    if here != colab:
        sys.exit(f"This is Python {here}. Colab has {colab}: make PYTHON=python{colab} test-colab")


def make_environment() -> None:
    """Colab's packages: installed once for each state of versions.txt, and nothing beside them."""
    wanted = f"{sys.version}\n{hashlib.sha256(VERSIONS.read_bytes()).hexdigest()}"
    done, made = ENVIRONMENT / "made-from", ENVIRONMENT / "made.txt"
    if done.exists() and done.read_text() == wanted:
        added = set(pip("freeze").split()) - set(made.read_text().split())
        added = [name for name in added if name.split("==")[0] not in pins()]
        if added:  # by a set-up cell: the next one does it again
            pip("uninstall", "--yes", *(name.split("==")[0] for name in added))
        return
    print(f"Making Colab's environment in {ENVIRONMENT}: some minutes, 6 GB.", flush=True)
    venv.create(ENVIRONMENT, clear=True, with_pip=True)
    pip("install", "-r", str(VERSIONS))
    made.write_text(pip("freeze"))
    done.write_text(wanted)


def choose_opencv(major: str) -> None:
    """Install the three packages again, in the order in which `major` wins."""
    pip("uninstall", "--yes", *OPENCV[major])
    for name in OPENCV[major]:
        pip("install", "--no-deps", pins()[name])
    command = [str(PYTHON), "-c", "import cv2; print(cv2.__version__)"]
    found = subprocess.check_output(command, text=True).strip()
    if not found.startswith(f"{major}."):
        sys.exit(f"OpenCV {found} won, and not {major}: see OPENCV in {Path(__file__).name}.")
    print(f"OpenCV {found}", flush=True)


def pack(folder: Path) -> Path:
    """The course as it is here, in a zip: the files that git knows, changes included."""
    git = ["git", "-C", str(ROOT), "-c", "user.name=course", "-c", "user.email=course@localhost"]
    changed = subprocess.check_output([*git, "stash", "create"], text=True).strip()
    packed = folder / "diffusion-course.zip"
    command = [*git, "archive", "--format=zip", "--prefix=course/", f"--output={packed}"]
    subprocess.run([*command, changed or "HEAD"], check=True)
    return packed


def notebooks(names: list[str]) -> list[Path]:
    """The lessons that the numbers mean, each followed by its solutions; all without a number."""
    found = sorted((ROOT / "notebooks").glob("*.ipynb"))
    found = [p for p in found if not names or p.name[:2] in names or p.stem in names]
    both = [each for path in found for each in (path, path.parent / "solutions" / path.name)]
    return [path for path in both if path.exists()] or sys.exit(f"There is no lesson {names}.")


def run(notebook: Path, machine: Path, packed: Path) -> bool:
    """Run one notebook on the machine, a folder in the place of Colab's /content."""
    (machine / "content").mkdir(exist_ok=True)
    startup = machine / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    # Colab's kernels have imported it before the first cell; here it is the stand-in.
    (startup / "google_colab.py").write_text("import google.colab\n")
    # One thread: two that wait for each other stand still on a machine that does something else.
    environment = {
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "PYTHONPATH": str(COLAB),
        "IPYTHONDIR": str(machine / "ipython"),
        "COLAB_UPLOAD": str(packed),
        "HF_HUB_CACHE": "/nonexistent",
        "TQDM_DISABLE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or the debugger of old kernels warns
    }
    command = [str(PYTHON), str(COLAB / "run.py"), str(notebook), str(machine / "content")]
    return subprocess.run(command, env=environment).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", help="numbers, such as 03; all without one")
    parser.add_argument("--opencv", choices=OPENCV, nargs="*", default=list(OPENCV))
    asked = parser.parse_args()
    check_python()
    chosen, failed = notebooks(asked.lessons), []
    for major in asked.opencv:
        make_environment()
        choose_opencv(major)
        with tempfile.TemporaryDirectory() as folder:
            packed = pack(Path(folder))
            failed += [(major, path) for path in chosen if not run(path, Path(folder), packed)]
    for major, path in failed:
        print(f"failed with OpenCV {major}: {path.relative_to(ROOT)}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
