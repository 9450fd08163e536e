"""Drawings of architectures in one visual language: blocks, arrows, skip connections.

    from course_utils.notebook import diagrams, plotting
    from course_utils.notebook.diagrams import Block

    figure = diagrams.draw(
        [
            Block("picture", 1, 28, colour=1),
            Block("down", 32, 28),
            Block("down", 64, 14, row=1),
            Block("middle", 128, 7, row=2),
            Block("up", 64, 14, row=1),
            Block("up", 32, 28),
            Block("picture", 1, 28, colour=1),
        ],
        skips=[(1, 5), (2, 4)],
    )
    plotting.show(figure, alt="A U-Net: ...")

With every block in row 0 the same call draws an encoder-decoder, as an hourglass. A block without
channels and size is a box around its text, for pipelines; give such drawings their `arrows`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from course_utils.notebook.plotting import COLOURS

FONT = 8  # points
LINE = 0.15  # inches from one line of text to the next
GAP = 0.34  # inches between columns and between rows: room for an arrow
TALLEST, WIDEST = 1.1, 0.5  # inches: the block with the largest size, the one with most channels
DARK = "#444444"

Point = tuple[float, float]
Arrow = tuple[int, int] | tuple[int, int, str]


@dataclass
class Block:
    """One block of a drawing.

    text:     what it is; several lines are separated by a line break.
    channels: with `size`, the block stands for a tensor channels x size x size, drawn to scale:
              the height grows with the size, the width with the square root of the channels.
              Size 1 means a vector. Without both, the block is a box around its text.
    row:      0 is the top row; a U-Net goes down a row where it halves the resolution.
    column:   0 is the leftmost; by default one further than the block before it in the list.
    colour:   a number: which of `plotting.COLOURS`.
    """

    text: str
    channels: int | None = None
    size: int | None = None
    row: int = 0
    column: int | None = None
    colour: int = 0

    def __post_init__(self):
        if (self.channels is None) != (self.size is None):
            raise ValueError(f"Block {self.text!r} needs both channels and size, or neither.")

    @property
    def label(self) -> str:
        """The lines of text that are written with the block."""
        if self.size is None:
            return self.text
        shape = f"{self.channels} × {self.size} × {self.size}"
        return f"{self.text}\n{shape if self.size > 1 else f'{self.channels} numbers'}".strip()


@dataclass
class _Place:
    """Where a block is, in inches from the drawing's top left corner; y grows downwards."""

    x: float
    y: float
    width: float
    height: float
    above: float  # room that the label takes above the block

    def side(self, name: str) -> Point:
        """The point in the middle of a side, where arrows begin and end."""
        return {
            "left": (self.x - self.width / 2, self.y),
            "right": (self.x + self.width / 2, self.y),
            "top": (self.x, self.y - self.height / 2 - self.above),
            "bottom": (self.x, self.y + self.height / 2),
        }[name]


# The texts are plain: matplotlib would take "$" for the beginning of a formula.
@plt.rc_context({"text.parse_math": False})
def draw(
    blocks: Sequence[Block],
    arrows: Sequence[Arrow] | None = None,
    skips: Sequence[Arrow] = (),
    title: str | None = None,
) -> Figure:
    """A figure of `blocks`, joined by `arrows` and by dashed `skips`; show it with `plotting.show`.

    An arrow is (from, to) or (from, to, "text"), by the blocks' numbers in the list, counted from
    0; by default an arrow joins each block to the next. A skip between neighbours of one row, as
    in a U-Net, is a straight line; around other blocks it passes below them. See the module's
    docstring for an example. Raises ValueError where there is no block, or an arrow names none.
    """
    blocks = list(blocks)
    if not blocks:
        raise ValueError("There is nothing to draw: the list of blocks is empty.")
    arrows = [(i, i + 1) for i in range(len(blocks) - 1)] if arrows is None else list(arrows)
    for arrow in (*arrows, *skips):
        if not all(0 <= i < len(blocks) for i in arrow[:2]) or arrow[0] == arrow[1]:
            raise ValueError(f"Arrow {arrow} does not join two of the blocks 0..{len(blocks) - 1}.")
    places = _places(blocks, skips)
    routes = [(_route(places, *arrow[:2]), arrow[2:], False) for arrow in arrows]
    routes += [(_skip_route(places, *arrow[:2]), arrow[2:], True) for arrow in skips]
    axes = _canvas(places, [point for route, _, _ in routes for point in route], title)
    for route, text, dashed in routes:
        _draw_arrow(axes, route, *text, dashed=dashed)
    for block, place in zip(blocks, places, strict=True):
        _draw_block(axes, block, place)
    return axes.figure


def _text_width(text: str) -> float:
    lines = [line for line in text.split("\n") if line.strip()]
    points = [TextPath((0, 0), line, size=FONT).get_extents().width for line in lines]
    return max(points, default=0.0) / 72


def _block_size(block: Block, blocks: Sequence[Block]) -> tuple[float, float]:
    """Width and height in inches."""
    if block.size is None:
        return _text_width(block.text) + 0.24, LINE * (block.text.count("\n") + 1) + 0.18
    largest = max(b.size for b in blocks if b.size)
    most = max(b.channels for b in blocks if b.channels)
    width = max(0.07, WIDEST * (block.channels / most) ** 0.5)
    return width, max(0.09, TALLEST * block.size / largest)


