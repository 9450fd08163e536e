"""Draw digits with a DigitUNet: a row for each sampler, number of steps, guidance and seed."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from course_utils import training
from course_utils.built import timesteps as spacings
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.guidance import cfg_denoiser
from course_utils.built.sample import sample
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.built.train import channels_last
from course_utils.data import datasets
from course_utils.evaluation import scores
from course_utils.io import tensors

SCHEDULE = NoiseSchedule(linear_betas(1000))
BATCH = 250  # pictures at once: one number, since samplers draw new noise batch by batch
SPACINGS = {
    "trailing": lambda steps: spacings.trailing_timesteps(SCHEDULE.T, steps),
    "linspace": lambda steps: spacings.linspace_timesteps(SCHEDULE.T, steps),
    "leading": lambda steps: spacings.leading_timesteps(SCHEDULE.T, steps),
    "karras": lambda steps: spacings.karras_timesteps(SCHEDULE, steps),
}
CHECKPOINT = scores.CHECKPOINTS / "digit_unet.safetensors"
SEEDS = 3
SAMPLERS = ("ddpm", "ddim", "euler", "heun", "dpmpp_2m")
SETTINGS = (*scores.SETUP[1:], "seed")  # what is set besides the checkpoint
COLUMNS = (
    *("board", "checkpoint", *scores.SETUP, "seed", *scores.SCORES),
    *("threads", "processor", "command"),
)


def options(add: Callable) -> None:
    add("--samplers", dest="sampler", nargs="+", default=["ddpm"], choices=SAMPLERS)
    add("--steps", nargs="+", type=int, default=[100], help="steps of the sampler")
    add("--eta", type=float, default=0.0, help="DDIM's share of new noise")
    add(
        "--spacing",
        dest="timestep_spacing",
        default="trailing",
        choices=list(SPACINGS),
        help="of the timesteps",
    )
    guidance = "0: unconditional; 1: conditional; 1.5: guided"
    add("--guidance", nargs="+", type=float, default=[0.0], help=guidance)
    clamp = "do not keep estimates of x0 in [-1, 1]"
    add("--no-clamp", dest="clamp", action="store_false", help=clamp)
    add("--pictures", type=int, default=2000)
    add("--board", default="", help="name on the scoreboard: 'DigitUNet, {sampler}, {steps} steps'")


def denoiser(model: DigitUNet, labels: Tensor, guidance: float):
    """(xt, t) -> prediction for pictures with these labels, and the function evaluations it makes.

    Guidance as in `classifier_free_guidance`. 0 and 1 need one call, all others two.
    """

    def counted(xt: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        counted.count += 1
        return model(xt, t, context)

    counted.count = 0
    where = training.autocast(next(model.parameters()).device)
    return cfg_denoiser(counted, labels, guidance, precision=where), counted


def draw(model: DigitUNet, prediction_type: str, asked: dict, labels: Tensor) -> tuple[Tensor, int]:
    """As many pictures as labels, on the CPU, and the function evaluations that each took.

    The start depends on the seed alone, so that all samplers begin at the same noise.
    """
    where = next(model.parameters()).device
    generator = torch.Generator().manual_seed(asked["seed"])
    start = torch.randn(len(labels), 1, 28, 28, generator=generator)
    timesteps, drawn = SPACINGS[asked["timestep_spacing"]](asked["steps"]), []
    for x, part in zip(start.split(BATCH), labels.split(BATCH), strict=True):
        denoise, call = denoiser(model, part.to(where), asked["guidance"])
        how = dict(prediction_type=prediction_type, generator=generator)
        how |= {name: asked[name] for name in ("sampler", "eta", "clamp")}
        x = sample(denoise, x.to(where), SCHEDULE, timesteps, **how)
        drawn.append(x.cpu())
    return torch.cat(drawn), call.count


def measure(model: DigitUNet, prediction_type: str, asked: dict) -> dict:
    """The scores of one setting: a row's measured columns."""
    generator = torch.Generator().manual_seed(1000 + asked["seed"])
    known = datasets.mnist()[1]  # labels as frequent as in the training set
    labels = known[torch.randint(len(known), (asked["pictures"],), generator=generator)]
    started = time.perf_counter()
    images, calls = draw(model, prediction_type, asked, labels)
    seconds = time.perf_counter() - started
    return {
        "relative_fd": f"{scores.relative_fd(images):.3f}",
        "label_accuracy": f"{scores.label_accuracy(images, labels):.4f}"
        if asked["guidance"]
        else "",
        "recall": f"{scores.recall(images):.4f}",
        "nfe": calls,
        "seconds": f"{seconds:.1f}",
    }


def adjusted(row: dict) -> dict:
    """Only DDIM has an eta."""
    return row if row["sampler"] == "ddim" else row | {"eta": 0.0}


def load(path: Path) -> tuple[DigitUNet, str]:
    """The model on the fastest device, and what it predicts."""
    model = tensors.load_checkpoint(path, DigitUNet()).float().eval()
    with safe_open(path, "pt") as file:
        prediction_type = (file.metadata() or {}).get("prediction_type", "epsilon")
    return channels_last(model.to(training.device())), prediction_type


def measurer(asked: argparse.Namespace) -> Callable[[dict], dict]:
    model, prediction_type = load(asked.checkpoint)
    return lambda row: {"board": asked.board.format(**row)} | measure(model, prediction_type, row)
