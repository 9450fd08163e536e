"""Draw sprites from captions: a row for each group of captions, guidance weight and seed.

The sprites' classifier (`sprite_classifier.score`) reads them.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_utils import training
from course_utils.built.guidance import cfg_denoiser
from course_utils.built.sample import sample
from course_utils.built.timesteps import trailing_timesteps
from course_utils.built.unet import UNet
from course_utils.data import datasets, sprites
from course_utils.evaluation import scores, sprite_classifier
from tools.train import sprites_unet
from tools.train.sprites_unet import SCHEDULE

CHECKPOINT = scores.CHECKPOINTS / "sprite_unet.safetensors"
GROUPS = ("seen", "held out", "new template")
SEEDS = 3
SETTINGS = ("captions", "guidance", "steps", "pictures", "seed")
FOUND = (*sprites.WORDS, "all", "rejected")
COLUMNS = ("checkpoint", "sha256", *SETTINGS, *FOUND, "seconds", "threads", "processor", "command")


def group(name: str, number: int) -> list[tuple[sprites.Sprite, str]]:
    """`number` sprites with a caption each, always the same ones.

    "seen": of training, in the templates of training, by turns; "held out": combinations that were
    not; "new template": sprites of training in the template that the network was not trained with.
    """
    chosen = datasets.sprites("held_out" if name == "held out" else "train")[2]
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0)).tolist()
    some = [chosen[order[i % len(order)]] for i in range(number)]
    full = sprites_unet.SETTINGS.full
    templates = [full if name == "new template" else i % full for i in range(number)]
    return [(sprite, sprites.caption(sprite, w)) for sprite, w in zip(some, templates, strict=True)]


@torch.no_grad()
def draw(model: UNet, captions: list[str], guidance: float, steps: int, seed: int) -> Tensor:
    """A picture for each caption, by DDIM, on the CPU; the start depends on the seed alone."""
    where = next(model.parameters()).device
    noise = torch.randn(len(captions), 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    cond, null = (sprites_unet.encode(texts).to(where) for texts in (captions, [""]))
    timesteps, drawn = trailing_timesteps(SCHEDULE.T, steps), []
    for x, part in zip(noise.split(104), cond.split(104), strict=True):
        denoise = cfg_denoiser(
            model, part, guidance, null.expand_as(part), precision=training.autocast(where)
        )
        how = (SCHEDULE, timesteps, "ddim", sprites_unet.SETTINGS.prediction_type)
        drawn.append(sample(denoise, x.to(where), *how, clamp=True).cpu())
    return torch.cat(drawn)


def measure(model: UNet, asked: dict) -> dict:
    """The scores of one setting: a row's measured columns."""
    wanted, captions = zip(*group(asked["captions"], asked["pictures"]), strict=True)
    started = time.perf_counter()
    drawn = draw(model, list(captions), asked["guidance"], asked["steps"], asked["seed"])
    seconds = time.perf_counter() - started
    found = sprite_classifier.score(drawn, wanted)
    return {key: f"{found[key]:.4f}" for key in FOUND} | {"seconds": f"{seconds:.1f}"}


def options(add: Callable) -> None:
    guidance = "1: conditional; more: guided"
    add("--groups", dest="captions", nargs="+", default=[*GROUPS], choices=GROUPS)
    add("--guidance", nargs="+", type=float, default=[2.0], help=guidance)
    add("--steps", type=int, default=20, help="steps of DDIM")
    add("--pictures", type=int, default=104)


def adjusted(row: dict) -> dict:
    return row


def measurer(asked: argparse.Namespace) -> Callable[[dict], dict]:
    return partial(measure, sprites_unet.load(asked.checkpoint).to(training.device()))
