"""Pictures as tensors: MNIST and emoji from the course's files, sprites drawn by code, others by
name through torchvision."""

import hashlib
import lzma
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from course_utils import ROOT
from course_utils.data import emoji as sheets
from course_utils.data import sprites as figures
from course_utils.data import torchvision_data

MNIST_FOLDER = ROOT / "data" / "mnist"
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
"""MNIST's original files, unpacked, and their digests."""


def mnist(train: bool = True) -> tuple[Tensor, Tensor]:
    """All of MNIST: 60,000 pictures to train on, or the 10,000 test pictures.

    Returns images, float32 N x 1 x 28 x 28 in [-1, 1], and labels, int64 N. Raises
    FileNotFoundError where a file of data/mnist is missing and ValueError where one is damaged.
    (LeCun, Cortes and Burges, The MNIST database of handwritten digits.)
    """
    part = "train" if train else "t10k"
    pixels = np.frombuffer(_mnist_file(f"{part}-images-idx3-ubyte"), np.uint8, offset=16)
    labels = np.frombuffer(_mnist_file(f"{part}-labels-idx1-ubyte"), np.uint8, offset=8)
    return _as_images(pixels.reshape(-1, 28, 28)), torch.from_numpy(labels.astype(np.int64))


def emoji(
    size: int = 64,
    part: str = "train",
    styles: Sequence[str] = sheets.STYLES,
    categories: Sequence[str] = sheets.CATEGORIES,
) -> tuple[Tensor, list[list[str]], list[sheets.Emoji]]:
    """Emoji on white in up to four drawing styles: `course_utils/data/emoji.py` says more.

    size: 64, or 32 or 16, for which squares of pixels are averaged. part: "train", "held_out" (a
    tenth: pairs of style and concept that are never in "train", though the concept is, in other
    styles) or "all". Returns images, float32 N x 3 x size x size in [-1, 1], style by style; the
    captions of each, in several templates; and the N drawings' styles, concepts and categories.
    Raises ValueError for a size, part, style or category that does not exist and for a damaged
    file, FileNotFoundError for a missing one.
    """
    _one_of("size", [size], (64, 32, 16))
    _one_of("part", [part], ("train", "held_out", "all"))
    _one_of("style", styles, sheets.STYLES)
    _one_of("category", categories, sheets.CATEGORIES)
    images, found, factor = [], [], sheets.SIZE // size
    for style in styles:
        drawings = sheets.drawings(style)
        wanted = [i for i, d in enumerate(drawings) if _is_in(d, part) and d.category in categories]
        pixels = sheets.sheet(style)[wanted].reshape(-1, size, factor, size, factor, 3)
        images.append(_as_images(pixels.mean((2, 4), dtype=np.float32)))
        found += [drawings[i] for i in wanted]
    return torch.cat(images), [sheets.captions(drawing) for drawing in found], found


def sprites(part: str = "train") -> tuple[Tensor, Tensor, list[figures.Sprite]]:
    """The course's own pixel art, drawn when asked for: `course_utils/data/sprites.py` says how.

    part: "train", "held_out" (a tenth: combinations of kind, colour and extra that are never in
    "train") or "all". Returns images, float32 N x 3 x 16 x 16 in [-1, 1]; contexts, float32 N x
    `sprites.CONTEXT_WIDTH`; and the N sprites in words. Raises ValueError for another part.
    """
    wanted = {"train": (False,), "held_out": (True,), "all": (False, True)}
    if part not in wanted:
        raise ValueError(f"There is no part {part!r} of the sprites: take one of {list(wanted)}.")
    drawn = figures.all_sprites()
    chosen = [i for i in range(len(drawn)) if figures.is_held_out(drawn[i]) in wanted[part]]
    found = [drawn[i] for i in chosen]
    contexts = torch.stack([figures.context(sprite) for sprite in found])
    return figures.pictures()[chosen], contexts, found


def from_torchvision(name: str, train: bool = True) -> tuple[Tensor, Tensor]:
    """Another data set of small pictures by torchvision's name, downloaded at first use.

    name: "FashionMNIST", "KMNIST" (1 x 28 x 28, 10 classes), "CIFAR10" or "CIFAR100" (3 x 32 x 32).
    Returns images, float32 N x C x H x W in [-1, 1], and labels, int64 N. Raises ValueError for
    another name, ConnectionError within seconds where the data can't be fetched, and OSError where
    there is no room for it.
    """
    if name == "MNIST":
        return mnist(train)
    if name not in torchvision_data.KINDS:
        known = ", ".join(["MNIST", *torchvision_data.KINDS])
        raise ValueError(f"There is no data set {name!r} here. These names work: {known}.")
    pixels, labels = torchvision_data.read(name, train)
    return _as_images(pixels), labels


def _mnist_file(name: str) -> bytes:
    """One of MNIST's four files, unpacked and checked."""
    path = MNIST_FOLDER / f"{name}.xz"
    mend = "Restore the course's files with `git checkout data/mnist`, run in the course's folder."
    if not path.exists():
        raise FileNotFoundError(f"data/mnist/{path.name} is missing. {mend}")
    try:
        raw = lzma.decompress(path.read_bytes())
    except lzma.LZMAError as error:
        raise ValueError(f"data/mnist/{path.name} is damaged ({error}). {mend}") from error
    if _md5(raw) != MNIST_MD5[name]:
        raise ValueError(f"data/mnist/{path.name} is damaged: its digest is wrong. {mend}")
    return raw


def _is_in(drawing: sheets.Emoji, part: str) -> bool:
    if part == "all":
        return True
    held_out = sheets.held_out_style(drawing.concept) == drawing.style
    return held_out == (part == "held_out")


def _one_of(what: str, given: Sequence, known: Sequence) -> None:
    """Raise ValueError unless all of `given` are known, and something is given."""
    names = ", ".join(map(str, known))
    if isinstance(given, str):
        raise ValueError(f"Give a list of names of a {what}, not {given!r} alone. Known: {names}.")
    unknown = [value for value in given if value not in known]
    if unknown or not given:
        raise ValueError(f"The emoji have no {what} {unknown or given}. Known: {names}.")


def _md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def _as_images(pixels: np.ndarray) -> Tensor:
    """0 to 255, N x H x W or N x H x W x C, as float32 N x C x H x W in [-1, 1]."""
    images = torch.from_numpy(pixels.astype(np.float32)).div_(127.5).sub_(1)
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
