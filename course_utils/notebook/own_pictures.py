"""One's own drawings of one thing, for lesson 15: read, cropped, on white.

Files or photographs of drawings on paper: the paper becomes white, what is drawn is cropped, put in
the middle of a square and made small.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from course_utils.notebook import photo_files

SIZE = 64  # of a picture for the model, in pixels
LONGEST = 1024  # read at about this size
MARGIN = 0.06  # left around what is drawn, as a part of its longer side
INK = 28  # how far from the paper's colour, of 255, a pixel is drawn on
DARK_PAPER = 110  # paper that is darker than this is none
ALIKE = 2.0  # of 255: two pictures that differ less than this on average are one


def load_pictures(paths: Sequence[str | Path]) -> Tensor:
    """Several drawings of one thing, float32 N x 3 x 64 x 64 in [-1, 1], each cropped and on white.

    paths: of files as for `take_photo`. Raises ValueError, with what to do, where there is only one
    picture, where all are the same, for a film, and where no drawing on light paper is found;
    FileNotFoundError for a missing file.
    """
    if isinstance(paths, str | Path) or len(paths) < 2:
        raise ValueError(
            "This is one picture only: a model would learn the picture and not the thing. Give a "
            "list of three to ten, with the thing in other places, poses or moods."
        )
    return stack([read(path) for path in paths])


def stack(images: Sequence[Image.Image]) -> Tensor:
    """The same of pictures that are there already, RGB, such as `take_photo()` gives."""
    drawn = np.stack([np.asarray(cropped(image)) for image in images])
    differing = np.abs(drawn.astype(np.float32) - drawn[0]).mean((1, 2, 3))
    if (differing < ALIKE).all():
        raise ValueError(
            f"All {len(drawn)} pictures are the same: a model would learn the picture and not the "
            f"thing. Draw it again in other places, poses or moods."
        )
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1


def read(path: str | Path) -> Image.Image:
    """A picture in a file as RGB, on white where it is transparent. Raises as `load_pictures`."""
    path = photo_files.pasted(str(path))
    if not isinstance(path, Path):
        raise ValueError(f"{path} is no file: give the paths of your pictures.")
    image = photo_files.read(path, LONGEST)
    if (frames := number_of_frames(path)) > 1:
        raise ValueError(
            f"{path.name} is a film of {frames} pictures, as GIFs can be. Open it in another "
            f"program, save the picture you mean as PNG, and give that file."
        )
    return image


def number_of_frames(path: Path) -> int:
    """How many pictures a file holds one after the other; 1 for what Pillow does not open."""
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1)
    except (OSError, ImportError):
        return 1


def cropped(image: Image.Image) -> Image.Image:
    """What is drawn on the paper of a picture, in the middle of a white square of SIZE x SIZE.

    The paper's colour is the median along the border; each channel is stretched until it is white.
    Raises ValueError where the paper is dark or nothing is drawn on it.
    """
    pixels = np.asarray(image.convert("RGB")).astype(np.float32)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = np.median(border, axis=0)
    if paper.min() < DARK_PAPER:
        raise ValueError(
            f"The background of this picture is not light (red, green and blue are "
            f"{[round(float(c)) for c in paper]} of 255). Draw on white paper, take the picture in "
            f"good light and without a frame, or cut the background out in another program."
        )
    pixels = np.minimum(pixels * (255 / paper), 255)
    drawn = (255 - pixels).max(axis=2) > INK
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    if not len(rows):
        raise ValueError("Nothing is drawn in this picture: all of it has one colour.")
    whole = Image.fromarray(pixels.round().astype(np.uint8))
    whole = whole.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    side = round(max(whole.size) * (1 + 2 * MARGIN))
    square = Image.new("RGB", (side, side), "white")
    square.paste(whole, ((side - whole.width) // 2, (side - whole.height) // 2))
    return square.resize((SIZE, SIZE), Image.Resampling.BOX if side >= SIZE else Image.BICUBIC)
