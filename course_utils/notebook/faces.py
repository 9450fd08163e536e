"""The faces in a photograph, found by CenterFace on OpenCV 4 and 5 alike, without a download.

The course uses the network and does not explain it. It is data/faces/centerface.onnx (MIT licence;
data/README.md says where it comes from), which holds numbers and layers and no code. Xu et al.,
CenterFace: Joint Face Detection and Alignment Using Face as Point, 2019.
"""

import functools
from typing import Any

import numpy as np

from course_utils import ROOT
from course_utils.io import course_files

NETWORK = ROOT / "data" / "faces" / "centerface.onnx"
SHA256 = "4bd701be4f1ba000e5ae4c18a705a33ad3d99c7fac320a1eaa3d3cde987e2ef1"
SIDE = 640
"""Pictures are scaled to it, all of them: OpenCV 4 errs where the size of the input changes."""
OUTPUTS = ["537", "538", "539", "540"]
STRIDE = 4  # pixels of the input for one of the network's answers
SURE = 0.5  # faces with less confidence are not reported
OVERLAP = 0.3  # of two boxes that overlap more than this the surer one stays


def find(image: np.ndarray) -> list[tuple[float, float, float, float, float]]:
    """The faces in a uint8 RGB picture H x W x 3, each as x0, y0, x1, y1 and a confidence.

    The corners are in pixels of the picture and may lie outside of it; the confidence is in
    [0, 1]. Raises ImportError where OpenCV does not start, FileNotFoundError or ValueError where
    the network's file is missing or damaged.
    """
    import cv2  # late: on a machine without graphics libraries its import fails

    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    h, w = max(1, round(scale * height)), max(1, round(scale * width))
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square[:h, :w] = cv2.resize(image, (w, h), interpolation=how)
    network = _network()
    network.setInput(cv2.dnn.blobFromImage(square))  # 1 x 3 x SIDE x SIDE, RGB, 0 to 255
    # OpenCV 5 wants all outputs asked for; the last, points in the face, is not used.
    heat, size, offset, _ = network.forward(OUTPUTS)  # each 1 x channels x SIDE/4 x SIDE/4
    boxes, sure = _boxes(heat[0, 0], size[0], offset[0])
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), sure.tolist(), SURE, OVERLAP)
    found = []
    for i in np.ravel(kept).astype(int):
        x, y, w, h = boxes[i] / scale
        found.append((float(x), float(y), float(x + w), float(y + h), float(sure[i])))
    return found


def _boxes(heat: np.ndarray, size: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network answers, as boxes x, y, width, height (N x 4) and their confidences (N).

    heat is the confidence that a face's middle lies in a cell; size the logarithm of the face's
    height and width in cells; offset where in the cell the middle is (the paper's section 3).
    """
    row, column = np.nonzero(heat > SURE)
    h, w = STRIDE * np.exp(size[:, row, column])
    y, x = STRIDE * (np.stack([row, column]) + offset[:, row, column] + 0.5)
    return np.stack([x - w / 2, y - h / 2, w, h], axis=1), heat[row, column]


@functools.cache
def _network() -> Any:
    import cv2

    # Python reads it, and not OpenCV, which on Windows opens no path with an accent.
    raw = course_files.checked_bytes(NETWORK, SHA256, "faces")
    return cv2.dnn.readNetFromONNX(np.frombuffer(raw, np.uint8))
