"""Lesson 07: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "trailing_times": [
        (None, lambda T, steps: list(range(T, 0, -(T // steps)))),
    ],
    "ddim_jump": [
        ("`eps`", lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) + (1 - s) * eps),
        ("`eps`", lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) + (t - s) ** 1 * eps),
        ("`eps`", lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) - (1 - s) ** 0.5 * eps),
        (
            None,
            lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) + (1 - s) ** 0.5 * torch.ones_like(eps),
        ),
        (None, lambda xt, eps, t, s: s**0.5 * (xt - (1 - t) ** 0.5 * eps) + (1 - s) ** 0.5 * eps),
    ],
    "ddim_sigma": [
        (
            None,
            lambda t, s, eta: eta * math.sqrt(abs((1 - t) / max(1 - s, 1e-9) * (1 - s / t))),
        ),
    ],
    "second_order": [(None, 3)],
    "heun_nfe": [
        (None, lambda timesteps: 2 * timesteps[0]),
    ],
}


def _x0(xt, eps, alpha_bar):
    return (xt - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5


def _euler_in_sigma(xt, eps, t, s):
    """DDIM's step as Euler's, in y = x / sqrt(alpha_bar)."""
    sigma_t, sigma_s = math.sqrt(1 / t - 1), math.sqrt(1 / s - 1)
    return math.sqrt(s) * (xt.double() / math.sqrt(t) + (sigma_s - sigma_t) * eps)


def _count_on(timesteps):
    evaluations = 0
    for _, end in zip(timesteps, timesteps[1:], strict=False):
        evaluations += 1 if end == 0 else 2
    return evaluations


def _through_two_points(x0, before, s, t, b):
    """Lagrange's form of the line."""
    middle = (s + t) / 2
    return before * (middle - t) / (b - t) + x0 * (middle - b) / (t - b)


RIGHT = {
    "trailing_times": [
        lambda T, steps: torch.linspace(T, 0, steps + 1, dtype=torch.float64).round().int(),
        lambda T, steps: [round((steps - i) * T / steps) for i in range(steps)] + [0],
        lambda T, steps: tuple(reversed([round(i * T / steps) for i in range(steps + 1)])),
    ],
    "ddim_jump": [
        _euler_in_sigma,
        lambda xt, eps, t, s: (s / t) ** 0.5 * xt + ((1 - s) ** 0.5 - (s / t - s) ** 0.5) * eps,
    ],
    "ddim_sigma": [
        lambda t, s, eta: eta * math.sqrt((1 - s) * (s - t) / (s * (1 - t))),
        lambda t, s, eta: (
            torch.tensor(eta, dtype=torch.float64)
            * (torch.tensor([1 - s, 1 - t / s]) / torch.tensor([1 - t, 1.0])).prod().sqrt()
        ),
    ],
    "same_start": ["Hardly ever", lambda: "hardly ever "],
    "second_order": [4.0, lambda: 2**2],
    "heun_nfe": [_count_on, lambda timesteps: sum(1 + (end > 0) for end in timesteps[1:])],
    "continued_x0": [
        _through_two_points,
        lambda x0, before, s, t, b: (
            torch.stack([x0, before], -1)
            @ torch.tensor([1 + (s - t) / (2 * t - 2 * b), (t - s) / (2 * t - 2 * b)])
        ),
    ],
}
