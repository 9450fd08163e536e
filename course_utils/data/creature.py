"""Pip, a small creature drawn by code: a character that no model has seen (lesson 15).

Teal and round, with a cream belly, one antenna with an orange ball, and a tail with orange stripes.
Five drawings, as one would make them of a character: other poses, places and moods.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

SIZE = 64  # of a drawing, in pixels
FINE = 8  # drawn this many times as large, then averaged
TEAL, DARK, CREAM = (46, 160, 153), (27, 112, 112), (255, 240, 205)
ORANGE, BLACK, PINK, RED = (247, 147, 30), (40, 34, 48), (244, 150, 150), (190, 60, 70)


class Pose(NamedTuple):
    """What differs between two drawings; lengths in pixels of 64, angles in degrees."""

    caption: str
    arms: tuple[float, float] = (-50.0, -50.0)  # left and right: 90 up, -90 down
    eyes: str = "open"  # or "closed", "wink", "left"
    mouth: str = "smile"  # or "open", "small", "flat"
    tilt: float = 0.0  # to the left
    scale: float = 1.0
    place: tuple[float, float] = (0.0, 0.0)  # right, down
    mirrored: bool = False


POSES = (
    Pose("smiling"),
    Pose("waving", arms=(50, -40), mouth="open", tilt=-8, place=(0, 1), scale=0.95),
    Pose("sleeping", arms=(-70, -70), eyes="closed", mouth="small", tilt=20, place=(-1, 0)),
    Pose("jumping", arms=(35, 35), mouth="open", scale=0.82, place=(1, -5), mirrored=True),
    Pose("winking", arms=(-60, -10), eyes="wink", tilt=10, scale=0.9, place=(4, 0), mirrored=True),
)
"""The five drawings that `drawings` gives."""


def drawings() -> Tensor:
    """The five drawings, float32 5 x 3 x 64 x 64 in [-1, 1], on white."""
    pixels = np.stack([np.asarray(draw(pose)) for pose in POSES])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def draw(pose: Pose) -> Image.Image:
    """One drawing, RGB, 64 x 64, on white."""
    large = Image.new("RGBA", (SIZE * FINE,) * 2, (255, 255, 255, 0))
    figure(ImageDraw.Draw(large), pose)
    if pose.mirrored:
        large = large.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    large = large.rotate(pose.tilt, Image.Resampling.BICUBIC)
    side = round(SIZE * FINE * pose.scale)
    large = large.resize((side, side), Image.Resampling.BICUBIC)
    paper = Image.new("RGBA", (SIZE * FINE,) * 2, "white")
    corner = [round((SIZE - SIZE * pose.scale) / 2 * FINE + FINE * d) for d in pose.place]
    whole = Image.new("RGBA", paper.size, (255, 255, 255, 0))
    whole.paste(large, tuple(corner))
    return Image.alpha_composite(paper, whole).convert("RGB").resize((SIZE, SIZE), Image.BOX)


def figure(pen: ImageDraw.ImageDraw, pose: Pose) -> None:
    """Pip upright, in coordinates of 64 x 64."""
    for i in range(40):  # the tail: discs along a curve, four to a stripe
        turn = i / 39
        x, y = 44 + 13 * math.sin(2.4 * turn), 53 - 24 * turn**1.6
        disc(pen, x, y, 3.6 - 1.4 * turn, colour=ORANGE if i // 5 % 2 else TEAL)
    line(pen, [(32, 16), (31, 10), (34, 6), (38, 5)], 1.4, DARK)
    disc(pen, 39.5, 6, 3.6, colour=ORANGE)
    for side, angle in zip((-1, 1), pose.arms, strict=True):
        turn = math.radians(angle)
        end = (32 + side * (14 + 9 * math.cos(turn)), 38 - 11 * math.sin(turn))
        line(pen, [(32 + side * 12, 38), end], 5.2, DARK)
        disc(pen, 32 + side * 7, 58.5, 5.2, 3.2, DARK)
    disc(pen, 32, 44, 16.5, 14.5, TEAL)
    disc(pen, 32, 28, 16, 14.5, TEAL)
    disc(pen, 32, 47.5, 10.5, 9.5, CREAM)
    for side in (-1, 1):
        disc(pen, 32 + side * 11.5, 33.5, 2.4, 1.6, PINK)
        eye(pen, 32 + side * 6.5, 27, pose.eyes, side)
    mouth(pen, pose.mouth)


def eye(pen: ImageDraw.ImageDraw, x: float, y: float, mood: str, side: int) -> None:
    """One eye at a place; side: -1 for that on the left."""
    if mood == "closed" or mood == "wink" and side == 1:
        curve = [(x + 4 * math.cos(a), y + 2.6 * math.sin(a)) for a in np.linspace(0.2, 2.94, 9)]
        return line(pen, curve, 1.4, BLACK)
    disc(pen, x, y, 5, 5.6, "white")
    disc(pen, x - 0.6 * side - (2 if mood == "left" else 0), y + 0.6, 3, 3.6, BLACK)
    disc(pen, x - 0.6 * side + 1, y - 1, 1.1, colour="white")


def mouth(pen: ImageDraw.ImageDraw, mood: str) -> None:
    """The mouth, and in an open one the tongue."""
    if mood == "open":
        pen.pieslice([FINE * n for n in (27, 31.5, 37, 40.5)], 0, 180, fill=BLACK)
        disc(pen, 32, 38.8, 2.4, 1.3, RED)
    elif mood == "small":
        disc(pen, 32, 36, 1.4, 1.8, BLACK)
    else:
        bend = 2.6 if mood == "smile" else 0
        curve = [
            (32 + 4.6 * math.cos(a), 35.5 + bend * math.sin(a)) for a in np.linspace(0, 3.14, 9)
        ]
        line(pen, curve, 1.4, BLACK)


def disc(
    pen: ImageDraw.ImageDraw, x: float, y: float, rx: float, ry: float = 0, colour="white"
) -> None:
    """An ellipse around (x, y), a circle where there is one radius."""
    ry = ry or rx
    pen.ellipse([FINE * n for n in (x - rx, y - ry, x + rx, y + ry)], fill=colour)


def line(pen: ImageDraw.ImageDraw, points: list, width: float, colour: tuple) -> None:
    """A line with round ends."""
    pen.line([(FINE * x, FINE * y) for x, y in points], colour, round(FINE * width), "curve")
    for x, y in (points[0], points[-1]):
        disc(pen, x, y, width / 2, colour=colour)
