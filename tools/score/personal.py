"""Teach the emoji model something in several ways: a row for each run and seed.

"main" are the ways that lesson 15 compares; "extras" the ranks and learning rates of a LoRA, one on
attention layers alone, and a style (for which one seed will do: `--seeds 1`). A run of its own has
the name of its way: `--only lora_4_0.003`.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import combinations

import torch
from torch import Tensor

from course_utils.built import ATTENTION, StableDiffusion, text_to_image
from course_utils.data import emoji
from course_utils.evaluation import emoji_styles, emoji_things, scores
from course_utils.evaluation.emoji_classifiers import distance, fraction
from tools.score.emoji import group
from tools.train import personal
from tools.train.personal import CLASS, CREATURE, DRAWN, NAME, PLAIN_DREAMBOOTH, STYLE, WORD

CHECKPOINT = scores.CHECKPOINTS / "emoji"
STEPS = 120  # of a run on the creature, as in the lesson
KEPT = 24  # captions of the training set, to see what is forgotten
PICTURES = 8
SEEDS = 3
LORA = replace(CREATURE, steps=STEPS, prior=0, colours=0)
DREAMBOOTH = replace(PLAIN_DREAMBOOTH, steps=STEPS)
WORDS = replace(LORA, way="word", rank=0, learning_rate=1e-2)
RUNS = {
    "none": replace(LORA, way="none", rank=0, learning_rate=0, steps=0),
    "word": WORDS,
    "lora_4_0.003": LORA,
    "lora_prior": replace(CREATURE, steps=STEPS),
    "dreambooth": DREAMBOOTH,
    "dreambooth_prior": replace(DREAMBOOTH, prior=64),
}
GROUPS = {"main": [*RUNS]}
RUNS |= {
    f"lora_{rank}_{rate:g}": replace(LORA, rank=rank, learning_rate=rate)
    for rank in (1, 4, 16)
    for rate in (1e-3, 3e-3, 1e-2)
}
RUNS["lora_attention"] = replace(LORA, pattern=r"unet\..*" + ATTENTION)
RUNS["style_none"] = replace(STYLE, way="none", rank=0, learning_rate=0, steps=0)
RUNS["style"] = replace(STYLE, steps=2 * STEPS)
GROUPS["extras"] = [name for name in RUNS if name not in GROUPS["main"]]
SETTINGS = ("run", "seed")
OF_RUN = ("way", "rank", "learning_rate", "prior", "subject", "steps")
FOUND = ("numbers", "loss", "distance", "diversity", "leak", "thing", "style")
COLUMNS = ("checkpoint", "sha256", "run", *OF_RUN, "layers", "seed", *FOUND)
COLUMNS += ("seconds", "threads", "processor", "command")


def diversity(pictures: Tensor) -> float:
    """The mean distance between two of N pictures."""
    pairs = torch.tensor([*combinations(range(len(pictures)), 2)])
    return distance(pictures[pairs[:, 0]], pictures[pairs[:, 1]]).mean().item()


def kept(model: StableDiffusion, seed: int) -> dict[str, float]:
    """Of seen captions, for how many the right thing and the right style are read."""
    asked = group("seen", KEPT)
    captions = [emoji.captions(drawing)[0] for drawing in asked]
    drawn = text_to_image(model, captions, torch.Generator().manual_seed(seed), **DRAWN)
    best, names = emoji_things.logits(drawn).argmax(1).tolist(), emoji_things.names()
    things = [
        names[i] == emoji_things.things()[d.concept] for i, d in zip(best, asked, strict=True)
    ]
    styles = torch.tensor([emoji.STYLES.index(drawing.style) for drawing in asked])
    return {
        "thing": fraction(torch.tensor(things)),
        "style": fraction(emoji_styles.read(drawn) == styles),
    }


def measure(values: dict) -> dict:
    """Teach a fresh model, and the scores of what it draws then."""
    settings, model = replace(RUNS[values["run"]], seed=values["seed"]), personal.load()
    found, began = {"numbers": 0, "loss": 0.0}, time.perf_counter()
    if settings.way != "none":
        found = personal.taught(settings, model)[1]
    found["seconds"] = time.perf_counter() - began
    noise = 100 + values["seed"]
    found["distance"] = personal.nearness(settings, model, noise)
    if settings.subject == "creature":
        draws = torch.Generator().manual_seed(noise)
        name = WORD if settings.way == "word" else NAME
        found["diversity"] = diversity(text_to_image(model, [name] * PICTURES, draws, **DRAWN))
        others = text_to_image(model, [CLASS] * PICTURES, draws, **DRAWN)
        found["leak"] = personal.nearest(others, personal.pictures("creature")[0]).mean().item()
    found |= kept(model, noise)
    rounded = {key: f"{value:.4f}" for key, value in found.items()}
    return rounded | {"numbers": found["numbers"], "seconds": f"{found['seconds']:.1f}"}


def options(add: Callable) -> None:
    add(
        "--only",
        dest="run",
        type=lambda name: GROUPS.get(name) or [name],
        default=GROUPS["main"],
        help=f"{', '.join(GROUPS)} or a run: {', '.join(RUNS)}",
    )


def adjusted(row: dict) -> dict:
    """All settings of a run, by its name."""
    if row["run"] not in RUNS:
        raise SystemExit(f"There is no run {row['run']!r}, only {', '.join(RUNS)}.")
    settings = asdict(RUNS[row["run"]])
    layers = "attention" if row["run"] == "lora_attention" else "all"
    return row | {name: settings[name] for name in OF_RUN} | {"layers": layers}


def measurer(asked: argparse.Namespace) -> Callable[[dict], dict]:
    if asked.checkpoint != CHECKPOINT:
        raise SystemExit("The runs teach data/checkpoints/emoji, and no other model.")
    return measure
