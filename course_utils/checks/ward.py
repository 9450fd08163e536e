"""The clinic's patients: sixteen runs with one bug each, by numbers that do not tell which.

`admit` gives the parts of a patient's code, to be examined. `charts` reads what was recorded of
their runs: `python -m tools.build_clinic` makes the file. Whoever reads on learns the diagnoses.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from course_utils import ROOT
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.ema import EMA
from course_utils.built.schedule import NoiseSchedule
from course_utils.checks import clinic
from course_utils.checks.clinic import Bugs
from course_utils.data import datasets
from course_utils.io import tensors

FILE = ROOT / "data" / "clinic.safetensors"
NAMES = tuple(bug.name for bug in fields(Bugs))
"""The sixteen bugs, in the order of the list that the learner chooses from."""

_ORDER = random.Random(1).sample(NAMES, len(NAMES))
NUMBERS = range(1, len(NAMES) + 1)
DIGITS = 0, 1, 4, 7  # which of MNIST's, each with its place here as its label
KINDS = "digits", "colours", "latents"
"""What a run may be trained on. Healthy latents, times their factor, are the digits."""
HEALTHY = KINDS[:2]
ASKED = torch.arange(16) % len(DIGITS)
"""The labels of the sixteen samples: 0, 1, 4, 7 in each row of four."""

TINTS = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0.3, 1]])  # red, yellow, green, blue
STEPS = 50  # of sampling
FACTOR = 0.1  # of the latents: theirs have a std of 6, those of Stable Diffusion's VAE 5.5


@dataclass(frozen=True)
class Data:
    """Pictures as they lie in memory, right in every way, and what each is of.

    labels: 0..3. factor: what the network wants the pictures multiplied by. limit: where the
    sampler cuts off its estimates of x0.
    """

    images: Tensor
    labels: Tensor
    factor: float = 1.0
    limit: float = 1.0


@cache
def data(kind: str) -> Data:
    """The pictures of a kind of KINDS: N x 1 x 12 x 12, and N x 3 x 12 x 12 of colours.

    Latents are the digits ten times as large, which is what a very simple VAE makes of them, and
    have no range to be cut off at. Raises ValueError for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no data {kind!r} in the clinic: take one of {KINDS}.")
    images, labels = datasets.mnist()
    chosen = torch.isin(labels, torch.tensor(DIGITS)).nonzero().flatten()[:8000]
    labels = torch.tensor([DIGITS.index(label) for label in labels[chosen]])
    images = avg_pool2d(images[chosen], 2)[..., 1:-1, 1:-1]  # MNIST's digits leave a wide rim
    if kind == "latents":
        return Data(images / FACTOR, labels, FACTOR, math.inf)
    if kind == "colours":
        images = (images + 1) * TINTS[labels][:, :, None, None] - 1
    return Data(images, labels)


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
    return "colours" if bugs.channels_swapped else "digits"


def parts(bugs: Bugs, kind: str) -> Parts:
    """The code with these bugs, for this data, and a network whose weights are always the same."""
    given, schedule = data(kind), clinic.schedule_of(bugs)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = DigitUNet(channels=given.images.shape[1], width=32, deep=64)
    return Parts(
        clinic.Network(bugs, unet),
        clinic.loss_of(bugs, schedule),
        (clinic.prepare(bugs, given.images, given.factor), given.labels),
        schedule,
        clinic.sampler_of(bugs, schedule, ASKED, steps=STEPS, limit=given.limit),
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
    if number in KINDS:
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
