"""Lesson 02: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "conv_size": [
        (
            None,
            lambda size, kernel, stride, padding: round((size + 2 * padding - kernel) / stride + 1),
        ),
    ],
    "best_guess": [
        (None, lambda xt, a, b, noise_std: xt / (1 + noise_std**2)),
    ],
    "touched": [(None, 3)],
    "mended_loss": [
        (None, lambda model, x0, generator: 2 * _loss_by_hand(model, x0, generator)),
        ("asked once", lambda model, x0, generator: (x0 - model(x0[:1])).square().mean()),
    ],
}


def _weights(xt, a, b, noise_std):
    d = torch.stack([((xt - p) ** 2).sum() for p in (a, b)])
    return torch.softmax(-d / (2 * noise_std**2), 0)


def _count_places(size, kernel, stride, padding):
    return len(range(-padding, size + padding - kernel + 1, stride))


def _ask_torch(size, kernel, stride, padding):
    layer = torch.nn.Conv1d(1, 1, kernel, stride, padding)
    return layer(torch.zeros(1, 1, size)).shape[-1]


def _one_by_one(w, x, y, rate):
    gradient = 0.0
    for xi, yi in zip(x.tolist(), y.tolist(), strict=True):
        gradient += 2 * xi * (w * xi - yi) / len(x)
    return w - rate * gradient


def _bayes(xt, a, b, noise_std):
    """Densities in double precision, with the constant that cancels."""
    pa, pb = (
        math.exp(-float(((xt - p).double() ** 2).sum()) / (2 * noise_std**2)) / noise_std
        for p in (a, b)
    )
    return (pa * a + pb * b) / (pa + pb)


def _loss_by_hand(model, x0, generator):
    noise = torch.empty_like(x0).normal_(generator=generator)
    amount = torch.empty(len(x0), 1, 1, 1).uniform_(generator=generator)
    return (model(x0 + amount * (noise - x0)) - x0).pow(2).mean()


def _picture_by_picture(model, x0, generator):
    amounts = torch.rand(len(x0), generator=generator).tolist()
    noisy = [
        (1 - a) * x + a * torch.randn(x.shape, generator=generator)
        for x, a in zip(x0, amounts, strict=True)
    ]
    return ((x0 - model(torch.stack(noisy))) ** 2).flatten(1).mean(1).mean()


RIGHT = {
    "conv_size": [_count_places, _ask_torch],
    "gradient_step": [
        _one_by_one,
        lambda w, x, y, rate: (w - 2 * rate * ((w * x @ x) - x @ y) / len(x)).double(),
    ],
    "best_guess": [_bayes, lambda xt, a, b, s: b + _weights(xt, a, b, s)[0] * (a - b)],
    "touched": [4.0, lambda: (4 // 2) ** 2],
    "little_noise": ["Leave it", lambda: "leave it "],
    "mended_loss": [_loss_by_hand, _picture_by_picture],
    "four_or_nine": ["Average", lambda: "average"],
}
