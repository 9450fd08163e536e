"""Data sets of small pictures that torchvision knows, downloaded at their first use."""

import errno
import http.client
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor

from course_utils.io import downloads, files
from course_utils.io.downloads import open_address

KINDS = {
    "FashionMNIST": torchvision.datasets.FashionMNIST,
    "KMNIST": torchvision.datasets.KMNIST,
    "CIFAR10": torchvision.datasets.CIFAR10,
    "CIFAR100": torchvision.datasets.CIFAR100,
}
SECONDS = 6
"""How long a server may stay silent."""


def read(name: str, train: bool) -> tuple[np.ndarray, Tensor]:
    """One of `KINDS` by its name: uint8 pixels, N x H x W or N x H x W x C, and labels, int64 N.

    Raises ConnectionError within seconds where it can't be fetched, OSError where there is no room
    for it, and ValueError where what lies there is damaged.
    """
    found = _there(name, train, downloads.FOLDER)
    if found is None:
        folder = downloads.folder()
        found = _there(name, train, folder)
        if found is None:
            _fetch(name, train, folder)
            found = _there(name, train, folder)
        if found is None:
            raise ValueError(f"{name} in {folder} is damaged: delete it there and run again.")
    return np.asarray(found.data), torch.as_tensor(found.targets)


def _there(name: str, train: bool, folder: Path):
    """torchvision's data set as it lies in `folder`, or None where it is not there whole."""
    try:
        return KINDS[name](folder, train=train, download=False)
    except Exception:  # a missing or a half-written file stops torchvision in many ways
        return None


def _fetch(name: str, train: bool, folder: Path) -> None:
    """Download a data set beside its place and move it there once it is whole."""
    files.remove_left_over(folder / name)
    kind = KINDS[name]
    address = kind.mirrors[0] + kind.resources[0][0] if hasattr(kind, "mirrors") else kind.url
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)  # torchvision itself would wait for ever
    try:
        open_address(address).close()  # fails within seconds, however the network fails
        start = files.start_of(folder / name)
        with tempfile.TemporaryDirectory(dir=folder, prefix=start) as beside:
            kind(beside, download=True)
            if _there(name, train, folder) is None:  # another lesson may have been faster
                for item in [*Path(beside).iterdir()]:
                    _move(item, folder / item.name)
    except (OSError, RuntimeError, EOFError, http.client.HTTPException) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise OSError(
                f"{folder} has no room for {name}: make room and run again. Nothing of it is left "
                f"there half-written."
            ) from error
        raise ConnectionError(
            f"{name} could not be fetched from {address} ({error}). "
            f"It needs the internet once. The course itself runs on MNIST, which is at hand: "
            f"datasets.mnist()."
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def _move(item: Path, place: Path) -> None:
    """Put a file or folder in its place; a damaged older one goes where the item was."""
    with suppress(FileNotFoundError):
        os.replace(place, item.with_name(f"{item.name}.older"))
    os.replace(item, place)
