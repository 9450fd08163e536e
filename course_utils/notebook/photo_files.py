"""A picture or a video in a file as an RGB picture, and its path as people paste it."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from course_utils.notebook import frames
from course_utils.notebook.frames import CameraError, first_line

SOURCES = '"auto", "webcam", "colab", "sample", or the path of a picture or a video'
TEXT_BYTES = 1 << 26
"""What a PNG may carry of text or colour profile, unpacked; Pillow's own limit is a megabyte."""
INVISIBLE = "\u202a\u202b\u202c\u200b\u200e\u200f\ufeff"
"""Windows' dialogs put the first of these before a path that is copied from them."""
QUOTES = ('""', "''", "“”", "‘’", "„“", "«»", "``", "<>")


def pasted(source: str) -> Path | int:
    """A path as people paste it, or the number of a webcam: "0" is webcam 0.

    Taken away are white space, quotes and invisible marks around it, `file://`, and the
    backslashes with which a terminal protects spaces; `~` and variables such as $HOME are filled
    in. A file of the very name that was given comes first. Raises ValueError for an empty text.
    """
    if _is_there(Path(source)) and source.strip():
        return Path(source)
    text = source.strip().strip(INVISIBLE).strip()
    for before, after in QUOTES:
        if len(text) > 1 and text[0] == before and text[-1] == after:
            text = text[1:-1].strip()
    if not text:
        raise ValueError("The source is empty. Give the path of a picture, or take_photo().")
    if re.fullmatch(r"[+-]?\d+", text) and text.isascii():
        return int(text)
    if text.lower().startswith("file:"):
        parts = urlsplit(text)
        host = "" if parts.netloc in ("", "localhost") else f"//{parts.netloc}"
        text = url2pathname(host + parts.path) if os.name == "nt" else unquote(parts.path)
    path = Path(os.path.expanduser(os.path.expandvars(text)))
    plain = Path(re.sub(r"\\(.)", r"\1", str(path)))
    return plain if os.name != "nt" and not _is_there(path) and _is_there(plain) else path


def read(path: Path, longest_side: int) -> Image.Image:
    """The picture, or the fifteenth frame of the video, in the file `path`, as RGB.

    It may come out larger than `longest_side`, and never smaller because of it. Raises
    FileNotFoundError and ValueError as `camera.take_photo` does.
    """
    _check_file(path)
    try:
        return _picture(path, longest_side)
    except (UnidentifiedImageError, ImportError):  # ultralytics' Image.open raises the latter
        pass  # no picture: perhaps a video
    except Exception as error:  # each decoder has its own ways to fail
        raise ValueError(
            f"{path.name} cannot be read: {first_line(error)}. Open it in another program, save it "
            f"from there as JPEG or PNG, and try again."
        ) from error
    try:
        frame = frames.last_frame(str(path))
    except (CameraError, ImportError):
        frame = None
    if frame is None:
        raise ValueError(
            f"{path.name} is no picture that Pillow reads, and no video with a frame that OpenCV "
            f"reads. Save it as JPEG or PNG (an iPhone's HEIC too) and try again."
        )
    return Image.fromarray(frame)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, a folder that is closed to us, a NUL
        return False


def _check_file(path: Path) -> None:
    if not _is_there(path):
        name = str(path) if len(str(path)) < 200 else f"{str(path)[:200]}..."
        raise FileNotFoundError(
            f"There is no file {name}.{_alike(path)} A source is {SOURCES}. "
            f"What is on the web must be saved to a file first."
        )
    if path.is_dir():
        raise ValueError(f"{path} is a folder. Give the path of one picture or video in it.")
    if not path.is_file():  # a pipe or a device may never end
        raise ValueError(f"{path} is no file. Give the path of a picture or a video.")


def _alike(path: Path) -> str:
    """The file of that name with another ending, which Windows and macOS do not show."""
    with suppress(OSError, ValueError):
        for file in sorted(path.parent.iterdir()):
            if file.is_file() and file.stem.lower() in (path.name.lower(), path.stem.lower()):
                return f" But there is {file.name}."
    return ""


def _picture(path: Path, longest_side: int) -> Image.Image:
    with warnings.catch_warnings(), _room_for_text():
        # Of large pictures, odd tags, transparency in palettes. What stops it, it raises.
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            # A JPEG may be decoded at a half, a quarter or an eighth of its size: less memory.
            image.draft(image.mode, (longest_side, longest_side))
            image.load()
            return to_rgb(upright(image))


def upright(image: Image.Image) -> Image.Image:
    """The picture, turned as the camera was held."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # the notes about the picture are damaged, and not the picture
        return image


@contextmanager
def _room_for_text() -> Iterator[None]:
    """Within it Pillow opens PNGs that carry long texts or large colour profiles."""
    before = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = TEXT_BYTES
    try:
        yield
    finally:
        PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = before


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow's as 8-bit RGB, on white where it is transparent."""
    if image.mode == "I" or image.mode.startswith("I;16"):  # 16-bit grey: 65,535 is white
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode == "F":  # no range is agreed on: darkest to black, brightest to white
        grey = np.nan_to_num(np.asarray(image).astype(np.float64))
        grey = (grey - grey.min()) / max(np.ptp(grey), 1e-12) * 255
        return Image.fromarray(grey.round().astype(np.uint8)).convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
