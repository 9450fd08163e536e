"""Draw images/sprites.png, the grid of sprites on the README.

    python -m tools.draw_sprites

Takes seconds. The same sprites always: every kind and colour, sizes and extras mixed.
"""

import imageio.v3 as imageio
import numpy as np

from course_utils import ROOT
from course_utils.data import sprites
from course_utils.data.sprites import Sprite

PATH = ROOT / "images" / "sprites.png"
ROWS, COLUMNS = 4, 12
GAP, SCALE = 2, 4  # in sprite pixels, and screen pixels for each of them


def chosen(row: int, column: int) -> Sprite:
    """The sprite at a place of the grid."""
    return Sprite(
        sprites.KINDS[(3 * column + row) % len(sprites.KINDS)],
        sprites.COLOURS[(column + 2 * row + 3 * (column // 8)) % len(sprites.COLOURS)],
        "small" if (column + 2 * row) % 3 == 1 else "big",
        sprites.EXTRAS[(column + column // 4 + row) % len(sprites.EXTRAS)],
        sprites.FACINGS[(column // 2 + row) % 2],
    )


def grid() -> np.ndarray:
    """The grid on white, uint8 H x W x 3."""
    step = sprites.WIDTH + GAP
    canvas = np.full((ROWS * step + GAP, COLUMNS * step + GAP, 3), 255, np.uint8)
    for row, column in np.ndindex(ROWS, COLUMNS):
        top, left = GAP + row * step, GAP + column * step
        picture = sprites.draw(chosen(row, column))
        canvas[top : top + sprites.WIDTH, left : left + sprites.WIDTH] = picture
    return canvas.repeat(SCALE, axis=0).repeat(SCALE, axis=1)


if __name__ == "__main__":
    imageio.imwrite(PATH, grid())
    print(f"{PATH.name}: {PATH.stat().st_size:,} bytes")
