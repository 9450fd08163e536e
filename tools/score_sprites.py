"""Measure the text-to-sprite U-Net: `python tools/score_sprites.py --guidance 1 2 3`

Draws sprites from captions and adds a row for each group of captions, guidance weight and seed to
data/scores/sprites.csv; the sprites' judge (`sprites.score`) reads them. Rows that are there for
the same weights and settings are not measured again. `--help` lists the settings.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from course_utils import ROOT, datasets, scores, sprites, training
from course_utils.built.guidance import guided
from course_utils.built.paths import even_path
from course_utils.built.sample import sample
from course_utils.built.unet import UNet

sys.path.insert(0, str(ROOT))  # the folder of `tools`
from tools import train_sprite_unet  # noqa: E402
from tools.score_table import about, add_missing  # noqa: E402

FILE = scores.MEASURED / "sprites.csv"
GROUPS = ("seen", "held out", "new wording")
SETTINGS = ("sha256", "captions", "guidance", "steps", "pictures", "seed")
FOUND = (*sprites.WORDS, "all", "rejected")
COLUMNS = ("checkpoint", *SETTINGS, *FOUND, "seconds", "threads", "processor", "command")


def group(name: str, number: int) -> list[tuple[sprites.Sprite, str]]:
    """`number` sprites with a caption each, always the same ones.

    "seen": of training, in the wordings of training, by turns; "held out": combinations that were
    not; "new wording": sprites of training in the wording that the network was not trained with.
    """
    chosen = datasets.sprites("held_out" if name == "held out" else "train")[2]
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0)).tolist()
    some = [chosen[order[i % len(order)]] for i in range(number)]
    full = train_sprite_unet.FULL
    told = [full if name == "new wording" else i % full for i in range(number)]
    return [(sprite, sprites.caption(sprite, w)) for sprite, w in zip(some, told, strict=True)]


@torch.no_grad()
def draw(model: UNet, captions: list[str], guidance: float, steps: int, seed: int) -> Tensor:
    """A picture for each caption, by DDIM, on the CPU; the start depends on the seed alone."""
    where = next(model.parameters()).device
    noise = torch.randn(len(captions), 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    told, null = (train_sprite_unet.encode(texts).to(where) for texts in (captions, [""]))
    path, drawn = even_path(train_sprite_unet.SCHEDULE.T, steps), []
    for x, part in zip(noise.split(104), told.split(104), strict=True):
        denoise = guided(
            model, part, guidance, null.expand_as(part), precision=training.autocast(where)
        )
        how = (train_sprite_unet.SCHEDULE, path, "ddim", train_sprite_unet.KIND)
        drawn.append(sample(denoise, x.to(where), *how, clamp=True).cpu())
    return torch.cat(drawn)


def measure(model: UNet, asked: dict) -> dict:
    """The scores of one setting: a row's measured columns."""
    wanted, captions = zip(*group(asked["captions"], asked["pictures"]), strict=True)
    started = time.perf_counter()
    drawn = draw(model, list(captions), asked["guidance"], asked["steps"], asked["seed"])
    seconds = time.perf_counter() - started
    found = sprites.score(drawn, wanted)
    return {key: f"{found[key]:.4f}" for key in FOUND} | {"seconds": f"{seconds:.1f}"}


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--checkpoint", type=Path, default=train_sprite_unet.CHECKPOINT)
    add("--guidance", nargs="+", type=float, default=[2.0], help="1: as told; more: guided")
    add("--steps", type=int, default=20, help="steps of DDIM")
    add("--pictures", type=int, default=104)
    add("--seeds", type=int, default=3)
    add("--file", type=Path, default=FILE, help="where rows are added")
    return parser.parse_args(arguments)


def settings(asked: argparse.Namespace) -> Iterator[dict]:
    """One dict of SETTINGS for each row that is wanted."""
    digest = hashlib.sha256(asked.checkpoint.read_bytes()).hexdigest()[:16]
    for name, guidance, seed in product(GROUPS, asked.guidance, range(asked.seeds)):
        values = (digest, name, guidance, asked.steps, asked.pictures, seed)
        yield dict(zip(SETTINGS, values, strict=True))


def main(*arguments: str) -> None:
    asked = options([*arguments])
    model = train_sprite_unet.load(asked.checkpoint).to(training.device())
    origin = about("score_sprites", asked.checkpoint, arguments)
    add_missing(asked.file, COLUMNS, origin, settings(asked), partial(measure, model))


if __name__ == "__main__":
    main(*sys.argv[1:])
