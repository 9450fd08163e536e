"""Sprites: small pixel-art figures drawn by code, with words and numbers for them.

Every sprite has a kind, a colour, a size, an extra and a facing. All 1,024 combinations can be
drawn; a tenth of them is kept out of training. The drawings themselves are in sprite_templates.py,
the captions in sprite_captions.py.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_utils.data import sprite_captions, sprite_templates

KINDS = tuple(sprite_templates.KINDS)
COLOURS = tuple(sprite_templates.COLOURS)
SIZES = ("small", "big")
EXTRAS = ("none", *sprite_templates.EXTRAS)
FACINGS = ("left", "right")


class Sprite(NamedTuple):
    """A sprite in words, each from the tuple of its name: `Sprite("potion", "red", "small")`."""

    kind: str
    colour: str
    size: str = "big"
    extra: str = "none"
    facing: str = "right"


WORDS: dict[str, tuple[str, ...]] = dict(
    zip(Sprite._fields, (KINDS, COLOURS, SIZES, EXTRAS, FACINGS), strict=True)
)
"""The words that each attribute can be, in the order of `Sprite`."""

_ENDS = list(itertools.accumulate(len(words) for words in WORDS.values()))
SLICES: dict[str, slice] = {
    name: slice(end - len(words), end)
    for (name, words), end in zip(WORDS.items(), _ENDS, strict=True)
}
"""Where each attribute stands in a context vector: context[SLICES["kind"]] are the kinds."""

CONTEXT_WIDTH = _ENDS[-1]
WIDTH = 16  # of a picture, and its height, in pixels
GROUND = 15  # the row below the figures' feet
TEMPLATES = len(sprite_captions.TEMPLATES)


def all_sprites() -> list[Sprite]:
    """Every sprite there is, in a fixed order: the last attributes change fastest."""
    return [Sprite(*words) for words in itertools.product(*WORDS.values())]


def is_held_out(sprite: Sprite) -> bool:
    """Whether this combination of kind, colour and extra is kept out of training.

    A tenth of them is, in both sizes and facings. With the words counted from 0 the rule is
    (kind + 3 colour + 7 extra) divisible by 10: of three words that make a held-out combination
    any two are seen together in training, with all other words but that one.
    """
    kind, colour, _, extra, _ = indices(sprite)
    return (kind + 3 * colour + 7 * extra) % 10 == 0


def draw(sprite: Sprite) -> np.ndarray:
    """The picture of a sprite, uint8 16 x 16 x 3. Raises ValueError for a word it does not know."""
    indices(sprite)
    letters = _letters(sprite.kind, sprite.size, sprite.extra)
    picture = _paint(sprite.colour)[letters]
    return picture if sprite.facing == "right" else picture[:, ::-1].copy()


def context(sprite: Sprite) -> Tensor:
    """A sprite as CONTEXT_WIDTH numbers: for each attribute a 1 at its word and 0 at the others.

    `SLICES` says where each attribute stands, so contexts can be mixed: half of a potion's and half
    of a sword's is 0.5 at both. Raises ValueError for an unknown word.
    """
    found = torch.zeros(CONTEXT_WIDTH)
    for part, index in zip(SLICES.values(), indices(sprite), strict=True):
        found[part.start + index] = 1
    return found


def caption(sprite: Sprite, template: int = 0) -> str:
    """A sprite in a sentence, in one of TEMPLATES ways, all of which say all five attributes.

    "a small red potion wearing a crown, facing left" is template 0; the others differ in order and
    in words. Raises ValueError for an unknown word and for a template that is not there.
    """
    indices(sprite)
    if template not in range(TEMPLATES):
        raise ValueError(f"There is no template {template!r}: take one of 0 to {TEMPLATES - 1}.")
    return sprite_captions.write(template, **sprite._asdict())


@functools.cache
def pictures() -> Tensor:
    """All sprites as `all_sprites` lists them, float32 1024 x 3 x 16 x 16 in [-1, 1].

    They are drawn once and kept: copy them before you write into them.
    """
    drawn = torch.from_numpy(np.stack([draw(sprite) for sprite in all_sprites()]))
    return drawn.permute(0, 3, 1, 2).float().contiguous() / 127.5 - 1


@functools.cache
def _letters(kind: str, size: str, extra: str) -> np.ndarray:
    """A sprite that looks right as 16 x 16 letters, each by its number in ASCII."""
    letters = np.full((WIDTH, WIDTH), ord("."), np.uint8)
    figure = _pixels(sprite_templates.KINDS[kind][size])
    _paste(letters, figure, GROUND - len(figure), (WIDTH - figure.shape[1]) // 2)
    if extra != "none":
        _dress(letters, extra, _pixels(sprite_templates.EXTRAS[extra][size]))
    return letters


def _dress(letters: np.ndarray, extra: str, part: np.ndarray) -> None:
    """Put an extra, drawn as `part`, into the letters of a figure."""
    height, width = part.shape
    drawn = letters != ord(".")
    top = np.flatnonzero(drawn.any(axis=1))[0]
    if extra == "crown":  # over the middle of the top, down on the head between the ears
        head = np.flatnonzero(drawn[top])
        middle = (head[0] + head[-1] + 1) // 2
        skull = np.flatnonzero(drawn[:, middle])[0]
        _paste(letters, part, skull + 1 - height, min(middle - width // 2, WIDTH - 1 - width))
    elif extra == "glasses":  # one row above the eyes, the right lens around the right eye
        rows, columns = np.nonzero(letters == ord("E"))
        _paste(letters, part, rows[0] - 1, columns[1] + 2 - width)
    else:  # a sparkle, in the air in front
        front = np.flatnonzero(drawn.any(axis=0))[-1]
        _paste(letters, part, max(1, top - 2), min(front, WIDTH - 1 - width))


@functools.cache
def _paint(colour: str) -> np.ndarray:
    """What each letter looks like in a sprite of this colour, uint8 128 x 3."""
    table = np.zeros((128, 3), np.uint8)
    for letter, rgb in (sprite_templates.PAINT | sprite_templates.COLOURS[colour]).items():
        table[ord(letter)] = rgb
    return table


def _pixels(drawing: str) -> np.ndarray:
    """A drawing's letters as an array, rows x columns."""
    return np.array([[ord(letter) for letter in line] for line in drawing.split()], np.uint8)


def _paste(letters: np.ndarray, part: np.ndarray, top: int, left: int) -> None:
    """Draw `part` over `letters` in place; its dots are transparent."""
    height, width = part.shape
    seen = part != ord(".")
    letters[top : top + height, left : left + width][seen] = part[seen]


def indices(sprite: Sprite) -> list[int]:
    """The places of a sprite's words in their tuples; ValueError for an unknown word."""
    for (name, words), word in zip(WORDS.items(), sprite, strict=True):
        if word not in words:
            raise ValueError(f"No sprite's {name} is {word!r}. These work: {', '.join(words)}.")
    return [words.index(word) for words, word in zip(WORDS.values(), sprite, strict=True)]
