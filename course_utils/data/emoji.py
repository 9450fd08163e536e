"""Emoji in four drawing styles: the sheets in data/emoji, their names, captions and split.

A drawing is known by its style and its concept, the name that all styles share ("grinning cat").
`tools/build_emoji.py` made the sheets; data/README.md names their sources and licences.
"""

import functools
import hashlib
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from course_utils import ROOT
from course_utils.io import course_files

FOLDER = ROOT / "data" / "emoji"
INDEX_SHA256 = "9f7a8ee0270d7fbed07cc88546585d7bc4a8dbb60f693a2c2dc92a1eaa0c04c6"
"""The digest of data/emoji/index.json, which holds those of the sheets."""

STYLES = ("noto", "blob", "fluent", "twemoji")
"""Google's Noto, its older "blob" drawings, Microsoft's Fluent (flat) and Twitter's Twemoji."""

CATEGORIES = (
    "Smileys & Emotion",
    "People & Body",
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
    "Symbols",
    "Flags",
)
SIZE = 64  # of a drawing in a sheet, in pixels
COLUMNS = 40  # drawings in a row of a sheet
TEMPLATES = (
    "{a_name}, {style} style",
    "{name}, {style}",
    "{style} {name}",
    "{name} drawn by {style}",
    "an emoji of {a_name}, drawn by {style}",
    "{a_name} in the style of {style}",
)
"""How a caption can be worded; `name` is any of a concept's names, `a_name` has its article."""


class Emoji(NamedTuple):
    """What identifies a drawing, and the category of its concept."""

    style: str
    concept: str
    category: str


class Concept(NamedTuple):
    """What the sheets know of a concept: all its names, its own first, and who has drawn it."""

    names: tuple[str, ...]
    category: str
    styles: tuple[str, ...]
    code: str
    """Its code points in Unicode, in hexadecimal, joined by "-"."""


def concepts() -> dict[str, Concept]:
    """Every concept by its name, in the order of the sheets. Raises what `sheet` raises."""
    return dict(_concepts())


def drawings(style: str) -> list[Emoji]:
    """The drawings of a style in the order of its sheet. Raises ValueError for another style."""
    if style not in STYLES:
        raise ValueError(f"There is no style {style!r}: take one of {', '.join(STYLES)}.")
    known = _concepts().items()
    return [Emoji(style, name, c.category) for name, c in known if style in c.styles]


def sheet(style: str) -> np.ndarray:
    """All drawings of a style, uint8 N x 64 x 64 x 3, in the order of `drawings(style)`.

    Raises ValueError for a style that does not exist or a damaged file, FileNotFoundError for a
    missing one.
    """
    every = drawings(style)
    raw = checked_file(f"{style}.webp", _read(FOLDER)[0][style]["sha256"])
    with Image.open(io.BytesIO(raw)) as picture:
        rows = np.asarray(picture.convert("RGB")).reshape(-1, SIZE, COLUMNS, SIZE, 3)
    cells = rows.swapaxes(1, 2).reshape(-1, SIZE, SIZE, 3)
    return cells[: len(every)]


def held_out_style(concept: str) -> str | None:
    """The style in which a concept is kept out of training, None for most concepts.

    The rule: a number is made of the concept's `base` by SHA-256. Its remainder by 4 chooses the
    style; the rest of it, below 43 of 100, says whether anything is held out. It counts only
    where at least three styles have drawn the concept, so at least two stay in training. That
    makes a tenth of all pairs of style and concept. Raises ValueError for an unknown concept.
    """
    found = _concept(concept)
    number = int(hashlib.sha256(base(concept).encode()).hexdigest(), 16)
    style = STYLES[number % 4]
    held_out = number // 4 % 100 < 43 and style in found.styles and len(found.styles) >= 3
    return style if held_out else None


def base(concept: str) -> str:
    """A concept without what makes a near copy of it: "man running facing right" is "running".

    Near copies are held out together, or a held-out drawing would be known from its twin.
    """
    words = concept.removesuffix(" facing right").split()
    if words[0] == "family":
        return "family"
    kept = [w for w in words if w not in {"man", "woman", "men", "women", "person", "people"}]
    return " ".join(kept or words)


def captions(drawing: Emoji) -> list[str]:
    """Every caption of a drawing: each name of its concept in each template, its own name first."""
    names = _concept(drawing.concept).names
    return [
        template.format(name=name, a_name=with_article(name), style=drawing.style)
        for name in names
        for template in TEMPLATES
    ]


def with_article(name: str) -> str:
    """ "a red apple", "an ant"; "eyes" and other plurals stay as they are."""
    noun = name.split(" with ")[0].split(" in ")[0].split(" of ")[0]
    plural = noun.endswith("s") and not noun.endswith(("ss", "us"))
    if plural or name.split()[0] in {"men", "women", "people"} or name[0].isdigit():
        return name
    vowel = name[0] in "aeiou" and not name.startswith(("uni", "one"))
    return f"{'an' if vowel or name.startswith('hour') else 'a'} {name}"


@functools.lru_cache(maxsize=2)
def _read(folder: Path) -> tuple[dict, dict[str, Concept]]:
    """What data/emoji/index.json says of the sheets, and of the concepts; read once."""
    index = json.loads(checked_file("index.json", INDEX_SHA256))
    found = [
        Concept(tuple(names), category, tuple(styles), code)
        for names, category, styles, code in index["concepts"]
    ]
    return index["sheets"], {concept.names[0]: concept for concept in found}


def _concepts() -> dict[str, Concept]:
    return _read(FOLDER)[1]


def _concept(name: str) -> Concept:
    """What is known of a concept; ValueError for an unknown one."""
    if name not in _concepts():
        raise ValueError(f"There is no concept {name!r}: emoji.concepts() has their names.")
    return _concepts()[name]


def checked_file(name: str, sha256: str) -> bytes:
    """A file of data/emoji. Raises FileNotFoundError or ValueError: missing, damaged."""
    return course_files.checked_bytes(FOLDER / name, sha256, "emoji")
