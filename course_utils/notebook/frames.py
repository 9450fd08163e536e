"""The frame that OpenCV reads from a webcam or a video, as a uint8 RGB array."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

FRAMES_TO_SETTLE = 15  # about half a second: until then a webcam is too dark or too bright
SECONDS_TO_WAKE = 5  # some webcams give empty or black frames at first
SECONDS_TO_SAY = 2  # an opening that takes longer is told of
BLACK = 16  # a frame without a brighter pixel was taken in the dark


class CameraError(RuntimeError):
    """There is no camera, or it gives no picture."""


def from_webcam(number: int) -> np.ndarray:
    """A frame of a webcam that has settled, uint8 RGB H x W x 3. Raises CameraError."""
    try:
        frame = last_frame(number)
    except ImportError as error:
        raise CameraError(f"OpenCV does not start here ({first_line(error)}).") from error
    if frame is None:
        raise CameraError(f"no picture came from webcam {number}; is one there and free?")
    if frame.max() < BLACK:
        raise CameraError(f"webcam {number} sees only black; is its cover closed?")
    return frame


def last_frame(source: int | str) -> np.ndarray | None:
    """Frame 15 of a webcam (a number) or a video (a path), or the last before; None without any.

    A webcam that gives nothing, or only black, is asked again for `SECONDS_TO_WAKE`. Raises
    CameraError where OpenCV fails, and ImportError where it does not start.
    """
    import cv2  # late: on a machine without graphics libraries its import fails

    with _silent_opencv(cv2):
        capture = None
        try:
            with _said_when_slow(source):
                capture = cv2.VideoCapture(source)
            return _settled(capture, source, cv2.error) if capture.isOpened() else None
        except cv2.error as error:
            raise CameraError(f"OpenCV could not read it ({first_line(error)}).") from error
        finally:
            if capture is not None:
                capture.release()


def _settled(capture, source: int | str, failure: type[Exception]) -> np.ndarray | None:
    """The last of FRAMES_TO_SETTLE good frames; a webcam may take longer until one is not black."""
    until = time.monotonic() + SECONDS_TO_WAKE
    frame, good, failed = None, 0, None
    while good < FRAMES_TO_SETTLE or frame.max() < BLACK:
        try:
            read = capture.read()[1]
        except failure as error:
            read, failed = None, error
        if read is not None and np.size(read):
            frame, good = to_rgb(read), good + 1
        elif isinstance(source, str):
            break  # a video has ended
        else:
            time.sleep(0.02)
        if time.monotonic() > until or (isinstance(source, str) and good == FRAMES_TO_SETTLE):
            break
    if frame is None and failed:
        raise failed
    return frame


def to_rgb(frame: np.ndarray) -> np.ndarray:
    """Whatever a camera gives as uint8 RGB H x W x 3.

    Read are 8 and 16 bits (65,535 is white) and floats in [0, 1], with 1 channel (grey), 2 (YUYV),
    3 (BGR) or 4 (BGR and one that is left out). Raises CameraError for anything else.
    """
    import cv2

    frame = np.asarray(frame)
    if frame.dtype == np.uint16:
        frame = (frame / 257).round().astype(np.uint8)
    elif frame.dtype.kind == "f":
        frame = (np.nan_to_num(frame).clip(0, 1) * 255).round().astype(np.uint8)
    channels = 1 if frame.ndim == 2 else frame.shape[2] if frame.ndim == 3 else 0
    codes = {1: "GRAY2RGB", 2: "YUV2RGB_YUY2", 3: "BGR2RGB", 4: "BGRA2RGB"}
    if frame.dtype != np.uint8 or channels not in codes:
        raise CameraError(f"the camera gives {frame.dtype} {frame.shape}, which is no picture.")
    return cv2.cvtColor(np.ascontiguousarray(frame), getattr(cv2, f"COLOR_{codes[channels]}"))


@contextmanager
def _said_when_slow(source: int | str) -> Iterator[None]:
    """One line where opening takes long, so that nobody takes the cell for stuck."""
    text = "Opening the camera. On Windows that can take a minute."
    timer = threading.Timer(SECONDS_TO_SAY, print, [text])
    timer.daemon = True
    if isinstance(source, int):  # a webcam
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _silent_opencv(cv2) -> Iterator[None]:
    """Within it OpenCV does not write its own warnings beside ours."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # What takes most of the minute on Windows (OpenCV's issue 17687).
    os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 4.13 moved it there
    before = log.setLogLevel(0)  # silent
    try:
        yield
    finally:
        log.setLogLevel(before)


def first_line(error: BaseException) -> str:
    """What an error says, in at most one line; its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
