"""Lesson 07: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "path_times": [
        ("end is missing", lambda T, steps: [round(T - i * T / steps) for i in range(steps)]),
        ("goes up", lambda T, steps: [round(i * T / steps) for i in range(steps + 1)]),
        (
            "T itself",
            lambda T, steps: [max(round(T - i * T / steps) - 1, 0) for i in range(steps + 1)],
        ),
        ("fence posts", lambda T, steps: torch.linspace(T, 0, steps).round().int().tolist()),
        (
            "these are not whole numbers",
            lambda T, steps: [T - i * T / steps for i in range(steps + 1)],
        ),
        (
            "you round the stride",
            lambda T, steps: [T - i * round(T / steps) for i in range(steps + 1)],
        ),
        ("the stride T // steps is cut off", lambda T, steps: list(range(T, -1, -(T // steps)))),
        (
            "int cuts off what is behind the point",
            lambda T, steps: [int(T - i * T / steps) for i in range(steps + 1)],
        ),
        (None, lambda T, steps: list(range(T, 0, -(T // steps)))),
        (
            "the first part of the result is missing",
            lambda T, steps: [round(T - i * T / steps) for i in range(1, steps + 1)],
        ),
        (
            "your path ends at 1",
            lambda T, steps: torch.linspace(T, 1, steps + 1).round().int().tolist(),
        ),
        (
            "is not used",
            lambda T, steps: [round(1000 - i * 1000 / steps) for i in range(steps + 1)],
        ),
        ("is not used", lambda T, steps: [1000, 750, 500, 250, 0]),
    ],
    "ddim_jump": [
        (
            "square roots are missing",
            lambda xt, eps, t, s: s * (xt - (1 - t) * eps) / t + (1 - s) * eps,
        ),
        ("forget to put", lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t)),
        ("this is the estimate", lambda xt, eps, t, s: _x0(xt, eps, t)),
        ("noise of time t", lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) + (1 - t) ** 0.5 * eps),
        ("exchanged", lambda xt, eps, t, s: _ddim(xt, eps, s, t)),
        ("exchanged", lambda xt, eps, t, s: _ddim(eps, xt, t, s)),
        ("fade", lambda xt, eps, t, s: _x0(xt, eps, t) + (1 - s) ** 0.5 * eps),
        ("time t", lambda xt, eps, t, s: t**0.5 * _x0(xt, eps, t) + (1 - s) ** 0.5 * eps),
        ("`eps`", lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) + (1 - s) * eps),
        ("`eps`", lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) + (t - s) ** 1 * eps),
        ("`eps`", lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) - (1 - s) ** 0.5 * eps),
        ("nothing is done", lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) * 0 + xt),
        (
            None,
            lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t) + (1 - s) ** 0.5 * torch.ones_like(eps),
        ),
        (
            "[-1, 1]",
            lambda xt, eps, t, s: s**0.5 * _x0(xt, eps, t).clamp(-1, 1) + (1 - s) ** 0.5 * eps,
        ),
        (None, lambda xt, eps, t, s: s**0.5 * (xt - (1 - t) ** 0.5 * eps) + (1 - s) ** 0.5 * eps),
    ],
    "ddim_sigma": [
        ("square root", lambda t, s, eta: eta * (1 - s) / (1 - t) * (1 - t / s)),
        ("outside", lambda t, s, eta: math.sqrt(eta * (1 - s) / (1 - t) * (1 - t / s))),
        ("a factor is missing", lambda t, s, eta: eta * math.sqrt(1 - t / s)),
        ("beta of a stride", lambda t, s, eta: eta * math.sqrt(1 - s)),
        ("eta", lambda t, s, eta: math.sqrt((1 - s) / (1 - t) * (1 - t / s))),
        (
            "this is the quotient of the two noises alone",
            lambda t, s, eta: eta * math.sqrt((1 - s) / (1 - t)),
        ),
        (
            "upside down",
            lambda t, s, eta: eta * math.sqrt((1 - t) / (1 - s) * (1 - t / s)) if s < 1 else 0.0,
        ),
        (
            None,
            lambda t, s, eta: eta * math.sqrt(abs((1 - t) / max(1 - s, 1e-9) * (1 - s / t))),
        ),
        ("square of `eta`", lambda t, s, eta: eta**2 * math.sqrt((1 - s) / (1 - t) * (1 - t / s))),
        (
            "eta stands outside the square root",
            lambda t, s, eta: eta**0.5 * math.sqrt((1 - s) / (1 - t) * (1 - t / s)),
        ),
        (
            "1 - alpha_bar_t / alpha_bar_s",
            lambda t, s, eta: eta * math.sqrt((1 - s) / (1 - t) * (s - t)),
        ),
        ("`t` makes no difference here", lambda t, s, eta: 0.0),
        ("1 - `eta`", lambda t, s, eta: (1 - eta) * math.sqrt((1 - s) / (1 - t) * (1 - t / s))),
    ],
    "euler_update": [
        (
            "stride's sign",
            lambda y, x0, sigma, following: y - (following - sigma) * (y - x0) / sigma,
        ),
        ("divided by sigma", lambda y, x0, sigma, following: y + (following - sigma) * (y - x0)),
        ("all the way", lambda y, x0, sigma, following: x0.clone()),
        (
            "where you stand",
            lambda y, x0, sigma, following: y + (following - sigma) * (y - x0) / following,
        ),
        (
            "stride's sign",
            lambda y, x0, sigma, following: y + (following - sigma) * (x0 - y) / sigma,
        ),
        ("exchanged", lambda y, x0, sigma, following: x0 + (following - sigma) * (x0 - y) / sigma),
        ("stride", lambda y, x0, sigma, following: y + following * (y - x0) / sigma),
        ("`y` is missing", lambda y, x0, sigma, following: (following - sigma) * (y - x0) / sigma),
        ("this is the slope", lambda y, x0, sigma, following: (y - x0) / sigma),
        ("`x0`", lambda y, x0, sigma, following: y + (following - sigma) * y / sigma),
        (
            "`sigma` makes no difference here",
            lambda y, x0, sigma, following: x0 + following * (y - x0),
        ),
        (
            "you divide by sigma twice",
            lambda y, x0, sigma, following: y + (following - sigma) * (y - x0) / sigma**2,
        ),
        (
            None,
            lambda y, x0, sigma, following: y + (following**2 - sigma**2) ** 1 * (y - x0) / sigma,
        ),
        (
            "in place",
            lambda y, x0, sigma, following: y.add_((following - sigma) * (y - x0) / sigma),
        ),
    ],
    "heun_evaluations": [
        ("end above 0", lambda path: 2 * len(path) - 2),
        ("end at 0", lambda path: 2 * len(path) - 3),
        ("n + 1 times has n", lambda path: 2 * len(path) - (path[-1] == 0)),
        ("these are the steps", lambda path: len(path) - 1),
        ("count times", lambda path: 2 * len(path)),
        ("this is the number of times", lambda path: len(path)),
        ("too small by 1", lambda path: 2 * (len(path) - 1) - (path[-1] == 0) - 1),
        (
            "in a step to 0 the second slope is left",
            lambda path: 2 * (len(path) - 1) - 2 * (path[-1] == 0),
        ),
        ("it is the other way round", lambda path: 2 * (len(path) - 1) - (path[-1] != 0)),
        (None, lambda path: 2 * path[0]),
        ("`path` makes no difference here", lambda path: 3),
        ("in place", lambda path: 2 * (len(path) - 1) - (path.pop() == 0)),
    ],
    "continued_x0": [
        ("half as far", lambda x0, before, s, t, b: x0 + (s - t) / (t - b) * (x0 - before)),
        ("equally long", lambda x0, before, s, t, b: 1.5 * x0 - 0.5 * before),
        ("upside down", lambda x0, before, s, t, b: x0 + (t - b) / (s - t) / 2 * (x0 - before)),
        ("away from it", lambda x0, before, s, t, b: x0 + (s - t) / (t - b) / 2 * (before - x0)),
        ("needs a slope", lambda x0, before, s, t, b: x0 + (s - t) / 2 * (x0 - before)),
        ("exchanged", lambda x0, before, s, t, b: before + (s - t) / (t - b) / 2 * (before - x0)),
        ("from x0", lambda x0, before, s, t, b: before + (s - t) / (t - b) / 2 * (x0 - before)),
        ("`x0` is missing", lambda x0, before, s, t, b: (s - t) / (t - b) / 2 * (x0 - before)),
        ("nothing is done", lambda x0, before, s, t, b: x0),
        ("both strides", lambda x0, before, s, t, b: x0 + (s - t) / (s - b) / 2 * (x0 - before)),
        ("this is the middle of the two estimates", lambda x0, before, s, t, b: (x0 + before) / 2),
        ("brackets", lambda x0, before, s, t, b: x0 + (s - t) / 2 * (t - b) * (x0 - before)),
        ("away from it", lambda x0, before, s, t, b: x0 + (t - s) / (t - b) / 2 * (x0 - before)),
        (
            "you go as far as the middle's lambda is",
            lambda x0, before, s, t, b: x0 + ((s + t) / 2) / (t - b) * (x0 - before),
        ),
    ],
}


def _x0(xt, eps, alpha_bar):
    return (xt - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5


def _ddim(xt, eps, t, s):
    return s**0.5 * _x0(xt, eps, t) + (1 - s) ** 0.5 * eps


def _euler_in_sigma(xt, eps, t, s):
    """DDIM's step as Euler's, in y = x / sqrt(alpha_bar)."""
    sigma_t, sigma_s = math.sqrt(1 / t - 1), math.sqrt(1 / s - 1)
    return math.sqrt(s) * (xt.double() / math.sqrt(t) + (sigma_s - sigma_t) * eps)


def _count_on(path):
    evaluations = 0
    for _, end in zip(path, path[1:], strict=False):
        evaluations += 1 if end == 0 else 2
    return evaluations


def _through_two_points(x0, before, s, t, b):
    """Lagrange's form of the line."""
    middle = (s + t) / 2
    return before * (middle - t) / (b - t) + x0 * (middle - b) / (t - b)


RIGHT = {
    "path_times": [
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
    "euler_update": [
        lambda y, x0, sigma, following: x0 + following / sigma * (y - x0),
        lambda y, x0, sigma, following: torch.lerp(x0.double(), y.double(), following / sigma),
    ],
    "heun_evaluations": [_count_on, lambda path: sum(1 + (end > 0) for end in path[1:])],
    "continued_x0": [
        _through_two_points,
        lambda x0, before, s, t, b: (
            torch.stack([x0, before], -1)
            @ torch.tensor([1 + (s - t) / (2 * t - 2 * b), (t - s) / (2 * t - 2 * b)])
        ),
    ],
}
