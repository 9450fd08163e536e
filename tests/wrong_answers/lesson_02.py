"""Lesson 02: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

from course_utils.built.noise import mix_noise

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
    "denoising_error": [
        (
            "the mean over dimension 0 is missing",
            lambda model, x0, noise, amount: _squares(model, x0, noise, amount).flatten(1).mean(1),
        ),
    ],
}


def _weights(xt, a, b, noise_std):
    d = torch.stack([((xt - p) ** 2).sum() for p in (a, b)])
    return torch.softmax(-d / (2 * noise_std**2), 0)


def _squares(model, x0, noise, amount):
    return (model(mix_noise(x0, noise, amount)) - x0) ** 2


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


def _loop_error(model, x0, noise, amount):
    amounts = torch.as_tensor(amount).expand(len(x0))
    total = 0.0
    for i in range(len(x0)):
        xt = mix_noise(x0[i : i + 1], noise[i : i + 1], amounts[i : i + 1])
        total += torch.nn.functional.mse_loss(model(xt), x0[i : i + 1]).item()
    return total / len(x0)


RIGHT = {
    "conv_size": [_count_places, _ask_torch],
    "gradient_step": [
        _one_by_one,
        lambda w, x, y, rate: (w - 2 * rate * ((w * x @ x) - x @ y) / len(x)).double(),
    ],
    "best_guess": [_bayes, lambda xt, a, b, s: b + _weights(xt, a, b, s)[0] * (a - b)],
    "denoising_error": [
        _loop_error,
        lambda model, x0, noise, amount: (
            _squares(model, x0, noise, amount).flatten(1).mean(1).mean()
        ),
    ],
}
