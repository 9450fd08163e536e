"""Lesson 08: what learners answer, wrong ones with a word that they should read in the reply."""

import random

import torch

WRONG = {
    "guidance_scale": [(None, 8.0)],
    "nfe_in_interval": [(None, 24)],
    "guided_halves": [
        (None, lambda both, w: (1 + w) * both.chunk(2)[1] - both.chunk(2)[0]),
    ],
    "dropped_labels": [
        (
            "generator does not decide",
            lambda labels, classes, chance, g: _drop(labels, classes, chance, None),
        ),
        (
            "generator does not decide",
            lambda labels, classes, chance, g: torch.tensor(
                [classes if random.random() < chance else n for n in labels.tolist()]
            ),
        ),
        (
            "a tensor of 20000 labels is wanted; yours",
            lambda labels, classes, chance, g: labels[
                torch.rand(len(labels), generator=g) >= chance
            ],
        ),
        (
            "whole numbers",
            lambda labels, classes, chance, g: _drop(labels.float(), classes, chance, g),
        ),
        (
            None,
            lambda labels, classes, chance, g: torch.rand(len(labels), generator=g) < chance,
        ),
    ],
    "sharpened_normal": [
        ("pair", lambda mu, s, w: w * mu / s**2 / (w / s**2 + 1 - w)),
        ("pair", lambda mu, s, w: (1.0,)),
    ],
}


def _drop(labels, classes, chance, generator, null=None, one=False):
    draws = torch.rand(1 if one else len(labels), generator=generator)
    return torch.where(draws < chance, classes if null is None else null, labels)


def _label_by_label(labels, classes, chance, generator):
    kept = labels.tolist()
    draws = torch.rand(len(kept), generator=generator).tolist()
    return torch.tensor(
        [classes if r >= 1 - chance else n for n, r in zip(kept, draws, strict=True)]
    )


def _bernoulli(labels, classes, chance, generator):
    dropped = torch.bernoulli(torch.full(labels.shape, chance), generator=generator)
    return (labels + dropped * (classes - labels)).long()


def _picture_by_picture(both, w):
    n = len(both) // 2
    return torch.stack([(1 - w) * both[i] + w * both[n + i] for i in range(n)])


def _by_grid(mu, s, w):
    """Mean and variance of the density, summed up on a grid."""
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    log = -w * (x - mu) ** 2 / (2 * s**2) - (1 - w) * x**2 / 2
    p = (log - log.max()).exp()
    mean = (x * p).sum() / p.sum()
    return [mean, ((x - mean) ** 2 * p).sum() / p.sum()]


RIGHT = {
    "guidance_scale": [7.5, lambda: 6.5 + 1],
    "sampled_variety": ["Less", lambda: " less"],
    "nfe_in_interval": [28.0, lambda: 12 + 2 * 8],
    "guided_halves": [
        _picture_by_picture,
        lambda both, w: torch.lerp(*both.double().split(len(both) // 2), w),
    ],
    "dropped_labels": [_label_by_label, _bernoulli],
    "mixed_context": [
        lambda a, b, part, share: torch.cat(
            [a[: part.start], b[part].lerp(a[part], share), a[part.stop :]]
        ),
        lambda a, b, part, share: torch.tensor(
            [
                share * x + (1 - share) * y if i in range(9)[part] else x
                for i, (x, y) in enumerate(zip(a.tolist(), b.tolist(), strict=True))
            ]
        ),
    ],
    "sharpened_normal": [
        _by_grid,
        lambda mu, s, w: torch.tensor([w * mu, s**2]) / (w + (1 - w) * s**2),
    ],
}
