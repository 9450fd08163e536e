"""Lesson 01: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "variance_midway": [(None, 0.6)],
    "mix_at_snr": [
        (
            None,
            lambda x0, noise, snr: _mix(x0, noise, 1 / snr if snr > 1 else 0.5),
        ),
        (
            None,
            lambda x0, noise, snr: _mix(x0, noise, 1 / (1 + 10 ** (snr / 10))),
        ),
    ],
    "undo_mix": [
        ("amount = 1", lambda xt, noise, amount: (xt - amount**0.5 * noise) / (1 - amount) ** 0.5),
        (None, lambda xt, noise, amount: _undone(xt, noise, min(amount, 1 - 1e-6))),
        (None, lambda xt, noise, amount: _undone(xt, noise, amount, end=0.5)),
    ],
}


def _mix(x0, noise, amount):
    return math.sqrt(1 - amount) * x0 + math.sqrt(amount) * noise


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
    "worst_noise": ["Drawn anew", lambda: "drawn anew "],
    "variance_midway": [1 / 2, lambda: 0.5**2 + 0.5**2],
    "one_jump": [_repeated, lambda amount, steps: -math.expm1(steps * math.log1p(-amount))],
}
