"""Where downloads go, and a file fetched: whole or not at all, and quick to say that there is no
network."""

import os
import queue
import tempfile
import threading
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from course_utils import ROOT

FOLDER = ROOT / "downloads"
"""Where downloaded data goes; git ignores it."""
SECONDS_TO_CONNECT = 4
SECONDS = 60
"""What a transfer may take."""
SMALLEST = 100_000
"""Bytes of a file that is worth fetching; an error page has fewer."""


def folder() -> Path:
    """The folder for downloaded data: downloads/, or one in the user's cache where the course's
    own folder can't be written to. Raises PermissionError where neither can be.
    """
    places = [FOLDER]
    with suppress(RuntimeError):  # there are users without a home
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        places.append(cache / "diffusion-course")
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=place).close()  # the one reliable test
            return place
        except OSError:
            continue
    raise PermissionError(
        f"Nothing can be written to {' or '.join(map(str, places))}. Make room or change "
        f"permissions, or set XDG_CACHE_HOME to a folder that is yours."
    )


def fetch(address: str, path: Path) -> Path:
    """Fetch `address` to the file `path`, unless it is there; return the path.

    The file appears when all of it has arrived. Raises OSError, with a reason in one line, where
    the network does not answer within some 5 seconds, where the transfer takes more than `SECONDS`,
    or where what arrives has fewer than `SMALLEST` bytes.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written = path.with_name(f".{path.name}.{os.getpid()}")
    until = time.monotonic() + SECONDS
    try:
        with open_address(address) as response, half_written.open("wb") as file:
            length = int(response.headers.get("Content-Length") or 0)
            while block := response.read(1 << 16):
                file.write(block)
                if time.monotonic() > until:
                    raise OSError(f"{path.name} was not there after {SECONDS} seconds")
        if half_written.stat().st_size < max(length, SMALLEST):
            raise OSError(f"{path.name} did not arrive whole")
        os.replace(half_written, path)
    except HTTPException as error:  # the line broke off; it is no OSError
        raise OSError(f"{path.name} did not arrive whole ({type(error).__name__})") from error
    finally:
        with suppress(OSError):  # also where nothing could be written
            half_written.unlink()
    return path


def open_address(address: str) -> Any:
    """Open an address, or raise OSError after a few seconds, a slow name server's included."""
    answer: queue.Queue = queue.Queue()

    def connect() -> None:
        try:
            answer.put(urllib.request.urlopen(address, timeout=SECONDS_TO_CONNECT))
        except Exception as error:
            answer.put(error)

    # A thread, because no timeout of Python's covers the look-up of the name.
    threading.Thread(target=connect, daemon=True).start()
    try:
        result = answer.get(timeout=SECONDS_TO_CONNECT + 1)
    except queue.Empty:
        result = TimeoutError("no answer")
    if isinstance(result, Exception):
        reason = getattr(result, "reason", None) or result
        reason = getattr(reason, "strerror", None) or reason
        raise OSError(f"{address.rsplit('/', 1)[1]} cannot be fetched ({reason})") from result
    return result
