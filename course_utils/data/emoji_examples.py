"""Emoji that show what people type: as they are, in another colour, on a background, two side by
side, small, mirrored; each with the `Example` that `emoji_captions.caption` puts into words.

Two kinds of combinations are kept out: pairs of style and concept (`emoji.held_out_style`) and
pairs of colour and concept (`emoji_captions.held_out_colour`).
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from course_utils.data import datasets, emoji, emoji_captions, emoji_edits
from course_utils.data.emoji_captions import Example

SHARES = {
    "plain": 0.50,
    "coloured": 0.18,
    "background": 0.10,
    "pair": 0.14,
    "small": 0.03,
    "large": 0.02,
    "mirrored": 0.03,
}
"""How much of each kind there is among the examples."""

KEPT = {"Flags", "Symbols"}
"""Categories that are not mirrored: letters, arrows and flags would become others."""
COLOURED_ON_BACKGROUND = 0.2
"""How many coloured drawings are also laid on a background."""


def examples(
    rounds: int = 4,
    seed: int = 0,
    part: str = "train",
    shares: dict[str, float] = SHARES,
    often: dict[str, int] | None = None,
) -> tuple[Tensor, list[Example]]:
    """Pictures and what they show: as many as `rounds` times the drawings of the sheets' part.

    Returns uint8 N x 3 x 64 x 64 and N examples, kind by kind. A drawing that does not take a
    colour or a background is left out of that kind, so N is a little less. often: styles whose
    drawings are taken so many times as often as the others.
    """
    images, _, drawings = datasets.emoji(64, part)
    times = [(often or {}).get(drawing.style, 1) for drawing in drawings]
    places = [i for i, number in enumerate(times) for _ in range(number)]
    chance, total = random.Random(seed), rounds * len(drawings)
    pictures, shown = [], []
    for kind, share in shares.items():
        chosen = _drawn(total * share, places, chance)
        for start in range(0, len(chosen), 2000):  # so that the edits' memory stays small
            made, what = MAKE[kind](images, drawings, chosen[start : start + 2000], chance)
            pictures.append(((made + 1) * 127.5).round().clamp(0, 255).byte())
            shown += what
    return torch.cat(pictures), shown


def _drawn(number: float, places: list[int], chance: random.Random) -> list[int]:
    """So many of `places` by chance, each as often as any other but once."""
    rounds = -(-round(number) // len(places))
    return [i for _ in range(rounds) for i in chance.sample(places, len(places))][: round(number)]


def _facing(drawing: emoji.Emoji, mirrored: bool, chance: random.Random) -> str:
    """ "left" or "right" for half of the drawings where one can see it (a fifth, as they are)."""
    if drawing.concept not in emoji_captions.FACING_LEFT or chance.random() > (
        0.6 if mirrored else 0.2
    ):
        return ""
    return "right" if mirrored else "left"


def _plain(images: Tensor, drawings: Sequence, chosen: list[int], chance) -> tuple[Tensor, list]:
    what = [
        Example("plain", (drawings[i],), facing=_facing(drawings[i], False, chance)) for i in chosen
    ]
    return images[chosen], what


def _small(images: Tensor, drawings: Sequence, chosen: list[int], _) -> tuple[Tensor, list]:
    made = emoji_edits.shrunk(images[chosen])
    return made, [Example("small", (drawings[i],)) for i in chosen]


def _large(images: Tensor, drawings: Sequence, chosen: list[int], _) -> tuple[Tensor, list]:
    return images[chosen], [Example("large", (drawings[i],)) for i in chosen]


def _mirrored(images: Tensor, drawings: Sequence, chosen: list[int], chance) -> tuple[Tensor, list]:
    chosen += [
        i for i in chosen if drawings[i].concept in emoji_captions.FACING_LEFT
    ] * 8  # there are few
    sides = {"left", "right", "leftwards", "rightwards"}
    chosen = [
        i
        for i in chosen
        if drawings[i].category not in KEPT and not sides & set(drawings[i].concept.split())
    ]
    made = emoji_edits.mirrored(images[chosen])
    what = [
        Example("mirrored", (drawings[i],), facing=_facing(drawings[i], True, chance))
        for i in chosen
    ]
    return made, what


def _coloured(images: Tensor, drawings: Sequence, chosen: list[int], chance) -> tuple[Tensor, list]:
    asked = []
    for i in chosen:
        free = [
            c
            for c in emoji_edits.COLOURS
            if not emoji_captions.held_out_colour(drawings[i].concept, c)
        ]
        if emoji_captions.can_be_coloured(drawings[i]) and free:
            asked.append((i, chance.choice(free)))
    made, took = emoji_edits.recolour(images[[i for i, _ in asked]], [c for _, c in asked])
    what = [Example("coloured", (drawings[i],), colour) for i, colour in asked]
    made, what = made[took], [e for e, t in zip(what, took.tolist(), strict=True) if t]
    behind = [n for n in range(len(what)) if chance.random() < COLOURED_ON_BACKGROUND]
    names = [chance.choice([c for c in _BACKGROUNDS if c != what[n].colour]) for n in behind]
    made[behind], took = emoji_edits.on_background(made[behind], _rgb(names))
    for n, name, t in zip(behind, names, took.tolist(), strict=True):
        what[n] = what[n]._replace(background=name if t else "", kind="coloured" if t else "")
    kept = [n for n, example in enumerate(what) if example.kind]
    return made[kept], [what[n] for n in kept]


def _background(images: Tensor, drawings: Sequence, chosen: list[int], chance) -> tuple:
    chosen = [i for i in chosen if drawings[i].category != "Flags"]
    names = [chance.choice(_BACKGROUNDS) for _ in chosen]
    made, took = emoji_edits.on_background(images[chosen], _rgb(names))
    what = [
        Example("background", (drawings[i],), background=name)
        for i, name in zip(chosen, names, strict=True)
    ]
    return made[took], [e for e, t in zip(what, took.tolist(), strict=True) if t]


_BACKGROUNDS = [*emoji_edits.BACKGROUNDS]


def _rgb(names: Sequence[str]) -> Tensor:
    """The colours of backgrounds: N x 3 in [0, 1]."""
    return torch.tensor([emoji_edits.BACKGROUNDS[name] for name in names]).view(-1, 3)


def _pair(images: Tensor, drawings: Sequence, chosen: list[int], chance) -> tuple[Tensor, list]:
    by_style: dict[str, list[int]] = {}
    for i, drawing in enumerate(drawings):
        if drawing.category != "Flags":
            by_style.setdefault(drawing.style, []).append(i)
    things = [i for rows in by_style.values() for i in rows]
    chosen = [i if drawings[i].category != "Flags" else chance.choice(things) for i in chosen]
    others = [chance.choice(by_style[drawings[i].style]) for i in chosen]
    made = emoji_edits.side_by_side(images[chosen], images[others])
    both = zip(chosen, others, strict=True)
    return made, [Example("pair", (drawings[i], drawings[j])) for i, j in both]


MAKE = {
    "plain": _plain,
    "coloured": _coloured,
    "background": _background,
    "pair": _pair,
    "small": _small,
    "large": _large,
    "mirrored": _mirrored,
}
"""Each kind of example: (images, drawings, chosen, chance) -> pictures and what they show."""
