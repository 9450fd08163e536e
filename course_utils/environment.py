"""Is everything in place? Versions, data, room: what a learner's machine has and what it lacks.

Imports nothing outside Python itself until a check needs it, so that it can tell what is missing.
"""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from typing import NamedTuple

from course_utils import ROOT

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
    """Look at everything; what goes wrong while looking is a finding too."""
    looks: dict[str, Callable[[], Finding]] = {
        "Python": _python,
        "packages": _packages,
        "torch": _torch,
        "device": _device,
        "COURSE_BUDGET": _budget,
        "memory": _memory,
        "disk": _disk,
        "MNIST": _mnist,
        "photographs": _photographs,
    }
    findings = []
    for what, look in looks.items():
        try:
            findings.append(look())
        except Exception as error:  # a broken installation fails in any way it likes
            found = f"could not be checked ({type(error).__name__}: {error})"
            findings.append(Finding(what, found, "Mend what stands above first, then try again."))
    return findings


def _python() -> Finding:
    found = platform.python_version()
    wanted = ".".join(map(str, PYTHON))
    if sys.version_info >= PYTHON:
        return Finding("Python", found)
    cure = f"Install Python {wanted} or newer, delete .venv, then: make PYTHON=python3.12 start"
    return Finding("Python", f"{found}, too old", cure)


def _packages() -> Finding:
    """Each line of requirements.txt against what is installed."""
    from packaging.requirements import Requirement

    wrong, cures, versions = [], [], []
    for line in REQUIREMENTS.read_text().splitlines():
        if not line.strip() or line.startswith(("#", "-")):
            continue
        wanted = Requirement(line)
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing")
            cures.append(f'"{wanted}"')
            continue
        versions.append(f"{wanted.name} {version}")
        if not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name} is {version} and should be {wanted.specifier}")
            cures.append(f'"{wanted}"')
    if wrong:
        cure = f"Run in a cell: %pip install {' '.join(cures)}   then restart the kernel."
        return Finding("packages", "; ".join(wrong), cure)
    return Finding("packages", f"all {len(versions)} as requirements.txt asks")


def _torch() -> Finding:
    """torch and torchvision come in pairs; a wrong pair fails only when it is used."""
    cure = "Run in a cell: %pip install --force-reinstall torch torchvision   then restart."
    try:
        import torch
        import torchvision

        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        return Finding("torch", f"torch and torchvision do not work together ({reason})", cure)
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
    from course_utils import downloads

    folder = downloads.folder()
    free = shutil.disk_usage(folder).free / 1e9
    cure = "" if free >= DISK_GB else f"Make room: lessons write up to {DISK_GB} GB there."
    place = "downloads/" if folder == downloads.FOLDER else f"{folder} (downloads/ is read-only)"
    return Finding("disk", f"{free:.1f} GB free for {place}", cure)


def _mnist() -> Finding:
    from course_utils import datasets

    try:
        pictures = sum(len(datasets.mnist(train)[0]) for train in (True, False))
    except (FileNotFoundError, ValueError) as error:
        found, _, cure = str(error).partition(". ")
        return Finding("MNIST", found, cure)
    return Finding("MNIST", f"{pictures:,} pictures, each file whole")


def _photographs() -> Finding:
    person = ROOT / "images" / "person.jpg"
    if person.exists() and person.stat().st_size > 0:
        return Finding("photographs", "the sample photograph is here")
    cure = "Run `git checkout images` in the course's folder."
    return Finding("photographs", "images/person.jpg is missing", cure)
