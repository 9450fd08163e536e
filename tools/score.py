"""Measure a checkpoint and samplers: `python tools/score.py --samplers ddim dpmpp_2m --steps 10 50`

Draws pictures with a DigitUNet and adds a row for each sampler, number of steps, guidance and seed
to data/scores/digits.csv. Rows that are there for the same weights and settings are not measured
again, so a run that was cut off is simply started again. `--help` lists the settings.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from course_utils import ROOT, datasets, scores, training
from course_utils.built import paths
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.guidance import guided
from course_utils.built.sample import sample
from course_utils.built.schedule import NoiseSchedule, linear_betas

sys.path.insert(0, str(ROOT))  # the folder of `tools`
from tools.score_table import about, add_missing  # noqa: E402

SCHEDULE = NoiseSchedule(linear_betas(1000))
BATCH = 250  # pictures at once: one number, since samplers draw new noise batch by batch
PATHS = {
    "even": lambda steps: paths.even_path(SCHEDULE.T, steps),
    "linspace": lambda steps: paths.linspace_path(SCHEDULE.T, steps),
    "leading": lambda steps: paths.leading_path(SCHEDULE.T, steps),
    "karras": lambda steps: paths.karras_path(SCHEDULE, steps),
}
SETTINGS = (*scores.SETUP, "seed")
COLUMNS = (
    *("board", "checkpoint", *SETTINGS, *scores.SCORES),
    *("threads", "processor", "command"),
)


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    checkpoint = scores.CHECKPOINTS / "digit_unet.safetensors"
    add("--checkpoint", type=Path, default=checkpoint, help="default: the course's DigitUNet")
    samplers = ("ddpm", "ddim", "euler", "heun", "dpmpp_2m")
    add("--samplers", nargs="+", default=["ddpm"], choices=samplers)
    add("--steps", nargs="+", type=int, default=[100], help="steps of the sampler")
    add("--eta", type=float, default=0.0, help="DDIM's share of new noise")
    add("--path", default="even", choices=list(PATHS), help="how the times are spaced")
    add("--guidance", nargs="+", type=float, default=[0.0], help="0: untold; 1: told; 1.5: guided")
    add("--no-clamp", action="store_true", help="do not keep estimates of x0 in [-1, 1]")
    add("--pictures", type=int, default=2000)
    add("--seeds", type=int, default=3)
    board = (
        "show the rows on the scoreboard, by a name such as 'DigitUNet, {sampler}, {steps} steps'"
    )
    add("--board", default="", help=board)
    add("--file", type=Path, default=scores.MEASURED / "digits.csv", help="where rows are added")
    return parser.parse_args(arguments)


def denoiser(model: DigitUNet, labels: Tensor, guidance: float):
    """(xt, t) -> prediction for pictures with these labels, and the network calls it makes.

    Guidance as in `guide`: untold + w (told - untold). 0 and 1 need one call, all others two.
    """

    def counted(xt: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        counted.count += 1
        return model(xt, t, context)

    counted.count = 0
    where = training.autocast(next(model.parameters()).device)
    return guided(counted, labels, guidance, precision=where), counted


def draw(model: DigitUNet, kind: str, asked: dict, labels: Tensor) -> tuple[Tensor, int]:
    """As many pictures as labels, on the CPU, and the network calls that each took.

    The start depends on the seed alone, so that all samplers begin at the same noise.
    """
    where = next(model.parameters()).device
    generator = torch.Generator().manual_seed(asked["seed"])
    start = torch.randn(len(labels), 1, 28, 28, generator=generator)
    path, drawn = PATHS[asked["path"]](asked["steps"]), []
    for x, part in zip(start.split(BATCH), labels.split(BATCH), strict=True):
        denoise, call = denoiser(model, part.to(where), asked["guidance"])
        how = dict(sampler=asked["sampler"], kind=kind, eta=asked["eta"], clamp=asked["clamp"])
        x = sample(denoise, x.to(where), SCHEDULE, path, generator=generator, **how)
        drawn.append(x.cpu())
    return torch.cat(drawn), call.count


def measure(model: DigitUNet, kind: str, asked: dict) -> dict:
    """The scores of one setting: a row's measured columns."""
    generator = torch.Generator().manual_seed(1000 + asked["seed"])
    known = datasets.mnist()[1]  # labels as frequent as in the training set
    labels = known[torch.randint(len(known), (asked["pictures"],), generator=generator)]
    started = time.perf_counter()
    images, calls = draw(model, kind, asked, labels)
    seconds = time.perf_counter() - started
    return {
        "frechet_multiple": f"{scores.frechet_multiple(images):.3f}",
        "label_accuracy": f"{scores.label_accuracy(images, labels):.4f}"
        if asked["guidance"]
        else "",
        "recall": f"{scores.recall(images):.4f}",
        "evaluations": calls,
        "seconds": f"{seconds:.1f}",
    }


def settings(asked: argparse.Namespace, digest: str) -> Iterator[dict]:
    """One dict of SETTINGS for each row that is wanted."""
    choices = product(asked.samplers, asked.steps, asked.guidance, range(asked.seeds))
    for sampler, steps, guidance, seed in choices:
        values = (digest, sampler, asked.eta if sampler == "ddim" else 0.0, asked.path, steps)
        values += (guidance, not asked.no_clamp, asked.pictures, seed)
        yield dict(zip(SETTINGS, values, strict=True))


def load(path: Path) -> tuple[DigitUNet, str, str]:
    """The model on the fastest device, what it predicts, and the digest of its file."""
    model = training.load_checkpoint(path, DigitUNet()).float().eval()
    with safe_open(path, "pt") as file:
        kind = (file.metadata() or {}).get("kind", "eps")
    model = model.to(training.device(), memory_format=torch.channels_last)
    return model, kind, hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def main(*arguments: str) -> None:
    asked = options([*arguments])
    model, kind, digest = load(asked.checkpoint)

    def row(wanted: dict) -> dict:
        return {"board": asked.board.format(**wanted)} | measure(model, kind, wanted)

    origin = about("score", asked.checkpoint, arguments)
    add_missing(asked.file, COLUMNS, origin, settings(asked, digest), row)


if __name__ == "__main__":
    main(*sys.argv[1:])
