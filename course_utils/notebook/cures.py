"""What to do about an error that a broken installation raises, in one sentence for the learner.

Imports nothing outside Python itself: it speaks where packages are missing.
"""

import re

from course_utils import colab

IN_COLAB = "Choose Runtime > Disconnect and delete runtime, then run the set-up cell again."
"""The cure there: a fresh machine. No command, as none may replace Colab's own packages."""
UNKNOWN = "Mend what stands above first; then delete .venv, and run: make start"

CURES = {
    r"libGL|libgthread|libglib|libxcb|libSM|libXext|libXrender": (
        "OpenCV lacks a library of the system. On Debian and Ubuntu, in a terminal: `sudo apt-get "
        "install libgl1 libglib2.0-0`. Where you are no administrator, in a cell: `%pip uninstall "
        "-y opencv-python`, then `%pip install opencv-python-headless`. Then restart the kernel."
    ),
    r"libgomp|libstdc\+\+": (
        "A library of the system is missing. On Debian and Ubuntu, in a terminal: `sudo apt-get "
        "install libgomp1 libstdc++6`. Then restart the kernel."
    ),
    r"WinError (126|127|1114)|DLL load failed": (
        "Install Microsoft's Visual C++ Redistributable (x64), which Windows lacks; then restart."
    ),
    r"No module named '_(lzma|bz2|ctypes|sqlite3|ssl)'": (
        "This Python was built without a part that the course needs. Install liblzma-dev, "
        "libbz2-dev, libffi-dev and libssl-dev and build it again; or delete .venv, and take "
        "another Python: make PYTHON=python3.12 start"
    ),
    r"numpy\.dtype size changed|_ARRAY_API|compiled using NumPy|numpy\.core\.multiarray": (
        "A package was built for another numpy: delete .venv, then: make start"
    ),
    r"CUDA|cuDNN|CUBLAS|no kernel image|NVIDIA": (
        "This torch does not fit your GPU or its driver. Update the driver; or start Jupyter with "
        "CUDA_VISIBLE_DEVICES=-1, and the course uses the processor."
    ),
    r"UnidentifiedImageError|WebP": (
        "This Pillow reads no WebP. Run in a cell: %pip install --force-reinstall --no-deps pillow"
        "   then restart the kernel."
    ),
    r"No module named '([\w.]+)'": (
        r"The package \1 is missing: choose the kernel of .venv, or delete .venv, then: make start"
    ),
    r"nms|torchvision": (
        "Run in a cell: %pip install --force-reinstall torch torchvision   then restart the kernel."
    ),
    r"SafetensorError|No such file": (
        "Run `git checkout data images` in the course's folder, which restores its own files."
    ),
}
"""What an error's name and message may hold, and what mends it; the first that fits counts."""


def cure(error: BaseException) -> str:
    """What to do about an error that came while something was tried out."""
    said = f"{type(error).__name__}: {error}"
    for pattern, text in CURES.items():
        found = re.search(pattern, said)
        if found:
            return here(found.expand(text))
    return here(UNKNOWN)


def here(text: str) -> str:
    """A cure that installs or restores something, or what one does instead of it in Colab."""
    return IN_COLAB if colab.is_here() else text
