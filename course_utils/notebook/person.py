"""Find the people in a photograph and cut one out.

Two detectors, both used and neither explained by the course:

- YOLO26 nano of the package ultralytics (AGPL-3.0, and so are its weights). Its weights, 5 MB, are
  looked for in downloads/ and fetched once where the network allows it. They are a .pt file, that
  is a pickle, which ultralytics opens itself; where the installed version can, it is told to build
  nothing but its own model classes from the file. A pickle from elsewhere should not be put there.
- The course's face detector, CenterFace (`faces`), which needs no download. It finds faces, and
  head and shoulders are guessed from them; whoever turns their back is not found.

Where neither can run, the whole picture is taken, and one line says so.
"""

import functools
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from course_utils import ROOT
from course_utils.io.downloads import fetch
from course_utils.notebook import faces
from course_utils.notebook.frames import first_line

DOWNLOADS = ROOT / "downloads"  # git ignores this folder
WEIGHTS = DOWNLOADS / "yolo26n.pt"
ADDRESS = "https://github.com/ultralytics/assets/releases/download/v8.4.0/yolo26n.pt"
SURE = 0.4  # people with less confidence are not reported
TASKS = ("detect", "segment", "pose")  # the YOLO models that answer with boxes

ULTRALYTICS_ENVIRONMENT = {
    "YOLO_CONFIG_DIR": str(DOWNLOADS),  # its settings file: ours, not the learner's own
    "YOLO_OFFLINE": "true",  # no usage reports, no look for updates
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}


class NobodyFound(ValueError):
    """There is no person in the picture, or none that the detector sees."""


