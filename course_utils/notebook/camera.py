"""Photographs for the lessons: from the webcam, from Colab's camera, from a file, or the sample.

Whatever the source, a photograph is a uint8 RGB array H x W x 3. It stays in the memory of the
notebook: it is sent nowhere, and written to disk only by `save_photo`.
"""

import os
import sys
from numbers import Integral
from pathlib import Path

import numpy as np
from PIL import Image

from course_utils import ROOT
from course_utils.io import files
from course_utils.notebook import colab_camera, frames, photo_files
from course_utils.notebook.frames import CameraError
from course_utils.notebook.photo_files import SOURCES

SAMPLE = ROOT / "images" / "person.jpg"
PHOTOS = ROOT / "photos"  # git ignores this folder
WORDS = ("auto", "webcam", "colab", "sample")

__all__ = ["PHOTOS", "SAMPLE", "CameraError", "save_photo", "take_photo"]


def take_photo(source: str | Path | int = "auto", longest_side: int = 1280) -> np.ndarray:
    """A photograph as uint8 RGB, H x W x 3, at most `longest_side` pixels high and wide.

    source:
        "auto"    what the environment variable COURSE_CAMERA names, else "colab" in Google Colab
                  and "webcam" elsewhere; where that fails, the sample, and one line that says why
        "webcam"  the first webcam; a number picks another one, also as text: "1"
        "colab"   the camera of the browser, in Google Colab; its page has a button for the sample
        "sample"  the course's photograph of a person
        a path    a picture in any format that Pillow reads, or a video that OpenCV reads (its
                  fifteenth frame, or the last one of a shorter video); it may stand in quotes,
                  begin with ~ or file://, and have spaces around it

    Transparent parts become white; pictures that were taken sideways are turned upright. Raises
    CameraError where the camera that was asked for gives no picture, FileNotFoundError where there
    is no such file, and ValueError where the file is neither a picture nor a video, or where
    `source` or `longest_side` is something else.
    """
    source = _checked(source, longest_side)
    if source == "auto":
        source = _checked(os.environ.get("COURSE_CAMERA") or "auto", longest_side)
    if source == "auto":
        image = _from_any_camera()
    elif source == "sample":
        image = photo_files.read(SAMPLE, longest_side)
    elif source == "colab":
        image = colab_camera.photo() or _sample("you asked for it.")
    elif source == "webcam" or isinstance(source, int):
        image = Image.fromarray(frames.from_webcam(0 if source == "webcam" else source))
    else:
        image = photo_files.read(source, longest_side)
    image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    return np.array(image)  # a copy that the caller may write to


def _checked(source: object, longest_side: object) -> str | int | Path:
    """One of WORDS, the number of a webcam, or a path. Raises ValueError for what is none."""
    if not isinstance(longest_side, int) or longest_side < 1:
        raise ValueError(f"longest_side is a number of pixels, such as 1280; not {longest_side!r}.")
    if isinstance(source, str):
        word = source.strip().lower()
        source = word if word in WORDS else photo_files.pasted(source)
    elif isinstance(source, os.PathLike):
        path = photo_files.pasted(os.fsdecode(source))
        source = path if isinstance(path, Path) else Path(source)
    elif not isinstance(source, Integral) or isinstance(source, bool):
        raise ValueError(
            f"A source is {SOURCES}; this one is a {type(source).__name__}. An array is a photo "
            f"already: use it as it is."
        )
    if isinstance(source, Integral):
        if not 0 <= source < 1 << 31:  # below, OpenCV can end the whole kernel
            raise ValueError(f"Webcams are counted from 0; there is no webcam {source}.")
        return int(source)
    return source


def _sample(why: str) -> Image.Image:
    print(f"Using the course's sample photograph: {why}")
    return Image.open(SAMPLE).convert("RGB")


def _from_any_camera() -> Image.Image:
    try:
        if "google.colab" in sys.modules:
            return colab_camera.photo() or _sample("you asked for it.")
        return Image.fromarray(frames.from_webcam(0))
    except CameraError as error:
        return _sample(str(error))


def save_photo(image: np.ndarray, name: str) -> Path:
    """Write a uint8 picture H x W x 3 to photos/NAME.png, which git ignores; return the path.

    An older photo of that name is replaced. Raises ValueError for a name with folders in it, or for
    an array that is no picture, and OSError where nothing can be written.
    """
    if name in ("", "..", ".png") or Path(name).name != name:
        raise ValueError(f"A photo's name has no folders in it, as in 'me'; this one is {name!r}.")
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ValueError(
            f"A photo is a uint8 array H x W x 3; this one is {array.dtype} {array.shape}."
        )
    path = PHOTOS / f"{name.removesuffix('.png')}.png"
    with files.whole(path) as beside:
        Image.fromarray(array).save(beside, format="PNG")
    return path
