"""Measure how well the emoji model draws what people type: `python -m tools.score_prompts`

Draws the 200 prompts of data/prompts.csv and has classifiers that have seen nothing held out look
for all that each asks: the thing (the right name of four; for two things both), the colour, the
background, the style. Writes a row for each kind of prompt and seed, and first what the same
classifiers read of the artists' own drawings, edited as `emoji_edits` does, where there are such:
to data/scores/prompts.csv. `--sheet FILE` also writes a contact sheet of the first seed.
"""

import argparse
import csv
import random
import time
from collections.abc import Callable, Sequence

import imageio.v3 as imageio
import torch
from torch import Tensor

from course_utils import ROOT, diffusers_format, training
from course_utils.built import StableDiffusion, text_to_image
from course_utils.data import datasets, emoji, emoji_edits
from course_utils.evaluation import emoji_colours, emoji_styles, emoji_things, scores
from course_utils.notebook import plotting
from tools.score.table import add_row

PROMPTS = ROOT / "data" / "prompts.csv"
FILE = scores.MEASURED / "prompts.csv"
BATCH = 50  # pictures at once
ASKED = ("thing", "colour", "background", "style", "all")
COLUMNS = (
    "drawn_by",
    "kind",
    "held_out",
    "seed",
    "guidance",
    "steps",
    "prompts",
    *ASKED,
    "seconds",
)
Row = dict[str, str]


def prompts() -> list[Row]:
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


def by_model(
    pipe: StableDiffusion, guidance: float = 4.0, steps: int = 20
) -> Callable[[list[Row], int], Tensor]:
    """Draws what the model makes of the prompts."""

    def draw(rows: list[Row], seed: int) -> Tensor:
        generator, texts = torch.Generator().manual_seed(seed), [row["prompt"] for row in rows]
        how = {"steps": steps, "guidance": guidance, "sampler": "dpmpp_2m"}
        parts = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
        return torch.cat([text_to_image(pipe, part, generator, **how).cpu() for part in parts])

    return draw


def by_artists(rows: list[Row], seed: int) -> Tensor:
    """The artists' own drawings, edited to what is asked for, in a style drawn by chance."""
    images, _, drawings = datasets.emoji(64, "all")
    place = {(d.concept, d.style): i for i, d in enumerate(drawings)}
    chance, made = random.Random(seed), []
    for row in rows:
        concept = chance.choice(row["thing"].split("/"))
        styles = {*emoji.concepts()[concept].styles}
        styles &= {*emoji.concepts()[row["other"] or concept].styles}
        style = row["style"] or chance.choice(sorted(styles))
        x = images[place[concept, style]][None]
        if row["colour"]:
            x = emoji_edits.recolour(x, [row["colour"]])[0]
        if row["background"]:
            colour = torch.tensor([emoji_edits.BACKGROUNDS[row["background"]]])
            x = emoji_edits.on_background(x, colour)[0]
        if row["other"]:
            x = emoji_edits.side_by_side(x, images[place[row["other"], style]][None])
        made.append(x)
    return torch.cat(made)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(": `")[0])
    parser.add_argument("--folder", default=str(scores.CHECKPOINTS / "emoji"))
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--name", default="model", help="what the rows are called")
    parser.add_argument("--sheet", help="a PNG to write")
    asked, rows = parser.parse_args(), prompts()
    precision = training.autocast(training.device())
    pipe = diffusers_format.load_pipeline(asked.folder, precision=precision)
    model = by_model(pipe, asked.guidance, asked.steps)
    for name, draw in (("artists", by_artists), (asked.name, model)):
        settings = {"guidance": asked.guidance, "steps": asked.steps} if draw is model else {}
        for seed in range(asked.seeds):
            since = time.perf_counter()
            images = draw(rows, seed)
            seconds = round(time.perf_counter() - since, 1)
            add(name, rows, read(rows, images), seed=seed, seconds=seconds, **settings)
            if asked.sheet and draw is model and seed == 0:
                lines = [torch.cat([*part], dim=2) for part in images.split(20)]
                imageio.imwrite(asked.sheet, plotting.to_uint8(torch.cat(lines, dim=1)))


def add(name: str, rows: list[Row], found: dict[str, list[bool | None]], **about: object) -> None:
    """A line for each kind of prompt: which parts of what it asks for are there."""
    for (kind, held_out), chosen in groups(rows).items():
        line = {"drawn_by": name, "kind": kind, "held_out": held_out, "prompts": len(chosen)}
        line |= shares(found, chosen) | about
        add_row(FILE, {column: line.get(column, "") for column in COLUMNS}, list(COLUMNS))
        print(line, flush=True)


if __name__ == "__main__":
    main()
