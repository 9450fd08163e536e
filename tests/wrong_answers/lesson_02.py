"""Lesson 02: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

from course_utils.built.noise import mix_noise

WRONG = {
    "conv_size": [
        (
            "one is missing",
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride,
        ),
        (
            "counts twice",
            lambda size, kernel, stride, padding: (size + padding - kernel) // stride + 1,
        ),
        (
            "whole number",
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel) / stride + 1,
        ),
        (
            "stride is not in it",
            lambda size, kernel, stride, padding: size + 2 * padding - kernel + 1,
        ),
        (
            "you round up",
            lambda size, kernel, stride, padding: -(-(size + 2 * padding - kernel) // stride) + 1,
        ),
        (
            None,
            lambda size, kernel, stride, padding: round((size + 2 * padding - kernel) / stride + 1),
        ),
        (
            "`padding` makes no difference here",
            lambda size, kernel, stride, padding: (size - kernel) // stride + 1,
        ),
        (
            "before",
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel + 1) // stride,
        ),
        ("kernel", lambda size, kernel, stride, padding: (size + 2 * padding) // stride),
        ("kernel", lambda size, kernel, stride, padding: size // stride),
        (
            "square",
            lambda size, kernel, stride, padding: (
                ((size + 2 * padding - kernel) // stride + 1) ** 2
            ),
        ),
        (
            "transposed",
            lambda size, kernel, stride, padding: (size - 1) * stride - 2 * padding + kernel,
        ),
        (
            "`kernel` makes no difference here",
            lambda size, kernel, stride, padding: (size + 2 - 3) // 2 + 1,
        ),
    ],
    "gradient_step": [
        ("uphill", lambda w, x, y, rate: w + rate * 2 * ((w * x - y) * x).mean()),
        ("the 2", lambda w, x, y, rate: w - rate * ((w * x - y) * x).mean()),
        ("their mean", lambda w, x, y, rate: w - rate * (2 * (w * x - y) * x).sum()),
        ("factor x", lambda w, x, y, rate: w - 2 * rate * (w * x - y).mean()),
        ("uphill", lambda w, x, y, rate: w - rate * (2 * (y - w * x) * x).mean()),
        ("rate", lambda w, x, y, rate: w - (2 * (w * x - y) * x).mean()),
        ("gradient alone", lambda w, x, y, rate: (2 * (w * x - y) * x).mean()),
        ("`w` is missing", lambda w, x, y, rate: -rate * (2 * (w * x - y) * x).mean()),
        ("one weight", lambda w, x, y, rate: w - rate * 2 * (w * x - y) * x),
        ("squared", lambda w, x, y, rate: w - rate * ((w * x - y) ** 2).mean()),
        ("mean", lambda w, x, y, rate: w - rate * 2 * (w * x.mean() - y.mean()) * x.mean()),
        (
            "the inner derivative is that of w x by w",
            lambda w, x, y, rate: w - rate * (2 * (w * x - y) * w).mean(),
        ),
    ],
    "best_guess": [
        ("before anyone looked", lambda xt, a, b, noise_std: torch.stack([a, b]).mean(0)),
        ("the 2 is missing", lambda xt, a, b, noise_std: _guess(xt, a, b, noise_std**2)),
        ("standard deviation", lambda xt, a, b, noise_std: _guess(xt, a, b, 2 * noise_std)),
        ("sign", lambda xt, a, b, noise_std: _guess(xt, a, b, -2 * noise_std**2)),
        ("distance squared", lambda xt, a, b, noise_std: _guess(xt, a, b, 2 * noise_std**2, 0.5)),
        (
            "you took the mean of the squares over the",
            lambda xt, a, b, noise_std: _guess(xt, a, b, 2 * noise_std**2, mean=True),
        ),
        (
            "`noise_std` makes no difference here",
            lambda xt, a, b, noise_std: a if (xt - a).norm() < (xt - b).norm() else b,
        ),
        ("each pixel", lambda xt, a, b, noise_std: _each_pixel(xt, a, b, noise_std)),
        ("sum of both", lambda xt, a, b, noise_std: _unnormalised(xt, a, b, noise_std)),
        ("the sign is turned", lambda xt, a, b, noise_std: _guess(xt, b, a, -2 * noise_std**2)),
        (None, lambda xt, a, b, noise_std: xt / (1 + noise_std**2)),
        ("these are the two weights", lambda xt, a, b, noise_std: _weights(xt, a, b, noise_std)),
    ],
    "denoising_error": [
        ("clean picture", lambda model, x0, noise, amount: ((model(x0) - x0) ** 2).mean()),
        (
            "target is the clean",
            lambda model, x0, noise, amount: _error(model, x0, noise, amount, "xt"),
        ),
        (
            "mean was asked",
            lambda model, x0, noise, amount: _squares(model, x0, noise, amount).sum(),
        ),
        (
            "absolute",
            lambda model, x0, noise, amount: _squares(model, x0, noise, amount).sqrt().mean(),
        ),
        ("lesson 06", lambda model, x0, noise, amount: _error(model, x0, noise, amount, "noise")),
        ("root", lambda model, x0, noise, amount: _squares(model, x0, noise, amount).mean().sqrt()),
        (
            "the mean over dimension 0 is missing",
            lambda model, x0, noise, amount: _squares(model, x0, noise, amount).flatten(1).mean(1),
        ),
        ("exchanged", lambda model, x0, noise, amount: _squares(model, noise, x0, amount).mean()),
        (
            "1 - `amount` in the place of",
            lambda model, x0, noise, amount: (
                (model(mix_noise(noise, x0, amount)) - x0) ** 2
            ).mean(),
        ),
        (
            "`amount` makes no difference here",
            lambda model, x0, noise, amount: ((model(noise) - x0) ** 2).mean(),
        ),
        (
            "not asked",
            lambda model, x0, noise, amount: ((mix_noise(x0, noise, amount) - x0) ** 2).mean(),
        ),
        (
            "mix_noise",
            lambda model, x0, noise, amount: ((model(x0 + amount * noise) - x0) ** 2).mean(),
        ),
        (
            "times what it should be",
            lambda model, x0, noise, amount: 0.5 * _squares(model, x0, noise, amount).mean(),
        ),
    ],
}


def _guess(xt, a, b, scale, power=1.0, mean=False):
    whole = torch.mean if mean else torch.sum
    da, db = (whole((xt - picture) ** 2) ** power for picture in (a, b))
    weight = torch.sigmoid((db - da) / scale)
    return weight * a + (1 - weight) * b


def _each_pixel(xt, a, b, noise_std):
    weight = torch.sigmoid(((xt - b) ** 2 - (xt - a) ** 2) / (2 * noise_std**2))
    return weight * a + (1 - weight) * b


def _unnormalised(xt, a, b, noise_std):
    pa, pb = (torch.exp(-((xt - p) ** 2).sum() / (2 * noise_std**2)) for p in (a, b))
    return pa * a + pb * b


def _weights(xt, a, b, noise_std):
    d = torch.stack([((xt - p) ** 2).sum() for p in (a, b)])
    return torch.softmax(-d / (2 * noise_std**2), 0)


def _squares(model, x0, noise, amount):
    return (model(mix_noise(x0, noise, amount)) - x0) ** 2


def _error(model, x0, noise, amount, target):
    xt = mix_noise(x0, noise, amount)
    return ((model(xt) - {"xt": xt, "noise": noise}[target]) ** 2).mean()


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
