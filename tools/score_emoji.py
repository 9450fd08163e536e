"""Measure the emoji model: `python tools/score_emoji.py --guidance 1 3 5`

Draws emoji from captions and adds a row for each group of captions, guidance weight and seed to
data/scores/emoji.csv; the emoji's judges (`emoji_judges`) read them, and the real drawings of the
same captions too. Rows that are there for the same weights and settings are not measured again.
`--help` lists the settings.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from functools import cache, partial
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from course_utils import ROOT, datasets, emoji, emoji_judges, layout, scores, training
from course_utils.emoji_judges import COPY, distance, fraction

sys.path.insert(0, str(ROOT))  # the folder of `tools`
from tools.score_table import about, add_missing  # noqa: E402

FILE = scores.MEASURED / "emoji.csv"
FOLDER = scores.CHECKPOINTS / "emoji"
GROUPS = ("seen", "held out", "never drawn")
SEEN = 500  # pairs of the first group
BATCH = 50  # pictures at once
SETTINGS = ("sha256", "captions", "sampler", "steps", "guidance", "interval", "pictures", "seed")
READ = ("style", "concept", "top_five")
COPIES = ("own_nearer", "to_own", "to_others", "real_to_others", "copies", "real_copies")
FOUND = (*(f"{name}{ending}" for name in READ for ending in ("", "_real", "_ratio")), *COPIES)
COLUMNS = (
    *("checkpoint", *SETTINGS, *FOUND),
    *("evaluations", "seconds", "threads", "processor", "command"),
)


@cache
def group(name: str, number: int | None = None) -> list[emoji.Emoji]:
    """Drawings to ask for, in an order drawn by chance that is always the same; all by default.

    "seen": 500 pairs of style and concept of the training set; "held out": those that were kept
    out of it; "never drawn": concepts that three styles have, in the fourth, which has not. All
    are of concepts that the judges rank.
    """
    known, some = emoji.concepts(), []
    for style, concept in product(emoji.STYLES, emoji_judges.known()):
        drawn = style in known[concept].styles
        held_out = emoji.held_out_style(concept) == style
        if name == ("held out" if held_out else "seen" if drawn else "never drawn"):
            some.append(emoji.Emoji(style, concept, known[concept].category))
    order = torch.randperm(len(some), generator=torch.Generator().manual_seed(0)).tolist()
    return [some[i] for i in order[: number or (SEEN if name == "seen" else None)]]


def draw(model, asked: list[emoji.Emoji], seed: int, **how: object) -> Tensor:
    """A picture of the first caption of each, N x 3 x 64 x 64 in [-1, 1], some at a time.

    model: has `text_to_image`, as `StableDiffusion` does; how: what it is told besides.
    """
    generator = torch.Generator().manual_seed(seed)
    captions = [emoji.captions(drawing)[0] for drawing in asked]
    parts = [captions[i : i + BATCH] for i in range(0, len(captions), BATCH)]
    return torch.cat([model.text_to_image(part, generator=generator, **how) for part in parts])


def score(pictures: Tensor, asked: list[emoji.Emoji]) -> dict[str, float | None]:
    """The columns `FOUND` of N pictures; None in those that need drawings that there are not.

    own_nearer: how many are nearer to the real drawing of their pair than to those of the same
    concept in the other styles that are in training.
    """
    found = emoji_judges.score(pictures, asked)
    real = real_pictures(asked)
    others = torch.stack([least_to_others(p, d) for p, d in zip(pictures, asked, strict=True)])
    row = found | {"to_others": others.mean().item(), "copies": copies(pictures)}
    if real is None:
        return dict.fromkeys(FOUND) | row
    for name, value in emoji_judges.score(real, asked).items():
        row |= {f"{name}_real": value, f"{name}_ratio": found[name] / value if value else None}
    own, pairs = distance(pictures, real), zip(real, asked, strict=True)
    apart = torch.stack([least_to_others(picture, drawing) for picture, drawing in pairs])
    row |= {"own_nearer": fraction(own < others), "to_own": own.mean().item()}
    return row | {"real_to_others": apart.mean().item(), "real_copies": copies(real)}


def copies(pictures: Tensor) -> float:
    """How many of the pictures are copies of a drawing of the training set."""
    return fraction(emoji_judges.nearest_training(pictures)[1] < COPY)


def least_to_others(picture: Tensor, drawing: emoji.Emoji) -> Tensor:
    """The distance to the nearest training drawing of the concept in a style that wasn't asked."""
    images, places = training_places()
    pairs = [(style, drawing.concept) for style in emoji.STYLES if style != drawing.style]
    others = images[[places[pair] for pair in pairs if pair in places]]
    return distance(picture.expand(len(others), -1, -1, -1), others).min()


