"""Lesson 01: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

from course_utils.built.noise import mix_noise, remove_noise

WRONG = {
    "mix_at_snr": [
        ("square is one too many", lambda x0, noise, snr: _mix(x0, noise, 1 / (1 + snr * snr))),
        ("changed places", lambda x0, noise, snr: _mix(x0, noise, snr / (snr + 1))),
        ("straight line", lambda x0, noise, snr: mix_noise(x0, noise, 1 / (1 + snr))),
        ("straight line", lambda x0, noise, snr: mix_noise(x0, noise, 1 / (1 + snr**0.5))),
        ("add up to 1", lambda x0, noise, snr: math.sqrt(snr) * x0 + noise),
        ("add up to 1", lambda x0, noise, snr: x0 + noise / math.sqrt(snr)),
        (
            None,
            lambda x0, noise, snr: _mix(x0, noise, 1 / snr if snr > 1 else 0.5),
        ),
        (
            "the square root of `snr` in the place of",
            lambda x0, noise, snr: _mix(x0, noise, 1 / (1 + snr**0.5)),
        ),
        (
            None,
            lambda x0, noise, snr: _mix(x0, noise, 1 / (1 + 10 ** (snr / 10))),
        ),
        ("not an amount", lambda x0, noise, snr: _mix(x0, noise, min(snr, 1))),
        ("-`noise` in the place of", lambda x0, noise, snr: _mix(x0, -noise, 1 / (1 + snr))),
        (
            "you measured how strong the picture is",
            lambda x0, noise, snr: _measured(x0, noise, snr),
        ),
        ("in place", lambda x0, noise, snr: x0.mul_((snr / (1 + snr)) ** 0.5) + noise),
    ],
    "undo_mix": [
        ("straight line", lambda xt, noise, amount: remove_noise(xt, noise, amount)),
        ("too faint", lambda xt, noise, amount: xt - math.sqrt(amount) * noise),
        ("square root of that", lambda xt, noise, amount: _undone(xt, noise, amount, 1, 0.5)),
        ("noise's factor", lambda xt, noise, amount: _undone(xt, noise, amount, 0.5, 1)),
        ("amount = 1", lambda xt, noise, amount: xt if amount == 1 else _undone(xt, noise, amount)),
        ("amount = 1", lambda xt, noise, amount: (xt - amount**0.5 * noise) / (1 - amount) ** 0.5),
        (None, lambda xt, noise, amount: _undone(xt, noise, min(amount, 1 - 1e-6))),
        (None, lambda xt, noise, amount: _undone(xt, noise, amount, end=0.5)),
        (
            "1 - `amount` in the place of",
            lambda xt, noise, amount: _changed_places(xt, noise, amount),
        ),
        ("all of the noise", lambda xt, noise, amount: _undone(xt, noise, amount, 0.5, 0)),
        ("multiply", lambda xt, noise, amount: (xt - amount**0.5 * noise) * (1 - amount) ** 0.5),
        ("-`noise` in the place of", lambda xt, noise, amount: _undone(xt, -noise, amount)),
        ("in place", lambda xt, noise, amount: _undone(xt.sub_(amount**0.5 * noise), 0, amount)),
    ],
    "mix_variance": [
        ("mix with square roots", lambda var0, amount: var0 + amount * (1 - var0)),
        ("picture's share alone", lambda var0, amount: var0 * (1 - amount) ** 2),
        ("added the standard deviations", lambda var0, amount: _deviations(var0, amount) ** 2),
        ("added the standard deviations", lambda var0, amount: _deviations(var0, amount)),
        ("its square", lambda var0, amount: math.sqrt((1 - amount) ** 2 * var0 + amount**2)),
        ("noise's factor", lambda var0, amount: (1 - amount) ** 2 * var0 + amount),
        ("picture's factor", lambda var0, amount: (1 - amount) * var0 + amount**2),
        (
            "the square of `var0` in the place of",
            lambda var0, amount: (1 - amount) ** 2 * var0**2 + amount**2,
        ),
        ("1 - `amount` in the place of", lambda var0, amount: amount**2 * var0 + (1 - amount) ** 2),
        ("the two parts are added", lambda var0, amount: (1 - amount) ** 2 * var0 * amount**2),
        ("this is `var0` itself", lambda var0, amount: var0),
        ("`amount` makes no difference here", lambda var0, amount: 0.25 * var0 + 0.25),
    ],
    "one_jump": [
        ("amounts do not add", lambda amount, steps: sum([amount] * steps)),
        ("amounts do not add", lambda amount, steps: min(1.0, amount * steps)),
        ("the rest", lambda amount, steps: math.prod([1 - amount] * steps)),
        ("no root", lambda amount, steps: 1 - math.sqrt((1 - amount) ** steps)),
        ("this shrinks", lambda amount, steps: amount**steps),
        (
            "this is the square root of the right result",
            lambda amount, steps: math.sqrt(1 - (1 - amount) ** steps),
        ),
        ("`steps` - 1 in the place of", lambda amount, steps: 1 - (1 - amount) ** (steps - 1)),
        ("`steps` + 1 in the place of", lambda amount, steps: 1 - (1 - amount) ** (steps + 1)),
        ("2 * `steps` in the place of", lambda amount, steps: 1 - (1 - amount) ** (2 * steps)),
        ("square", lambda amount, steps: 1 - (1 - amount**2) ** steps),
        ("`steps` makes no difference here", lambda amount, steps: 1 - (1 - amount) ** 2),
        (
            "this is how deviations of equal noises add",
            lambda amount, steps: amount * math.sqrt(steps),
        ),
    ],
}


def _mix(x0, noise, amount):
    return math.sqrt(1 - amount) * x0 + math.sqrt(amount) * noise


def _measured(x0, noise, snr):
    """The ratio of what is measured in the picture, and not of the factors."""
    ratio = snr * noise.var() / x0.var()
    return (ratio / (1 + ratio)).sqrt() * x0 + (1 / (1 + ratio)).sqrt() * noise


def _undone(xt, noise, amount, power=0.5, signal=0.5, end=0.0):
    if amount == 1:
        return torch.full_like(xt, end)
    if signal == 0:
        return (xt - noise) / (1 - amount) ** 0.5
    if (power, signal) == (1, 0.5):
        return (xt - amount**0.5 * noise) / (1 - amount)
    if (power, signal) == (0.5, 1):
        return (xt - amount * noise) / (1 - amount) ** 0.5
    return (xt - amount**0.5 * noise) / (1 - amount) ** 0.5


def _changed_places(xt, noise, amount):
    if amount == 0:
        return torch.zeros_like(xt)
    return (xt - (1 - amount) ** 0.5 * noise) / amount**0.5


def _deviations(var0, amount):
    return (1 - amount) * math.sqrt(var0) + amount


def _by_angle(x0, noise, snr):
    angle = math.atan(snr**-0.5)
    return torch.add(math.cos(angle) * x0.double(), noise.double(), alpha=math.sin(angle))


def _normalised_weights(x0, noise, snr):
    weights = torch.tensor([snr**0.5, 1.0])
    weights = weights / weights.norm()
    return torch.einsum("k,knchw->nchw", weights, torch.stack([x0, noise]))


def _repeated(amount, steps):
    noise = 0.0
    for _ in range(steps):
        noise = noise + amount * (1 - noise)
    return noise


RIGHT = {
    "mix_at_snr": [_by_angle, _normalised_weights],
    "undo_mix": [
        lambda xt, noise, amount: (
            xt * 0
            if amount == 1
            else xt / (1 - amount) ** 0.5 - (amount / (1 - amount)) ** 0.5 * noise
        ),
        lambda xt, noise, amount: torch.nan_to_num(
            (xt - torch.tensor(amount).sqrt() * noise) / torch.tensor(1 - amount).sqrt(),
            0.0,
            0.0,
            0.0,
        ),
    ],
    "mix_variance": [
        lambda var0, amount: var0 - 2 * amount * var0 + amount * amount * (1 + var0),
        lambda var0, amount: torch.tensor([(1 - amount) * var0**0.5, amount]).square().sum(),
    ],
    "one_jump": [_repeated, lambda amount, steps: -math.expm1(steps * math.log1p(-amount))],
}
