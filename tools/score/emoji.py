"""Draw emoji from captions: a row for each group of captions, guidance weight and seed.

The emoji's classifiers (`emoji_classifiers`) read them, and the real drawings of the same captions
too.
"""

import argparse
import time
from collections.abc import Callable
from functools import cache, partial
from itertools import product

import torch
from torch import Tensor

from course_utils import diffusers_format, training
from course_utils.built import text_to_image
from course_utils.data import datasets, emoji
from course_utils.evaluation import emoji_classifiers, scores
from course_utils.evaluation.emoji_classifiers import COPY, distance, fraction

CHECKPOINT = scores.CHECKPOINTS / "emoji"
GROUPS = ("seen", "held out", "never drawn")
SEEDS = 3
SEEN = 500  # pairs of the first group
BATCH = 50  # pictures at once
SETTINGS = ("captions", "sampler", "steps", "guidance", "interval", "pictures", "seed")
READ = ("style", "concept", "top_five")
COPIES = ("own_nearer", "to_own", "to_others", "real_to_others", "copies", "real_copies")
FOUND = (*(f"{name}{ending}" for name in READ for ending in ("", "_real", "_ratio")), *COPIES)
COLUMNS = (
    *("checkpoint", "sha256", *SETTINGS, *FOUND),
    *("nfe", "seconds", "threads", "processor", "command"),
)


@cache
def group(name: str, number: int | None = None) -> list[emoji.Emoji]:
    """Drawings to ask for, in an order drawn by chance that is always the same; all by default.

    "seen": 500 pairs of style and concept of the training set; "held out": those that were kept
    out of it; "never drawn": concepts that three styles have, in the fourth, which has not. All
    are of concepts that the classifiers rank.
    """
    known, some = emoji.concepts(), []
    for style, concept in product(emoji.STYLES, emoji_classifiers.known()):
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
    return torch.cat([text_to_image(model, part, generator=generator, **how) for part in parts])


def score(pictures: Tensor, asked: list[emoji.Emoji]) -> dict[str, float | None]:
    """The columns `FOUND` of N pictures; None in those that need drawings that there are not.

    own_nearer: how many are nearer to the real drawing of their pair than to those of the same
    concept in the other styles that are in training.
    """
    found = emoji_classifiers.score(pictures, asked)
    real = real_pictures(asked)
    others = torch.stack([least_to_others(p, d) for p, d in zip(pictures, asked, strict=True)])
    row = found | {"to_others": others.mean().item(), "copies": copies(pictures)}
    if real is None:
        return dict.fromkeys(FOUND) | row
    for name, value in emoji_classifiers.score(real, asked).items():
        row |= {f"{name}_real": value, f"{name}_ratio": found[name] / value if value else None}
    own, pairs = distance(pictures, real), zip(real, asked, strict=True)
    apart = torch.stack([least_to_others(picture, drawing) for picture, drawing in pairs])
    row |= {"own_nearer": fraction(own < others), "to_own": own.mean().item()}
    return row | {"real_to_others": apart.mean().item(), "real_copies": copies(real)}


def copies(pictures: Tensor) -> float:
    """How many of the pictures are copies of a drawing of the training set."""
    return fraction(emoji_classifiers.nearest_training(pictures)[1] < COPY)


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
    """The pictures of training, and the position of each style and concept among them."""
    images, drawings = emoji_classifiers.training_drawings()
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
    return row | {"nfe": f"{sum(calls) / len(asked):g}", "seconds": f"{seconds:.1f}"}


def options(add: Callable) -> None:
    add("--groups", dest="captions", nargs="+", default=[*GROUPS[:2]], choices=GROUPS)
    guidance = "1: conditional; more: guided"
    add("--guidance", nargs="+", type=float, default=[3.0], help=guidance)
    add("--interval", default="", help="guided between two times alone, as in '200 800'")
    add("--sampler", default="dpmpp_2m")
    add("--steps", nargs="+", type=int, default=[20])
    add("--pictures", type=int, help="of each group; default: 500 seen, and all others")


def adjusted(row: dict) -> dict:
    """As many pictures as there are."""
    return row | {"pictures": len(group(row["captions"], row["pictures"]))}


def measurer(asked: argparse.Namespace) -> Callable[[dict], dict]:
    device = training.device()
    pipe = diffusers_format.load_pipeline(asked.checkpoint, precision=training.autocast(device))
    return partial(measure, pipe.to(device))