class Box(NamedTuple):
    """A person in a picture: rows y0 to y1 and columns x0 to x1, the ends not included.

    confidence is in [0, 1]. detector is "yolo", "face" (the box is grown to head and shoulders), or
    "whole picture", with confidence 0, where no detector could run.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    confidence: float
    detector: str

    @property
    def area(self) -> int:
        return (self.x1 - self.x0) * (self.y1 - self.y0)


def find_people(image: np.ndarray, detector: str = "auto") -> list[Box]:
    """The people in a uint8 RGB picture H x W x 3 as boxes inside it, the largest first.

    detector: "yolo", "face", or "auto": YOLO where its weights are there or can be fetched, else
    the course's face detector. "auto" and "face" take the whole picture where no detector can run;
    one line says so, and why. Raises ValueError for what is no such picture, and with "yolo"
    OSError, ImportError or ValueError where there are no weights, or others than YOLO's for people.
    """
    _check_picture(image)
    if detector not in ("auto", "yolo", "face"):
        raise ValueError(f'detector is "auto", "yolo" or "face", and not {detector!r}.')
    if detector == "yolo":
        found = _with_yolo(image, fetch(ADDRESS, WEIGHTS))
    else:
        found = _yolo_or_none(image) if detector == "auto" else None
        found = _with_faces(image) if found is None else found
    height, width = image.shape[:2]
    boxes = [_clip(box, height, width) for box in found]
    return sorted((box for box in boxes if box.area > 0), key=lambda box: -box.area)


def crop_person(
    image: np.ndarray,
    which: int | str = "largest",
    margin: float = 0.1,
    square: bool = False,
    detector: str = "auto",
) -> np.ndarray:
    """The part of a uint8 RGB picture with one person in it, as a new array h x w x 3.

    which: "largest", or a number: 0 is the largest, 1 the next. margin: what is added on each side,
    as a fraction of the box's width and height, as far as the picture goes. square: make height and
    width equal; where the box is longer than the picture's short side, the square is cut off.
    Raises NobodyFound where there is nobody, and IndexError where `which` is more than there are.
    """
    people = find_people(image, detector)
    if not people:
        raise NobodyFound(
            "Nobody was found in this picture. Take one with your face towards the camera, well "
            'lit, and not far away; or use take_photo("sample").'
        )
    number = 0 if which == "largest" else int(which)
    if not 0 <= number < len(people):
        raise IndexError(
            f"There are {len(people)} people in this picture, counted from 0; there is no number "
            f"{number}."
        )
    height, width = image.shape[:2]
    box = _clip(_grow(people[number], margin, margin, margin, margin), height, width)
    if square:
        box = _square(box, height, width)
    return image[box.y0 : box.y1, box.x0 : box.x1].copy()


def _yolo_or_none(image: np.ndarray) -> list[Box] | None:
    if not _yolo_or_say_why(WEIGHTS):
        return None
    try:
        return _with_yolo(image, WEIGHTS)
    except ValueError as error:
        _say_once(f"{INSTEAD_OF_YOLO}: {error}")
        return None


INSTEAD_OF_YOLO = "Using the course's face detector instead of YOLO"


@functools.cache  # asked and told once, not at every picture
def _yolo_or_say_why(weights: Path) -> bool:
    try:
        if importlib.util.find_spec("ultralytics") is None:
            raise OSError("the package ultralytics is not installed")
        fetch(ADDRESS, weights)
        with _ultralytics_kept_apart():
            _load_yolo(weights)
    except (OSError, ImportError, ValueError) as error:
        _say_once(f"{INSTEAD_OF_YOLO}: {str(error).rstrip('.')}.")
        return False
    return True


@functools.cache
def _say_once(line: str) -> None:
    print(line)


def _with_yolo(image: np.ndarray, weights: Path) -> list[Box]:
    with _ultralytics_kept_apart():
        model = _load_yolo(weights)
        person = [number for number, name in model.names.items() if name == "person"]
        try:
            # ultralytics takes arrays as blue, green, red
            boxes = model.predict(
                image[..., ::-1], conf=SURE, classes=person, device="cpu", save=False, verbose=False
            )[0].boxes
            corners = boxes.xyxy.round().int().tolist()
            confidences = boxes.conf.tolist()
        except Exception as error:  # versions of torch and ultralytics that do not fit, for example
            raise ValueError(f"YOLO stopped at this picture ({first_line(error)}).") from error
    return [Box(*corner, sure, "yolo") for corner, sure in zip(corners, confidences, strict=True)]


@functools.cache
def _load_yolo(weights: Path) -> Any:
    """The model; ImportError or ValueError, with what to do, where it is none that finds people."""
    try:
        from ultralytics import YOLO  # late: its import takes seconds
        from ultralytics.utils import SETTINGS
        from ultralytics.utils.events import events
    except Exception as error:
        raise ImportError(f"ultralytics does not start here ({first_line(error)})") from error
    # For this process only, also where the learner had imported ultralytics before: dict.update
    # passes by the class's own update, which would write the settings file.
    dict.update(SETTINGS, sync=False)
    events.enabled = False
    cure = f"Delete {weights.parent.name}/{weights.name} and restart the kernel."
    try:
        model = YOLO(weights)
        task, names = model.task, set(model.names.values())
    except Exception as error:
        raise ValueError(
            f"{weights.name} does not open as a YOLO model ({first_line(error)}). {cure}"
        ) from error
    if task not in TASKS or "person" not in names:
        what = (
            f"knows no class 'person' among its {len(names)}" if task in TASKS else "gives no box"
        )
        raise ValueError(f"{weights.name} is a YOLO model for the task {task!r} and {what}. {cure}")
    return model


@contextmanager
def _ultralytics_kept_apart() -> Iterator[None]:
    """Undo what ultralytics changes for the whole process when it is imported and used."""
    import cv2
    import torch
    from PIL import Image

    # It puts its own functions in these places; its Image.open installs a package when it fails.
    replaced = [(Image, "open"), (torch, "save"), (cv2, "imread"), (cv2, "imwrite")]
    functions = [getattr(module, name) for module, name in replaced]
    environment = dict(os.environ)
    threads, opencv_threads = torch.get_num_threads(), cv2.getNumThreads()
    os.environ.update(ULTRALYTICS_ENVIRONMENT)
    try:
        with np.printoptions():
            yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        for (module, name), function in zip(replaced, functions, strict=True):
            setattr(module, name, function)
        torch.set_num_threads(threads)
        torch.set_printoptions(profile="default")
        cv2.setNumThreads(opencv_threads)


def _with_faces(image: np.ndarray) -> list[Box]:
    try:
        found = faces.find(image)
    except Exception as error:  # the last of the detectors: whatever is broken, the lesson goes on
        _say_once(f"No detector works here, so the whole picture is taken: {first_line(error)}")
        return [Box(0, 0, image.shape[1], image.shape[0], 0.0, "whole picture")]
    boxes = [Box(*map(round, corners), sure, "face") for *corners, sure in found]
    # Head and shoulders: three times as wide as the face, and two and a half times as high.
    return [_grow(box, 1.0, 0.5, 1.0, 1.0) for box in boxes]


def _grow(box: Box, left: float, top: float, right: float, bottom: float) -> Box:
    """Move each side outwards by a fraction of the box's own width or height."""
    w, h = box.x1 - box.x0, box.y1 - box.y0
    return box._replace(
        x0=round(box.x0 - left * w),
        y0=round(box.y0 - top * h),
        x1=round(box.x1 + right * w),
        y1=round(box.y1 + bottom * h),
    )


def _clip(box: Box, height: int, width: int) -> Box:
    return box._replace(
        x0=min(max(box.x0, 0), width),
        y0=min(max(box.y0, 0), height),
        x1=min(max(box.x1, 0), width),
        y1=min(max(box.y1, 0), height),
    )


def _square(box: Box, height: int, width: int) -> Box:
    """A square around the box's middle, moved and at need cut so that it is inside the picture."""
    side = min(max(box.x1 - box.x0, box.y1 - box.y0), height, width)
    x0 = min(max((box.x0 + box.x1 - side) // 2, 0), width - side)
    y0 = min(max((box.y0 + box.y1 - side) // 2, 0), height - side)
    return box._replace(x0=x0, y0=y0, x1=x0 + side, y1=y0 + side)


def _check_picture(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3:
        kind = getattr(image, "dtype", type(image).__name__)
        raise ValueError(
            f"A photo is a uint8 array H x W x 3, as take_photo gives; this is {kind}."
        )
    if image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"A photo is a uint8 array H x W x 3; this one is {image.shape}.")
