"""Lesson 08: what learners answer, wrong ones with a word that they should read in the reply."""

import random

import torch

WRONG = {
    "guided_prediction": [
        (None, lambda uncond, cond, w: (1 + w) * cond - uncond),
    ],
    "guidance_scale": [
        (None, lambda w: w / (1 + w)),
        ("a function", 4.0),
        ("a function", 7.5),
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


def _channel_by_channel(h, embedding):
    out, C = torch.empty_like(h), h.shape[1]
    for n in range(len(h)):
        for c in range(C):
            out[n, c] = h[n, c] + h[n, c] * embedding[n, c] + embedding[n, C + c]
    return out


def _by_grid(mu, s, w):
    """Mean and variance of the density, summed up on a grid."""
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    log = -w * (x - mu) ** 2 / (2 * s**2) - (1 - w) * x**2 / 2
    p = (log - log.max()).exp()
    mean = (x * p).sum() / p.sum()
    return [mean, ((x - mean) ** 2 * p).sum() / p.sum()]


RIGHT = {
    "guided_prediction": [
        lambda uncond, cond, w: (1 - w) * uncond + w * cond,
        lambda uncond, cond, w: torch.lerp(uncond.double(), cond.double(), w),
        lambda uncond, cond, w: cond + (w - 1) * (cond - uncond),
    ],
    "guidance_scale": [lambda w: 1.0 + w, lambda w: torch.tensor(w) + 1],
    "dropped_labels": [_label_by_label, _bernoulli],
    "modulated": [
        _channel_by_channel,
        lambda h, embedding: (
            torch.einsum("nchw,nc->nchw", h, 1 + embedding[:, : h.shape[1]])
            + embedding[:, h.shape[1] :].view(*h.shape[:2], 1, 1)
        ),
    ],
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
