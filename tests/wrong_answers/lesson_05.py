"""Lesson 05: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "posterior_mean": [
        (
            "weight of `xt` is not right",
            lambda x0, xt, b, a, p: (p**0.5 * b * x0 + _r(b) * (1 - a) * xt) / (1 - a),
        ),
        (
            "weight of `xt` is not right",
            lambda x0, xt, b, a, p: (p**0.5 * b * x0 + b**0.5 * (1 - p) * xt) / (1 - a),
        ),
        (
            "weight of `x0` is not right",
            lambda x0, xt, b, a, p: (p**0.5 * b**0.5 * x0 + _r(b) * (1 - p) * xt) / (1 - a),
        ),
    ],
    "x0_from_eps": [
        ("weight of `eps` is not right", lambda xt, eps, a: xt / a**0.5 - (1 - a) ** 0.5 * eps),
        ("weight of `eps` is not right", lambda xt, eps, a: (xt - (1 - a**0.5) * eps) / a**0.5),
    ],
    "reverse_step": [
        (
            "weight of `z` is not right",
            lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + b**0.5 * z * (t == 1),
        ),
        (
            "weight of `z` is not right",
            lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + z * (t > 1),
        ),
        (
            "weight of `eps` is not right",
            lambda xt, eps, z, t, b, a: (xt - b / (1 - a) * eps) / _r(b) + b**0.5 * z * (t > 1),
        ),
        (
            "weight of `xt` is the square of the",
            lambda xt, eps, z, t, b, a: (
                (xt - b / (1 - a) ** 0.5 * eps) / (1 - b) + b**0.5 * z * (t > 1)
            ),
        ),
        (
            "multiply",
            lambda xt, eps, z, t, b, a: (
                (xt - b / (1 - a) ** 0.5 * eps) * _r(b) + b**0.5 * z * (t > 1)
            ),
        ),
        (
            "weight of `z` is not right",
            lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + b**0.5 / _r(b) * z * (t > 1),
        ),
        (
            "weight of `z` is not right",
            lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + (1 - a) ** 0.5 * z * (t > 1),
        ),
    ],
}


def _r(beta):
    return (1 - beta) ** 0.5


def _mean(xt, eps, beta, alpha_bar):
    return (xt - beta / (1 - alpha_bar) ** 0.5 * eps) / _r(beta)


def _by_precisions(x0, xt, beta, alpha_bar, before):
    """The product of two normal densities: precisions add, means are weighted by them."""
    forward, prior = (1 - beta) / beta, 1 / (1 - before)
    return (forward * xt / _r(beta) + prior * before**0.5 * x0) / (forward + prior)


def _turned_back(v, xt, alpha_bar):
    angle = math.acos(math.sqrt(alpha_bar))
    rotation = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    return torch.einsum("k,k...->...", rotation, torch.stack([v, xt]).double())


def _through_x0(xt, eps, z, t, beta, alpha_bar):
    before = alpha_bar / (1 - beta)
    x0 = (xt - math.sqrt(1 - alpha_bar) * eps) / math.sqrt(alpha_bar)
    mean = _by_precisions(x0, xt, beta, alpha_bar, before) if before < 1 - 1e-9 else x0
    return mean if t == 1 else torch.add(mean, z, alpha=math.sqrt(beta))


RIGHT = {
    "posterior_mean": [
        _by_precisions,
        lambda x0, xt, b, a, p: (
            torch.stack([x0, xt], -1).double()
            @ torch.tensor([p**0.5 * b, _r(b) * (1 - p)], dtype=torch.float64)
            / (1 - a)
        ),
    ],
    "x0_from_eps": [
        lambda xt, eps, a: xt / a**0.5 - (1 / a - 1) ** 0.5 * eps,
        lambda xt, eps, a: (xt.numpy() - math.sqrt(1 - a) * eps.numpy()) / math.sqrt(a),
    ],
    "eps_from_v": [
        _turned_back,
        lambda v, xt, a: (xt - a**0.5 * (a**0.5 * xt - (1 - a) ** 0.5 * v)) / (1 - a) ** 0.5,
    ],
    "new_pictures": ["none", " None "],
    "without_noise": ["mostly ones", "MOSTLY ONES"],
    "reverse_step": [
        _through_x0,
        lambda xt, eps, z, t, b, a: (
            xt / _r(b) - b / (_r(b) * (1 - a) ** 0.5) * eps + (t != 1) * b**0.5 * z
        ),
    ],
}
