"""Photographs for the lessons: from the webcam, from Colab's camera, from a file, or the sample.

Whatever the source, a photograph is a uint8 RGB array H x W x 3. It stays in the memory of the
notebook: it is sent nowhere, and written to disk only by `save_photo`.
"""

import base64
import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from course_utils import ROOT, files

SAMPLE = ROOT / "images" / "person.jpg"
PHOTOS = ROOT / "photos"  # git ignores this folder
SOURCES = '"auto", "webcam", "colab", "sample", or the path of a picture or a video'
FRAMES_TO_SETTLE = 15  # about half a second: until then a webcam is too dark or too bright

COLAB_CAPTURE = """
(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({video: true});
  const box = document.createElement("div");
  try {
    const video = document.createElement("video");
    const button = document.createElement("button");
    button.textContent = "Take the photo";
    box.append(video, document.createElement("br"), button);
    document.body.append(box);
    video.srcObject = stream;
    await video.play();
    google.colab.output.setIframeHeight(document.documentElement.scrollHeight, true);
    await new Promise((resolve) => (button.onclick = resolve));
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    return canvas.toDataURL("image/jpeg", 0.95);
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    box.remove();
  }
})()
"""


class CameraError(RuntimeError):
    """There is no camera, or it gives no picture."""


def take_photo(source: str | Path | int = "auto", longest_side: int = 1280) -> np.ndarray:
    """A photograph as uint8 RGB, H x W x 3, at most `longest_side` pixels high and wide.

    source:
        "auto"    what the environment variable COURSE_CAMERA names, else "colab" in Google Colab
                  and "webcam" elsewhere; where that fails, the sample, and one line that says why
        "webcam"  the first webcam; a number picks another one
        "colab"   the camera of the browser, in Google Colab
        "sample"  the course's photograph of a person
        a path    a picture in any format that Pillow reads, or a video that OpenCV reads (its
                  fifteenth frame, or the last one of a shorter video)

    Transparent parts become white; pictures that were taken sideways are turned upright. Raises
    CameraError where the camera that was asked for gives no picture, FileNotFoundError where there
    is no such file, and ValueError where the file is neither a picture nor a video, or where
    `source` or `longest_side` is something else.
    """
    _check_request(source, longest_side)
    if source == "auto":
        source = os.environ.get("COURSE_CAMERA") or "auto"
    if source == "auto":
        image = _from_any_camera()
    elif source == "sample":
        image = _from_file(SAMPLE, longest_side)
    elif source == "colab":
        image = _from_colab()
    elif source == "webcam" or isinstance(source, int):
        image = _from_webcam(0 if source == "webcam" else source)
    else:
        image = _from_file(Path(source), longest_side)
    image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    return np.array(image)  # a copy that the caller may write to


def _check_request(source: object, longest_side: object) -> None:
    if not isinstance(source, str | os.PathLike | int) or isinstance(source, bool):
        raise ValueError(
            f"A source is {SOURCES}; this one is a {type(source).__name__}. An array is a photo "
            f"already: use it as it is."
        )
    if isinstance(source, int) and source < 0:  # at which OpenCV can end the whole kernel
        raise ValueError(f"Webcams are counted from 0; there is no webcam {source}.")
    if not isinstance(longest_side, int) or longest_side < 1:
        raise ValueError(f"longest_side is a number of pixels, such as 1280; not {longest_side!r}.")


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


def _from_any_camera() -> Image.Image:
    try:
        return _from_colab() if "google.colab" in sys.modules else _from_webcam(0)
    except CameraError as error:
        print(f"Using the course's sample photograph: {error}")
        return Image.open(SAMPLE).convert("RGB")


def _from_colab() -> Image.Image:
    try:
        from google.colab import output
    except ImportError:
        raise CameraError("Colab's camera can only be used in Google Colab.") from None
    try:
        address = output.eval_js(COLAB_CAPTURE)  # "data:image/jpeg;base64,...."
        return Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1]))).convert("RGB")
    except Exception as error:  # Colab's own error type has changed its place before
        raise CameraError(f"the browser gave no picture ({_first_line(error)}).") from error


def _from_webcam(number: int) -> Image.Image:
    try:
        frame = _last_frame(number)
    except ImportError as error:
        raise CameraError(f"OpenCV does not start here ({_first_line(error)}).") from error
    if frame is None:
        raise CameraError(f"no picture came from webcam {number}; is one there and free?")
    if frame.max() < 16:
        raise CameraError(f"webcam {number} sees only black; is its cover closed?")
    return Image.fromarray(frame)


def _last_frame(source: int | str) -> np.ndarray | None:
    """Up to FRAMES_TO_SETTLE frames of a camera or a video; the last, as uint8 RGB, or None."""
    import cv2  # late: on a machine without graphics libraries its import fails

    frame = None
    with _silent_opencv(cv2):
        capture = None
        try:
            capture = cv2.VideoCapture(source)
            for _ in range(FRAMES_TO_SETTLE if capture.isOpened() else 0):
                good, read = capture.read()
                if not good or read is None:
                    break
                frame = read
        except cv2.error as error:
            raise CameraError(f"OpenCV could not read it ({_first_line(error)}).") from error
        finally:
            if capture is not None:
                capture.release()
    return None if frame is None else cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


@contextmanager
def _silent_opencv(cv2) -> Iterator[None]:
    """Within it OpenCV does not write its own warnings beside ours."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 4.13 moved it there
    before = log.setLogLevel(0)  # silent
    try:
        yield
    finally:
        log.setLogLevel(before)


def _from_file(path: Path, longest_side: int) -> Image.Image:
    path = Path(os.path.expanduser(path))  # Path.expanduser fails where there is no such user
    if path.is_dir():
        raise ValueError(f"{path} is a folder. Give the path of one picture or video in it.")
    if not path.exists():
        raise FileNotFoundError(
            f"There is no file {path}. A source is {SOURCES}. What is on the web must be saved "
            f"to a file first."
        )
    try:
        return _picture(path, longest_side)
    except (UnidentifiedImageError, ImportError):  # ultralytics' Image.open raises the latter
        pass  # no picture: perhaps a video
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} cannot be read: {_first_line(error)}.") from error
    try:
        frame = _last_frame(str(path))
    except (CameraError, ImportError):
        frame = None
    if frame is None:
        raise ValueError(
            f"{path.name} is no picture that Pillow reads, and no video with a frame that OpenCV "
            f"reads. Save it as JPEG or PNG (an iPhone's HEIC too) and try again."
        )
    return Image.fromarray(frame)


def _picture(path: Path, longest_side: int) -> Image.Image:
    with warnings.catch_warnings():
        # Pillow warns of large pictures; of those too large to open it raises an error.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path) as image:
            # A JPEG may be decoded at a half, a quarter or an eighth of its size: less memory.
            image.draft(image.mode, (longest_side, longest_side))
            return _to_rgb(ImageOps.exif_transpose(image))


def _to_rgb(image: Image.Image) -> Image.Image:
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


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