def real_pictures(asked: list[emoji.Emoji]) -> Tensor | None:
    """The drawings themselves, N x 3 x 64 x 64; None if one is not there."""
    images, places = every_picture()
    found = [places.get((drawing.style, drawing.concept)) for drawing in asked]
    return None if None in found else images[found]


@cache
def training_places() -> tuple[Tensor, dict[tuple[str, str], int]]:
    """The pictures of training, and the place of each style and concept among them."""
    images, drawings = emoji_judges.training_drawings()
    return images, {(d.style, d.concept): i for i, d in enumerate(drawings)}


@cache
def every_picture() -> tuple[Tensor, dict[tuple[str, str], int]]:
    """The same of all pictures, held out or not."""
    images, _, drawings = datasets.emoji(64, "all")
    return images, {(d.style, d.concept): i for i, d in enumerate(drawings)}


def measure(model, values: dict) -> dict:
    """The scores of one setting: a row's measured columns."""
    asked, how = group(values["captions"], values["pictures"]), {}
    if values["interval"]:
        how["interval"] = tuple(float(end) for end in values["interval"].split())
    calls, started = [], time.perf_counter()
    hook = model.unet.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    for name in ("sampler", "steps", "guidance"):
        how[name] = values[name]
    pictures = draw(model, asked, values["seed"], **how)
    hook.remove()
    seconds = time.perf_counter() - started
    row = {k: "" if v is None else f"{v:.4f}" for k, v in score(pictures, asked).items()}
    return row | {"evaluations": f"{sum(calls) / len(asked):g}", "seconds": f"{seconds:.1f}"}


def digest(folder: Path) -> str:
    """The first 16 digits of one SHA-256 over the names and bytes of all that makes the model."""
    whole = hashlib.sha256()
    for path in sorted(
        p for p in folder.rglob("*") if p.suffix in {".json", ".txt", ".safetensors"}
    ):
        whole.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--checkpoint", type=Path, default=FOLDER, help="a folder in diffusers' layout")
    add("--groups", nargs="+", default=GROUPS[:2], choices=GROUPS)
    add("--guidance", nargs="+", type=float, default=[3.0], help="1: as told; more: guided")
    add("--interval", nargs=2, default=[], metavar="TIME", help="guided between these times alone")
    add("--sampler", default="dpmpp_2m")
    add("--steps", nargs="+", type=int, default=[20])
    add("--pictures", type=int, help="of each group; default: 500 seen, and all others")
    add("--seeds", type=int, default=3)
    add("--file", type=Path, default=FILE, help="where rows are added")
    return parser.parse_args(arguments)


def settings(asked: argparse.Namespace) -> Iterator[dict]:
    """One dict of SETTINGS for each row that is wanted."""
    which, interval = digest(asked.checkpoint), " ".join(asked.interval)
    choices = product(asked.groups, asked.steps, asked.guidance, range(asked.seeds))
    for name, steps, guidance, seed in choices:
        number = len(group(name, asked.pictures))
        values = (which, name, asked.sampler, steps, guidance, interval, number, seed)
        yield dict(zip(SETTINGS, values, strict=True))


def main(*arguments: str) -> None:
    asked = options([*arguments])
    model = layout.load_pipeline(asked.checkpoint).to(training.device())
    origin = about("score_emoji", asked.checkpoint, arguments)
    add_missing(asked.file, COLUMNS, origin, settings(asked), partial(measure, model))


if __name__ == "__main__":
    main(*sys.argv[1:])
