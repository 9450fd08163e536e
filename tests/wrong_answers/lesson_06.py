"""Lesson 06: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

from course_utils.built.parameterization import to_x0
from course_utils.built.posterior import posterior

WRONG = {
    "lazy_loss": [(None, 3.0)],
    "ema_step": [
        (None, lambda average, weight, decay, n: average if n < 10 else weight),
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


def _step(xt, eps, z, t, schedule, clamp=(-1, 1), power=0.5, prediction_type="epsilon"):
    x0 = to_x0(prediction_type, eps, xt, t, schedule)
    if clamp:
        x0 = x0.tanh() if clamp == "tanh" else x0.clamp(*clamp)
    mean, variance = posterior(x0, xt, t, schedule)
    return mean + variance**power * z


def _by_eps(x0, xt, a):
    eps = (xt.double() - math.sqrt(a) * x0) / math.sqrt(1 - a)
    return math.sqrt(a) * eps - math.sqrt(1 - a) * x0


def _by_angle(x0, xt, a):
    angle = math.acos(math.sqrt(a))
    return xt / math.tan(angle) - x0 / math.sin(angle)


def _in_two_lines(average, weight, decay, n):
    if (warm := (1 + n) / (10 + n)) < decay:
        decay = warm
    return weight + decay * (average - weight)


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
    "lazy_loss": [1, lambda: torch.randn(10**6).square().mean().item()],
    "no_new_noise": ["Alike", lambda: "alike"],
    "real_distance": ["Smaller ", lambda: "smaller"],
    "ema_step": [
        _in_two_lines,
        lambda average, weight, decay, n: average.lerp(weight, 1 - min(decay, 1 - 9 / (10 + n))),
    ],
    "v_target": [_by_eps, _by_angle],
    "ancestral_step": [_by_hand, _pictures_alone],
}
