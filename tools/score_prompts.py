"""Measure how well the emoji model draws what people type: `python -m tools.score_prompts`

Draws the 200 prompts of data/prompts.csv and has classifiers that have seen nothing held out look
for all that each asks: the thing (the right name of four; for two things both), the colour, the
background, the style. Writes a row for each kind of prompt and seed, and first what the same
classifiers read of the artists' own drawings, edited as `emoji_edits` does, where there are such:
to data/scores/prompts.csv. `--sheet FILE` also writes a contact sheet of the first seed.
"""

import argparse
import random
import time
from collections.abc import Callable

import imageio.v3 as imageio
import torch
from torch import Tensor

from course_utils import diffusers_format, training
from course_utils.built import StableDiffusion, text_to_image
from course_utils.data import datasets, emoji, emoji_edits
from course_utils.evaluation import scores
from course_utils.evaluation.emoji_prompts import ASKED, Row, groups, prompts, read, shares
from course_utils.notebook import plotting
from tools.score.table import add_row

FILE = scores.MEASURED / "prompts.csv"
BATCH = 50  # pictures at once
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(": `")[0])
    parser.add_argument("--folder", default=str(scores.CHECKPOINTS / "emoji"))
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--name", default="model", help="what the rows are called")
    parser.add_argument("--sheet", help="a picture to write")
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
