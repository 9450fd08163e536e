"""What is measured on a patient of the clinic, and what speaks for and against a diagnosis.

A bug's hallmarks are the signs in which the patient who has it differs from the healthy run.
Another patient is compared with it in these alone: so the evidence never tells what it has.
"""

import copy
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils.built.ema import EMA
from course_utils.checks import doctor, ward
from course_utils.checks.ward import Chart, Parts


class Sign(NamedTuple):
    """A sentence with a place for the number; the number; and how large a difference counts."""

    says: str
    measure: Callable[[Parts, Chart], float]
    counts: float


def as_patient(parts: Parts) -> doctor.Patient:
    """A patient's parts as the doctor's tests take them."""
    return doctor.Patient(
        parts.model.eval(),
        parts.loss,
        parts.sampler,
        parts.data,
        parts.schedule,
        parts.guide,
        10,
        None,
    )


def _least_variance(parts: Parts, chart: Chart) -> float:
    _, signal, noise = doctor.noised(as_patient(parts))
    return (signal**2 + noise.var(1)).min().item()


def _kurtosis(parts: Parts, chart: Chart) -> float:
    noise = doctor.noised(as_patient(parts))[2].flatten(1)
    z = (noise - noise.mean(1, keepdim=True)) / noise.std(1, keepdim=True)
    return (z**4).mean().item()


def _moved(parts: Parts, chart: Chart) -> float:
    ema, model = EMA(parts.model), copy.deepcopy(parts.model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1)
    parts.update(ema, model)
    pairs = zip(ema.model.parameters(), parts.model.parameters(), strict=True)
    return sum((after - before).sum().item() for after, before in pairs) / sum(
        weight.numel() for weight in model.parameters()
    )


def _peak(parts: Parts, chart: Chart) -> float:
    x = torch.randn(2, *parts.data[0].shape[1:], generator=torch.Generator().manual_seed(0))
    return parts.sampler(doctor.Nothing(), x, torch.Generator().manual_seed(0)).abs().max().item()


def _redder(parts: Parts, chart: Chart) -> float:
    """How much redder than blue the pictures of label 0 are; of colour pictures alone."""
    images, labels = parts.data
    if images.shape[1] != 3:
        return 0.0
    return (images[labels == 0][:, 0] - images[labels == 0][:, 2]).mean().item()


def _pictures(chart: Chart) -> Tensor:
    return chart.samples.permute(0, 3, 1, 2).float() / 127.5 - 1


def _roughness(parts: Parts, chart: Chart) -> float:
    pictures = _pictures(chart)
    return (pictures[..., 1:] - pictures[..., :-1]).abs().mean().item()


def _shift(patient: doctor.Patient) -> float:
    return doctor.shift_of_t(patient)[0]


def _pushed(parts: Parts, chart: Chart) -> float:
    return parts.guide(torch.zeros(1), torch.ones(1), 3.0).item()


def _code(measure: Callable[[doctor.Patient], float]) -> Callable[[Parts, Chart], float]:
    return lambda parts, chart: measure(as_patient(parts))


def _negative(patient: doctor.Patient) -> float:
    return (doctor.look(patient, 500) < 0).float().mean().item()


SIGNS = (
    Sign("the smallest number of the training data is {:.1f}", lambda p, c: p.data[0].min(), 0.3),
    Sign("the training data have a std of {:.1f}", lambda p, c: p.data[0].std(), 0.4),
    Sign("in the data the zeros have {:+.1f} more red than blue", _redder, 0.2),
    Sign("the variance of x_t falls to {:.2f} at some t", _least_variance, 0.2),
    Sign("the noise has kurtosis {:.1f}", _kurtosis, 0.3),
    Sign("the signal's factor at T is {:.2f}", lambda p, c: p.schedule.signal[-1], 0.1),
    Sign(
        "the noise belongs to a step {:+.0f} from the t that the network is told",
        _code(_shift),
        0.5,
    ),
    Sign("{:.0%} of the training shows the null label", _code(doctor.share_of_null), 0.03),
    Sign("the fastest wave of t is at angle {:.0f} at T", _code(doctor.fastest_wave), 100),
    Sign("{:.0%} of the predictions are below 0", _code(_negative), 0.3),
    Sign(
        "the same input twice gives outputs that differ by {:.2f}",
        _code(doctor.difference_of_two),
        1e-3,
    ),
    Sign("an update moves the average {:.0%} of the way", _moved, 0.05),
    Sign("guidance with w = 3 goes {:+.0f} times from uncond to cond", _pushed, 0.5),
    Sign("noise of {:.3f} comes after the network's last word", _code(doctor.last_noise), 1e-3),
    Sign("where the network predicts 0, pictures reach {:.0f}", _peak, 1.0),
    Sign("{:.0%} of the samples' numbers are finite", lambda p, c: c.finite, 0.5),
    Sign("the loss ends at {:.2f}", lambda p, c: c.losses[-50:].mean(), 0.05),
    Sign("the loss at t = 950 is {:.3f}", lambda p, c: c.by_t[-1], 0.05),
    Sign("the samples' mean is {:+.2f}, from -1 to 1", lambda p, c: _pictures(c).mean(), 0.15),
    Sign("neighbouring pixels of the samples differ by {:.2f}", _roughness, 0.1),
)
"""The first fifteen are measured on the code, the others are read off the chart. The last four
depend on the data, too, and are compared among patients of the same data alone."""

COMPARED = len(SIGNS) - 4


@cache
def signs(number: int | str) -> tuple[float, ...]:
    """The values of all SIGNS of a patient, or of a healthy run."""
    parts = ward.admit(number)
    chart = ward.charts()["digits" if number == "latents" else number]
    with torch.random.fork_rng(), torch.no_grad():
        return tuple(float(sign.measure(parts, chart)) for sign in SIGNS)


def _with(bug: str) -> int:
    return next(n for n in ward.NUMBERS if getattr(ward.bugs_of(n), bug))


def evidence(number: int, bug: str) -> tuple[list[str], list[str]]:
    """Sentences for and against the diagnosis that this patient has this bug."""
    other, speaks = _with(bug), ([], [])
    kinds = [ward.kind_of(ward.bugs_of(n)) for n in (number, other)]
    seen, known, well, known_well = map(signs, (number, other, *kinds))
    for i, sign in enumerate(SIGNS):
        hallmark = known[i] - known_well[i]
        if abs(hallmark) <= sign.counts or (i >= COMPARED and kinds[0] != kinds[1]):
            continue
        here = seen[i] - well[i]
        alike = abs(here - hallmark) <= max(sign.counts, 0.3 * abs(hallmark))
        says = sign.says.format(seen[i])
        if not alike:
            says += f"; with that bug, {sign.says.format(known[i])}"
        speaks[not alike].append(says)
    return speaks
