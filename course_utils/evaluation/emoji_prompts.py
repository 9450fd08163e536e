"""What people type: the 200 prompts of data/prompts.csv, and whether pictures show what they ask.

The classifiers that look (`emoji_things`, `emoji_styles`, `emoji_colours`) have seen nothing that
is kept out of the model's training. `tools/score_prompts.py` measures with it.
"""

import csv
from collections.abc import Sequence

from torch import Tensor

from course_utils import ROOT
from course_utils.data import emoji
from course_utils.evaluation import emoji_colours, emoji_styles, emoji_things

PROMPTS = ROOT / "data" / "prompts.csv"
ASKED = ("thing", "colour", "background", "style", "all")
Row = dict[str, str]


def prompts() -> list[Row]:
    """The prompts, and what each asks for: a row of prompts.csv each, in its order."""
    with PROMPTS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read(rows: Sequence[Row], images: Tensor) -> dict[str, list[bool | None]]:
    """Whether each image shows what its prompt asks for, None where it does not ask for it.

    images: N x 3 x 64 x 64 in [-1, 1]. "all": all that it asks for is there.
    """
    found = {"thing": things_right(rows, images)}
    behind = emoji_colours.background(images)
    found["background"] = [
        row["background"] == b if row["background"] else None
        for row, b in zip(rows, behind, strict=True)
    ]
    coloured = emoji_colours.has_colour(images, [row["colour"] or "red" for row in rows])
    found["colour"] = _where(rows, "colour", coloured.tolist())
    styles = [emoji.STYLES[i] for i in emoji_styles.read(images).tolist()]
    same = [row["style"] == style for row, style in zip(rows, styles, strict=True)]
    found["style"] = _where(rows, "style", same)
    found["all"] = [all(v is not False for v in each) for each in zip(*found.values(), strict=True)]
    return found


def _where(rows: Sequence[Row], name: str, right: list[bool]) -> list[bool | None]:
    return [r if row[name] else None for row, r in zip(rows, right, strict=True)]


def things_right(rows: Sequence[Row], images: Tensor) -> list[bool]:
    """Whether the classifier chooses the right of four names; for two things both, in any order."""
    single = [i for i, row in enumerate(rows) if not row["other"]]
    chosen = emoji_things.choose(images[single], [rows[i]["choices"].split("|") for i in single])
    right = {i: name == rows[i]["thing"] for i, name in zip(single, chosen, strict=True)}
    pairs = [i for i, row in enumerate(rows) if row["other"]]
    left, side = images[pairs][..., 16:48, :32], images[pairs][..., 16:48, 32:]
    one, two = ([rows[i][c].split("|") for i in pairs] for c in ("choices", "other_choices"))
    for first, second in ((left, side), (side, left)) if pairs else ():
        a, b = emoji_things.choose(first, one), emoji_things.choose(second, two)
        for n, i in enumerate(pairs):
            both = a[n] == rows[i]["thing"] and b[n] == rows[i]["other"]
            right[i] = right.get(i, False) or both
    return [right[i] for i in range(len(rows))]


def shares(found: dict[str, list[bool | None]], chosen: Sequence[int]) -> dict[str, float | str]:
    """Of the chosen prompts that ask for it, the part that shows it; "" where none asks."""
    result: dict[str, float | str] = {}
    for what in ASKED:
        right = [found[what][i] for i in chosen if found[what][i] is not None]
        result[what] = round(sum(right) / len(right), 4) if right else ""
    return result


def groups(rows: Sequence[Row]) -> dict[tuple[str, str], list[int]]:
    """The positions of each kind of prompt, held-out pairs apart; and all 200."""
    found: dict[tuple[str, str], list[int]] = {}
    for i, row in enumerate(rows):
        found.setdefault((row["kind"], row["held_out"]), []).append(i)
    return found | {("all", ""): [*range(len(rows))]}
