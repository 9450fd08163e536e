"""Lesson 04: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "unfaded_variance": [(None, 5.0)],
    "left_at_200": [(None, 0.5)],
    "forward_jump": [
        (None, lambda x0, eps, a: _jump(x0, eps, a.reshape(4, 1, 1, 1))),
    ],
    "zero_terminal_snr": [
        (None, lambda a: (a.sqrt() - a[-1].sqrt()) ** 2 * 1.1),
    ],
    "jump_between": [
        ("1 / the right one", lambda xs, eps, s, t: (s / t) ** 0.5 * xs + (s / t - 1) ** 0.5 * eps),
        (
            "weight of `xs` is the square of the",
            lambda xs, eps, s, t: t / s * xs + (1 - (t / s) ** 2) ** 0.5 * eps,
        ),
        (
            "weight of `eps` is not right",
            lambda xs, eps, s, t: (t / s) ** 0.5 * xs + ((1 - t) ** 0.5 - (1 - s) ** 0.5) * eps,
        ),
    ],
    "noise_wins": [
        (None, lambda betas: _first(betas > 0.5)),
        (None, lambda betas: _snr(betas)[_snr(betas) < 1][0]),
        (None, lambda betas: len(betas) // 4 + 9),
    ],
}


def _four(alpha_bar):
    return alpha_bar.view(-1, 1, 1, 1)


def _jump(x0, eps, alpha_bar, signal=0.5, noise=0.5):
    if alpha_bar.ndim == 1:
        alpha_bar = _four(alpha_bar)
    return alpha_bar**signal * x0 + (1 - alpha_bar) ** noise * eps


def _first(where):
    return int(where.nonzero()[0]) + 1 if where.any() else len(where)


def _snr(betas):
    alpha_bar = torch.cumprod(1 - betas, 0)
    return alpha_bar / (1 - alpha_bar)


def _picture_by_picture(x0, eps, alpha_bar):
    return torch.stack(
        [
            math.sqrt(a) * x + math.sqrt(1 - a) * e
            for x, e, a in zip(x0, eps, alpha_bar.tolist(), strict=True)
        ]
    )


def _einsum(x0, eps, alpha_bar):
    signal, noise = alpha_bar.double().sqrt(), (1 - alpha_bar.double()).sqrt()
    return torch.einsum("n,nchw->nchw", signal, x0.double()) + torch.einsum(
        "n,nchw->nchw", noise, eps.double()
    )


def _batch_last_view(x0, eps, alpha_bar):
    x, e = (torch.moveaxis(tensor, 0, -1) for tensor in (x0, eps))
    return torch.moveaxis(x * alpha_bar**0.5 + e * (1 - alpha_bar) ** 0.5, -1, 0)


def _by_numbers(alpha_bar):
    signal = [math.sqrt(a) for a in alpha_bar.tolist()]
    first, last = signal[0], signal[-1]
    return [((s - last) * first / (first - last)) ** 2 for s in signal]


def _count_on(betas):
    signal, t = 1.0, 0
    while signal >= 1 - signal:
        signal *= 1 - float(betas[t])
        t += 1
    return t


RIGHT = {
    "forward_jump": [_picture_by_picture, _einsum, _batch_last_view],
    "unfaded_variance": [7, lambda: sum([0.02] * 300, 1.0)],
    "mean_of_chains": ["Faded", lambda: "faded "],
    "left_at_200": [0.37, lambda: math.exp(-200 * 0.01 / 2)],
    "uniform_steps": ["Gaussian", lambda: "gaussian"],
    "zero_terminal_snr": [
        _by_numbers,
        lambda a: a[0] * ((a / a[-1]).sqrt() - 1) ** 2 / ((a[0] / a[-1]).sqrt() - 1) ** 2,
    ],
    "jump_between": [
        lambda xs, eps, s, t: (xs * t**0.5 + (s - t) ** 0.5 * eps) / s**0.5,
        lambda xs, eps, s, t: (
            torch.lerp(xs, eps, 0.5) * 0
            + math.cos(math.acos((t / s) ** 0.5)) * xs
            + math.sin(math.acos((t / s) ** 0.5)) * eps.double()
        ),
    ],
    "noise_wins": [
        _count_on,
        lambda betas: (_snr(betas) >= 1).sum() + 1,
        lambda betas: (
            torch.argmax((torch.log1p(-betas).cumsum(0) < math.log(0.5)).int()).item() + 1.0
        ),
    ],
}
