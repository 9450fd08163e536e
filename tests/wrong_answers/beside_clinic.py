"""The clinic: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

from course_utils.checks import ward

TRUTH = {number: ward.bug_name(number) for number in ward.NUMBERS}


def _swapped(one, two):
    """All right but two patients, whose diagnoses are exchanged."""
    return TRUTH | {one: TRUTH[two], two: TRUTH[one]}


def _noise_of_another_shape(x0, t, generator, schedule):
    eps = torch.randn(len(x0), 1, 1, 1, generator=generator).expand(x0.shape)
    return _mixed(x0, eps, t, schedule)


def _mixed(x0, eps, t, schedule, power=0.5):
    alpha_bar = schedule.alpha_bar[t].float().reshape(-1, 1, 1, 1)
    return alpha_bar**power * x0 + (1 - alpha_bar) ** power * eps, eps


def _without_roots(x0, t, generator, schedule):
    return _mixed(x0, torch.randn(x0.shape, generator=generator), t, schedule, power=1)


WRONG = {
    "diagnoses": [
        ("14 of 16", _swapped(1, 2)),
        ("Against it", {5: "root_forgotten"}),
        ("1 of 16", {7: TRUTH[7], 8: ...}),
        ("there is no patient 17", {17: "uniform_noise"}),
        ("choose one of", {1: "uniform"}),
        ("wants a dict", list(TRUTH.values())),
    ],
    "fresh_noise": [
        (None, _noise_of_another_shape),
        (None, _without_roots),
    ],
    "x0_of_v": [
        (None, lambda out, xt, signal, noise_std: signal * xt + (noise_std + signal) * out),
    ],
    "sharp_alpha_bar": [
        ("half precision", lambda betas: torch.cumprod(1 - betas.double(), dim=0).half()),
        ("root", lambda betas: torch.cumprod(1 - betas, dim=0).sqrt()),
    ],
    "noise_test": [
        (None, lambda noise_of: noise_of(torch.zeros(9, 1, 8, 8), torch.Generator()).mean() < 0.3),
    ],
}


def _normal_in_place(x0, t, generator, schedule):
    return _mixed(x0, torch.empty_like(x0).normal_(generator=generator), t, schedule)


def _one_by_one(x0, t, generator, schedule):
    eps = torch.stack([torch.randn(picture.shape, generator=generator) for picture in x0])
    return _mixed(x0, eps, t, schedule)


def _by_eps(out, xt, signal, noise_std):
    eps = noise_std * xt + signal * out
    return (xt - noise_std * eps) / signal


def _by_angle(out, xt, signal, noise_std):
    angle = math.atan2(noise_std, signal)
    return math.cos(angle) * xt - math.sin(angle) * out


def _step_by_step(betas):
    kept, product = [], 1.0
    for beta in betas.tolist():
        product *= 1 - beta
        kept.append(product)
    return torch.tensor(kept)


def _by_asserts(noise_of):
    generator = torch.Generator().manual_seed(5)
    first, second = (noise_of(torch.zeros(200, 100), generator).double() for _ in range(2))
    assert (first * second).mean().abs() < 0.05
    assert torch.unique(first, dim=0).shape == first.shape
    assert abs(first.mean()) < 0.05 and abs(first.square().mean() - 1) < 0.05
    assert first.abs().max() > 3
    return True


def _by_quantiles(noise_of):
    generator = torch.Generator().manual_seed(6)
    noise = torch.stack([noise_of(torch.zeros(100, 50), generator) for _ in range(4)])
    inside = (noise.abs() < 1).double().mean()
    rows = noise.reshape(400, 50).unique(dim=0)
    return len(rows) == 400 and abs(inside - 0.6827) < 0.02


RIGHT = {
    "diagnoses": [dict(reversed(TRUTH.items())), {number: f"{TRUTH[number]}" for number in TRUTH}],
    "fresh_noise": [_normal_in_place, _one_by_one],
    "x0_of_v": [_by_eps, _by_angle],
    "sharp_alpha_bar": [_step_by_step, lambda betas: (1 - betas.double()).log().cumsum(0).exp()],
    "noise_test": [_by_asserts, _by_quantiles],
}
