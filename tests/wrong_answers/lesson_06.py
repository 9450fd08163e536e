"""Lesson 06: what learners answer, wrong ones with a word that they should read in the reply."""

import math
import random

import torch

from course_utils.built.parameterization import to_x0
from course_utils.built.posterior import posterior

WRONG = {
    "waves": [
        ("these are the right numbers", lambda t, width: _waves(t, width, "interleaved")),
        ("these are the right numbers", lambda t, width: _waves(t, width, dim=0)),
    ],
    "random_times": [
        ("generator does not decide", lambda T, n, generator: torch.randint(1, T + 1, (n,))),
        (
            "generator does not decide",
            lambda T, n, generator: torch.tensor(random.choices(range(1, T + 1), k=n)),
        ),
        ("whole numbers", lambda T, n, generator: 1 + (T - 1) * torch.rand(n, generator=generator)),
        (
            "whole numbers",
            lambda T, n, generator: torch.randint(1, T + 1, (n,), generator=generator).float(),
        ),
        ("tensor of n", lambda T, n, generator: torch.randint(1, T + 1, (1,), generator=generator)),
        ("tensor of n", lambda T, n, generator: torch.randint(1, n + 1, (T,), generator=generator)),
        (
            "the result should be a tensor of n = 500",
            lambda T, n, generator: _shuffled(T, n, generator),
        ),
        ("generator does not decide", lambda T, n, generator: torch.arange(n) % T + 1),
    ],
    "ema_step": [
        ("sign", lambda average, weight, decay: average - (1 - decay) * (weight - average)),
    ],
    "ancestral_step": [
        (None, lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule, clamp="tanh")),
        (
            None,
            lambda xt, eps, z, t, schedule: posterior(
                to_x0("epsilon", eps, xt, t, schedule).clamp(-1, 1), xt, t, schedule
            ),
        ),
    ],
}


def _waves(t, width, which="cs", exponent=None, period=10_000.0, dim=1):
    k = torch.arange(width // 2)
    exponent = exponent or (lambda k: -2 * k / width)
    angle = t[:, None] * period ** exponent(k)
    if which == "interleaved":
        return torch.stack([angle.cos(), angle.sin()], dim=2).flatten(1)
    made = {"c": angle.cos, "s": angle.sin, "a": lambda: angle}
    return torch.cat([made[letter]() for letter in which], dim=dim)


def _shuffled(T, n, generator):
    """Times that are drawn without replacement."""
    return torch.stack([torch.randperm(T, generator=generator) + 1 for _ in range(n)])[:, 0][:T]


def _step(xt, eps, z, t, schedule, clamp=(-1, 1), power=0.5, prediction_type="epsilon"):
    x0 = to_x0(prediction_type, eps, xt, t, schedule)
    if clamp:
        x0 = x0.tanh() if clamp == "tanh" else x0.clamp(*clamp)
    mean, variance = posterior(x0, xt, t, schedule)
    return mean + variance**power * z


def _wave_by_wave(t, width):
    rows = [
        [
            f(time * 10_000 ** (-2 * k / width))
            for f in (math.cos, math.sin)
            for k in range(width // 2)
        ]
        for time in t.tolist()
    ]
    return torch.tensor(rows, dtype=torch.float64)


def _turning_numbers(t, width):
    turning = torch.exp(1j * t[:, None] * 10_000 ** (-torch.arange(0, width, 2) / width))
    return torch.view_as_real(turning).transpose(1, 2).reshape(len(t), width)


def _by_hand(xt, eps, z, t, schedule):
    a, p, beta = (
        float(x) for x in (schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t])
    )
    x0 = torch.clip((xt.double() - math.sqrt(1 - a) * eps) / math.sqrt(a), -1, 1)
    mean = (math.sqrt(p) * beta * x0 + math.sqrt(1 - beta) * (1 - p) * xt) / (1 - a)
    return mean if t == 1 else mean + math.sqrt((1 - p) / (1 - a) * beta) * z


def _pictures_alone(xt, eps, z, t, schedule):
    parts = [
        _step(xt[i : i + 1], eps[i : i + 1], z[i : i + 1], t, schedule) for i in range(len(xt))
    ]
    return torch.cat(parts)


RIGHT = {
    "waves": [_wave_by_wave, _turning_numbers],
    "random_times": [
        lambda T, n, generator: (T * torch.rand(n, generator=generator)).long() + 1,
        lambda T, n, generator: (
            torch.stack([torch.randint(T, (), generator=generator) for _ in range(n)]).int() + 1
        ),
        lambda T, n, generator: torch.multinomial(torch.ones(T), n, True, generator=generator) + 1,
    ],
    "ema_step": [
        lambda average, weight, decay: average.lerp(weight, 1 - decay),
        lambda average, weight, decay: weight.double() + decay * (average.double() - weight),
        lambda average, weight, decay: average - (1 - decay) * (average - weight),
    ],
    "v_target": [
        lambda x0, eps, a: math.cos(math.acos(a**0.5)) * eps - math.sin(math.acos(a**0.5)) * x0,
        lambda x0, eps, a: (eps - (1 - a) ** 0.5 * (a**0.5 * x0 + (1 - a) ** 0.5 * eps)) / a**0.5,
    ],
    "ancestral_step": [_by_hand, _pictures_alone],
}
