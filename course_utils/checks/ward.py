"""The clinic's patients: sixteen runs with one bug each, by numbers that do not tell which.

`admit` gives the parts of a patient's code, to be examined. `charts` reads what was recorded of
their runs: `python -m tools.build_clinic` makes the file. Whoever reads on learns the diagnoses.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from course_utils import ROOT, diffusers_format
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.ema import EMA
from course_utils.built.schedule import NoiseSchedule
from course_utils.checks import clinic
from course_utils.checks.clinic import Bugs
from course_utils.data import datasets, emoji, sprites
from course_utils.evaluation.scores import CHECKPOINTS
from course_utils.io import tensors

FILE = ROOT / "data" / "clinic.safetensors"
NAMES = tuple(bug.name for bug in fields(Bugs))
"""The sixteen bugs, in the order of the list that the learner chooses from."""

_ORDER = random.Random(1).sample(NAMES, len(NAMES))
NUMBERS = range(1, len(NAMES) + 1)
HEALTHY = "digits", "sprites", "latents"
"""What a run may be trained on; there is a healthy run of each."""

DIGITS = 0, 1, 4, 7  # which of MNIST's, each with its place here as its label
STEPS = 50  # of sampling
SHRINK = 0.18215  # Stable Diffusion's factor: its VAE makes latents with a std of about 5.5


@dataclass(frozen=True)
class Data:
    """Pictures as they lie in memory, right in every way, and what each is of.

    factor: what the network wants them multiplied by. labels: of 0..9. limit: where the sampler
    cuts off its estimates of x0. show: makes pictures N x 1 or 3 x H x W of what was drawn.
    """

    images: Tensor
    labels: Tensor
    asked: Tensor
    factor: float = 1.0
    limit: float = 1.0
    show: Callable[[Tensor], Tensor] = field(default=lambda x: x, repr=False)


@cache
def data(kind: str) -> Data:
    """The pictures of a kind of HEALTHY: digits, 12 x 12; sprites, 16 x 16; latents, 12 x 8 x 8."""
    if kind == "digits":
        images, labels = datasets.mnist()
        chosen = torch.isin(labels, torch.tensor(DIGITS)).nonzero().flatten()[:8000]
        small = avg_pool2d(images[chosen], 2)[..., 1:-1, 1:-1]  # MNIST's digits leave a wide rim
        places = torch.tensor([DIGITS.index(label) for label in labels[chosen]])
        return Data(small, places, torch.arange(16) % len(DIGITS))
    if kind == "sprites":
        images, _, drawn = datasets.sprites("all")
        chosen = [i for i, sprite in enumerate(drawn) if sprite[2:] == ("big", "none", "right")]
        labels = [sprites.COLOURS.index(drawn[i].colour) for i in chosen]
        return Data(images[chosen], torch.tensor(labels), torch.arange(16) % 8)
    if kind != "latents":
        raise ValueError(f"There is no data {kind!r} in the clinic: take one of {HEALTHY}.")
    images, _, drawn = datasets.emoji(64, "all", categories=[emoji.CATEGORIES[0]])
    faces = [i for i, drawing in enumerate(drawn) if "face" in drawing.concept]
    labels = torch.tensor([emoji.STYLES.index(drawn[i].style) for i in faces])
    pipe = diffusers_format.load_pipeline(CHECKPOINTS / "emoji")
    # The course's VAE gives latents of std 1.2: as they are, they would hardly miss a factor.
    return Data(
        pipe.to_latents(images[faces]) / SHRINK,
        labels,
        torch.arange(16) % 4,
        factor=SHRINK,
        limit=math.inf,
        show=lambda latents: avg_pool2d(pipe.decode(latents), 2),
    )


class Parts(NamedTuple):
    """A patient's code, part by part, as `diagnose` and `train` take it.

    model: untrained; model(x, t, cond), t counted from 0. loss(model, x0, labels, generator, t),
    t counted from 1, or drawn. data: pictures and labels, as the network gets them.
    sampler(model, x, generator). guide(uncond, cond, w). update(ema, model), after each step.
    """

    model: nn.Module
    loss: Callable[..., Tensor]
    data: tuple[Tensor, Tensor]
    schedule: NoiseSchedule
    sampler: Callable[[Callable, Tensor, torch.Generator], Tensor]
    guide: Callable[[Tensor, Tensor, float], Tensor]
    update: Callable[[EMA, nn.Module], None]


def kind_of(bugs: Bugs) -> str:
    """The data on which a bug is shown."""
    if bugs.latents_not_scaled:
        return "latents"
    return "sprites" if bugs.channels_swapped else "digits"


def parts(bugs: Bugs, kind: str, seed: int = 0) -> Parts:
    """The code with these bugs, for this data, and a network whose weights come from the seed."""
    given, schedule = data(kind), clinic.schedule_of(bugs)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        unet = DigitUNet(channels=given.images.shape[1], width=32, deep=64)
    return Parts(
        clinic.Network(bugs, unet),
        clinic.loss_of(bugs, schedule),
        (clinic.prepare(bugs, given.images, given.factor), given.labels),
        schedule,
        clinic.sampler_of(bugs, schedule, given.asked, steps=STEPS, limit=given.limit),
        clinic.guide_of(bugs),
        clinic.update_of(bugs),
    )


def bug_name(number: int) -> str:
    """The name of a patient's bug. Raises ValueError where there is no such patient."""
    if number not in NUMBERS:
        raise ValueError(f"The patients are numbered 1 to {len(NAMES)}; there is no {number!r}.")
    return _ORDER[number - 1]


def bugs_of(number: int) -> Bugs:
    """A patient's bug as a switch that is on. Raises ValueError where there is no such patient."""
    return Bugs(**{bug_name(number): True})


def admit(number: int | str) -> Parts:
    """The parts of a patient, 1 to 16, or of healthy code, such as "digits"."""
    if number in HEALTHY:
        return parts(Bugs(), number)
    return parts(bugs_of(number), kind_of(bugs_of(number)))


class Chart(NamedTuple):
    """What was recorded of a run.

    samples: 16 pictures, uint8 N x H x W x C. losses and gradients, the norm over all weights: of
    each step. by_t: ten losses at t = 50, 150, ..., 950, after training. finite: the share of the
    samples' numbers that were finite.
    """

    samples: Tensor
    losses: Tensor
    gradients: Tensor
    by_t: Tensor
    finite: Tensor


def charts() -> dict[int | str, Chart]:
    """The charts of all patients by their numbers, and those of the healthy runs by their data.

    Raises FileNotFoundError where the file is missing, ValueError where it is damaged.
    """
    if not FILE.is_file():
        raise FileNotFoundError(f"{FILE} is missing. `git checkout data` restores it.")
    found, _ = tensors.read_tensors(FILE)
    names = [*NUMBERS, *HEALTHY]
    return {name: Chart(*(found[f"{name}.{part}"] for part in Chart._fields)) for name in names}


_LIVE = {"A": "noise_in_last_step", "B": "guidance_sign", "C": "x0_not_clamped"}


def live_sampler(
    patient: str, labels: Tensor, w: float, steps: int
) -> Callable[[Callable, Tensor, torch.Generator], Tensor]:
    """The sampler of patient "A", "B" or "C", or of "healthy" code, with its knobs."""
    bugs = Bugs(**{_LIVE[patient]: True}) if patient in _LIVE else Bugs()
    return clinic.sampler_of(bugs, clinic.schedule_of(bugs), labels, w, steps)
