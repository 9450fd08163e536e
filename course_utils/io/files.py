"""Files that are written whole or not at all: whatever happens meanwhile, the older one stays."""

import glob
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECONDS_TO_KEEP = 24 * 3600
"""What a killed process left half-written is removed by a later save, when it is as old as this."""
MARK = "half-written"
"""In the names of folders that are not whole yet, which no folder of the learner's own has."""


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a place beside `path` to write to; what was written there is then moved to `path`.

    So a full disk, an interrupt or a killed kernel leaves an older file at `path` as it was, and
    two lessons may write one file at once. Makes the folder where there is none. Raises OSError,
    with what to do, where the file cannot be written; any other error is passed on.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, path)
        _remove_left_over_files(path)
    except OSError as error:
        raise _explained(path, error) from error
    finally:
        with suppress(OSError):  # also where nothing could be written: a read-only disk
            beside.unlink()


@contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """As `whole`, for files that belong together: yield a new folder beside `folder` to write to.

    When all is written there, its files take the places of older ones in `folder`; others stay. So
    no model is ever made of new parts and old ones because the disk was full. Raises OSError, with
    what to do, where something cannot be written.
    """
    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_left_over(folder)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=start_of(folder)) as beside:
            yield Path(beside)
            for file in sorted(p for p in Path(beside).rglob("*") if p.is_file()):
                place = folder / file.relative_to(beside)
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, place)
    except OSError as error:
        raise _explained(folder, error) from error


def start_of(folder: Path) -> str:
    """How the names of folders begin that are to become `folder`."""
    return f".{folder.name}-{MARK}-"


def remove_left_over(folder: Path) -> None:
    """Remove the folders beside `folder` that were begun for it by processes that were killed."""
    for old in folder.parent.glob(f"{glob.escape(start_of(folder))}*"):
        if _is_old(old):
            shutil.rmtree(old, ignore_errors=True)


def _explained(path: Path, error: OSError) -> OSError:
    reason = error.__cause__ or error
    return OSError(
        f"{path} could not be written ({reason}). What was there before is as it was. Make room if "
        f"the disk is full; else write to a folder that is yours."
    )


def _is_old(path: Path) -> bool:
    with suppress(OSError):  # another process has removed it
        return time.time() - path.stat().st_mtime > SECONDS_TO_KEEP
    return False


def _remove_left_over_files(path: Path) -> None:
    """Remove what killed processes left beside `path`."""
    for old in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if re.fullmatch(r"\.\d+\.\d+", old.name.removeprefix(f".{path.name}")) and _is_old(old):
            with suppress(OSError):
                old.unlink()
