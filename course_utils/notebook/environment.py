"""Is everything in place? Versions, room, and whether what the lessons use works here.

Imports nothing outside Python itself until a check needs it, so that it can tell what is missing.
"""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from course_utils import ROOT, colab
from course_utils.notebook import cures, smoke_tests

PYTHON = (3, 11)
REQUIREMENTS = ROOT / "requirements.txt"
MEMORY_GB = 2.0
"""What a lesson may use."""
DISK_GB = 0.5
"""Room for unpacked data and checkpoints."""


class Finding(NamedTuple):
    """One thing that was looked at: what it is, what was found, and how to mend it ("" if fine)."""

    what: str
    found: str
    mend: str = ""


def report() -> None:
    """Print what was found, then one verdict: all is in place, or what is missing and its cure."""
    findings = check()
    for finding in findings:
        print(f"{'--' if finding.mend else 'ok'}  {finding.what:<14} {finding.found}")
    print("    camera         not touched by this check\n")
    missing = [finding for finding in findings if finding.mend]
    if not missing:
        print("Everything is in place.")
        return
    print(f"{len(missing)} of {len(findings)} things need your attention:")
    for finding in missing:
        print(f"- {finding.what}: {finding.found}. {finding.mend}")


def check() -> list[Finding]:
    """Look at everything, and try out what the lessons use; what goes wrong is a finding too."""
    looks: dict[str, Callable[[], Finding]] = {
        "Python": _python,
        "packages": _packages_of_colab if colab.is_here() else _packages,
        "torch": _torch,
        "device": _device,
        "COURSE_BUDGET": _budget,
        "memory": _memory,
        "disk": _disk,
    }
    looks |= {what: partial(_tried, what, attempt) for what, attempt in smoke_tests.TRIED.items()}
    findings = []
    for what, look in looks.items():
        try:
            findings.append(look())
        except Exception as error:  # a broken installation fails in any way it likes
            found = f"could not be checked ({type(error).__name__}: {error})"
            findings.append(Finding(what, found, cures.cure(error)))
    return findings


def _tried(what: str, attempt: Callable[[], str]) -> Finding:
    """The finding of one of `smoke_tests.TRIED`."""
    try:
        return Finding(what, attempt())
    except Exception as error:  # a broken installation fails in any way it likes
        # The course's own messages end with what to do; everybody else's are looked up.
        found, _, mend = str(error).partition(". ")
        if isinstance(error, FileNotFoundError | ValueError) and "git checkout" in mend:
            return Finding(what, found, cures.here(mend))
        first = (str(error).strip() or "no message").splitlines()[0]
        return Finding(what, f"does not work ({type(error).__name__}: {first})", cures.cure(error))


def _python() -> Finding:
    found = platform.python_version()
    wanted = ".".join(map(str, PYTHON))
    if sys.version_info >= PYTHON:
        return Finding("Python", found)
    cure = f"Install Python {wanted} or newer, delete .venv, then: make PYTHON=python3.12 start"
    return Finding("Python", f"{found}, too old", cures.here(cure))


def _packages() -> Finding:
    """Each line of requirements.txt against what is installed."""
    from packaging.requirements import Requirement

    have, wrong, missing, right = colab.installed(), [], [], 0
    for line in REQUIREMENTS.read_text().splitlines():
        if not line.strip() or line.startswith(("#", "-")):
            continue
        wanted = Requirement(line)
        names = [wanted.name, *colab.OPENCV] if wanted.name in colab.OPENCV else [wanted.name]
        version = next((have[name] for name in map(colab.canonical, names) if name in have), None)
        if version is None:
            wrong.append(f"{wanted.name} is missing")
        elif not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name} is {version} and should be {wanted.specifier}")
        else:
            right += 1
            continue
        missing.append(f'"{wanted}"')
    if wrong:
        cure = f"Run in a cell: %pip install {' '.join(missing)}   then restart the kernel."
        return Finding("packages", "; ".join(wrong), cure)
    return Finding("packages", f"all {right} as requirements.txt asks")


def _packages_of_colab() -> Finding:
    """Whether all are there, in any version: those of Colab stay as they are."""
    missing = [colab.canonical(line) for line in colab.missing(REQUIREMENTS)]
    if missing:
        return Finding("packages", f"{', '.join(missing)} missing", "Run the set-up cell again.")
    return Finding("packages", "all there, in the versions of Colab")


def _torch() -> Finding:
    """torch and torchvision come in pairs; a wrong pair fails only when it is used."""
    try:
        import torch
        import torchvision

        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        found = f"torch and torchvision do not work together ({reason})"
        return Finding("torch", found, cures.cure(error))
    return Finding("torch", f"{torch.__version__} with torchvision {torchvision.__version__}")


def _device() -> Finding:
    import torch

    from course_utils import training

    where = training.device()
    name = torch.cuda.get_device_name() if where.type == "cuda" else platform.machine()
    precision = "computes in bf16" if training.has_bf16(where) else "computes in float32"
    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} processors"
    return Finding("device", f"{where.type} ({name}), {precision}, {threads}")


def _budget() -> Finding:
    from course_utils import training

    try:
        factor = training.budget(1000) / 1000
    except ValueError as error:
        cure = "Run in a cell: %env COURSE_BUDGET=1   or correct it where you start Jupyter."
        return Finding("COURSE_BUDGET", str(error), cure)
    return Finding("COURSE_BUDGET", f"{factor:g}: training runs are {factor:g} x their length")


def _memory() -> Finding:
    import psutil  # ipykernel brings it

    free = psutil.virtual_memory().available / 1e9
    cure = "" if free >= MEMORY_GB else f"Close other programs: lessons use up to {MEMORY_GB} GB."
    return Finding("memory", f"{free:.1f} GB available", cure)


def _disk() -> Finding:
    from course_utils.io import downloads

    folder = downloads.folder()
    free = shutil.disk_usage(folder).free / 1e9
    cure = "" if free >= DISK_GB else f"Make room: lessons write up to {DISK_GB} GB there."
    place = "downloads/" if folder == downloads.FOLDER else f"{folder} (downloads/ is read-only)"
    return Finding("disk", f"{free:.1f} GB free for {place}", cure)


if __name__ == "__main__":
    report()