def _columns(blocks: Sequence[Block]) -> list[int]:
    columns: list[int] = []
    for block in blocks:
        following = columns[-1] + 1 if columns else 0
        columns.append(following if block.column is None else block.column)
    return columns


def _places(blocks: Sequence[Block], skips: Sequence[Arrow]) -> list[_Place]:
    """Each column is as wide as its widest block or label, each row as high as its highest."""
    columns = _columns(blocks)
    sizes = [_block_size(block, blocks) for block in blocks]
    above = [0.0 if b.size is None else LINE * (b.label.count("\n") + 1) + 0.06 for b in blocks]
    below = {blocks[skip[0]].row for skip in skips}  # rows under which a skip may pass
    x, y, centre_x, centre_y = 0.0, 0.0, {}, {}
    for column in sorted(set(columns)):
        mine = [i for i, c in enumerate(columns) if c == column]
        width = max(max(sizes[i][0], _text_width(blocks[i].label)) for i in mine)
        centre_x[column] = x + width / 2
        x += width + GAP
    for row in sorted({block.row for block in blocks}):
        mine = [i for i, block in enumerate(blocks) if block.row == row]
        height, room = max(sizes[i][1] for i in mine), max(above[i] for i in mine)
        centre_y[row] = y + room + height / 2
        y += room + height + GAP + (0.15 if row in below else 0)
    return [
        _Place(centre_x[columns[i]], centre_y[block.row], *sizes[i], above[i])
        for i, block in enumerate(blocks)
    ]


def _route(places: Sequence[_Place], start: int, end: int) -> list[Point]:
    """The corners of an arrow: straight in a row or a column, else with one right angle."""
    a, b = places[start], places[end]
    if a.y == b.y:
        sides = ("right", "left") if a.x < b.x else ("left", "right")
        return [a.side(sides[0]), b.side(sides[1])]
    if a.x == b.x:
        sides = ("bottom", "top") if a.y < b.y else ("top", "bottom")
        return [a.side(sides[0]), b.side(sides[1])]
    towards, back = ("right", "left") if a.x < b.x else ("left", "right")
    if a.y < b.y:  # down, then across: what is written above the blocks stays clear
        return [a.side("bottom"), (a.x, b.y), b.side(back)]
    return [a.side(towards), (b.x, a.y), b.side("bottom")]


def _skip_route(places: Sequence[_Place], start: int, end: int) -> list[Point]:
    a, b = places[start], places[end]
    left, right = sorted((a.x, b.x))
    between = [p for p in places if p.y == a.y == b.y and left < p.x < right]
    if not between:
        return _route(places, start, end)
    lowest = max(p.side("bottom")[1] for p in (a, b, *between)) + 0.1 + 0.05 * len(between)
    return [a.side("bottom"), (a.x, lowest), (b.x, lowest), b.side("bottom")]


def _canvas(places: Sequence[_Place], corners: Sequence[Point], title: str | None) -> Axes:
    """Axes in inches, y downwards, just large enough for all places and corners."""
    points = [p.side(name) for p in places for name in ("left", "right", "top", "bottom")]
    x, y = zip(*points, *corners, strict=True)
    left, right, top, bottom = min(x) - 0.1, max(x) + 0.1, min(y) - 0.08, max(y) + 0.08
    top -= LINE + 0.1 if title else 0
    figure = plt.figure(figsize=(right - left, bottom - top))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    if title:
        axes.text((left + right) / 2, top + 0.02, title, ha="center", va="top", fontsize=FONT + 1)
    return axes


def _draw_block(axes: Axes, block: Block, place: _Place) -> None:
    colour = COLOURS[block.colour % len(COLOURS)]
    tint = 1 - 0.28 * (1 - np.array(to_rgb(colour)))
    corner = (place.x - place.width / 2, place.y - place.height / 2)
    style = "square,pad=0" if block.size else "round,pad=0,rounding_size=0.05"
    axes.add_patch(
        FancyBboxPatch(corner, place.width, place.height, style, fc=tint, ec=colour, lw=1.2)
    )
    if block.size is None:
        axes.text(place.x, place.y, block.text, ha="center", va="center", fontsize=FONT)
    else:
        axes.text(place.x, corner[1] - 0.05, block.label, ha="center", va="bottom", fontsize=FONT)


def _draw_arrow(axes: Axes, route: list[Point], text: str = "", *, dashed: bool) -> None:
    axes.add_patch(
        FancyArrowPatch(
            path=Path(route),
            arrowstyle="-|>",
            mutation_scale=7,
            color=COLOURS[4] if dashed else DARK,
            linewidth=1.0,
            linestyle=(0, (4, 2)) if dashed else "solid",
            joinstyle="miter",
        )
    )
    if text:
        # On the longest piece: above a level one, to the right of an upright one.
        (x0, y0), (x1, y1) = max(zip(route, route[1:], strict=False), key=lambda p: math.dist(*p))
        level = y0 == y1
        axes.text(
            (x0 + x1) / 2 + (0 if level else 0.05),
            (y0 + y1) / 2 - (0.04 if level else 0),
            text,
            ha="center" if level else "left",
            va="bottom" if level else "center",
            fontsize=FONT - 1,
            color=COLOURS[4] if dashed else DARK,
        )
