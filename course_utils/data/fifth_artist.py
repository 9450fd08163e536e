"""Firefox OS's emoji: a fifth artist, whom the emoji model has never seen (lesson 15).

`tools/build_fifth_artist.py` made the sheet; data/README.md names its source and licence. Sixty
drawings are there to learn the style from; the others show how the artist draws what was not
learned. All are of concepts that the four styles of `emoji` have, too.
"""

import functools
import hashlib
import io
import json

import numpy as np
from PIL import Image

from course_utils.data import emoji

STYLE = "fxemoji"
SHEET, INDEX = "fxemoji.webp", "fxemoji.json"
INDEX_SHA256 = "fe99964141b5dfea59e9943f7b3ada206dcb6b244ea0c5671e9f7b5e5643aae3"
"""The digest of data/emoji/fxemoji.json, which holds that of the sheet."""

LEARNED = 60
UNLEARNED = ("Flags", "Symbols")
"""Categories of which none is learned: most of their drawings look alike in all styles."""


def drawings() -> list[emoji.Emoji]:
    """All drawings, in the order of the sheet. Raises what `emoji.sheet` raises."""
    known = emoji.concepts()
    return [emoji.Emoji(STYLE, name, known[name].category) for name in _index()["concepts"]]


def sheet() -> np.ndarray:
    """All drawings, uint8 N x 64 x 64 x 3, as `drawings()` lists them; raises as `emoji.sheet`."""
    raw = emoji.checked_file(SHEET, _index()["sheet"]["sha256"])
    with Image.open(io.BytesIO(raw)) as picture:
        rows = np.asarray(picture.convert("RGB")).reshape(
            -1, emoji.SIZE, emoji.COLUMNS, emoji.SIZE, 3
        )
    return rows.swapaxes(1, 2).reshape(-1, emoji.SIZE, emoji.SIZE, 3)[: len(drawings())]


def split() -> tuple[list[int], list[int]]:
    """Which drawings are learned from, sixty, and which are the test: their places in the sheet.

    The order is made of the concept's `emoji.base` by SHA-256. No near copy of a learned drawing
    is in the test.
    """
    every = drawings()

    def number(drawing: emoji.Emoji) -> str:
        return hashlib.sha256(f"{STYLE} {emoji.base(drawing.concept)}".encode()).hexdigest()

    usable = [i for i, drawing in enumerate(every) if drawing.category not in UNLEARNED]
    learned = sorted(sorted(usable, key=lambda i: number(every[i]))[:LEARNED])
    bases = {emoji.base(every[i].concept) for i in learned}
    return learned, [i for i, d in enumerate(every) if emoji.base(d.concept) not in bases]


@functools.cache
def _index() -> dict:
    return json.loads(emoji.checked_file(INDEX, INDEX_SHA256))
