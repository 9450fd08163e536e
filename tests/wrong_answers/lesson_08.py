"""Lesson 08: what learners answer, wrong ones with a word that they should read in the reply."""

import random

import torch

WRONG = {
    "guided_prediction": [
        ("paper's convention", lambda untold, told, w: told + w * (told - untold)),
        ("leads away", lambda untold, told, w: told - w * (told - untold)),
        ("difference alone", lambda untold, told, w: w * (told - untold)),
        ("subtract untold", lambda untold, told, w: untold + w * told),
        ("only makes", lambda untold, told, w: w * told),
        (
            "this leads away from what was asked for",
            lambda untold, told, w: told + w * (untold - told),
        ),
        (
            "this leads away from what was asked for",
            lambda untold, told, w: w * untold + (1 - w) * told,
        ),
        ("-`w`", lambda untold, told, w: untold - w * (told - untold)),
        ("this is an average", lambda untold, told, w: (untold + w * told) / (1 + w)),
        ("not used", lambda untold, told, w: untold + 7.5 * (told - untold)),
        ("nothing is done", lambda untold, told, w: told),
        (None, lambda untold, told, w: (1 + w) * told - untold),
        ("[-1, 1]", lambda untold, told, w: (untold + w * (told - untold)).clamp(-1, 1)),
        ("in place", lambda untold, told, w: untold.lerp_(told, w)),
    ],
    "guidance_scale": [
        ("not the same", lambda w: w),
        ("other way round", lambda w: w - 1),
        ("no sign", lambda w: -w),
        ("same pace", lambda w: 1 + w + w),
        ("same pace", lambda w: 2 * w),
        ("the sign is turned", lambda w: -w - 1),
        ("-`w` in the place of", lambda w: 1 - w),
        (None, lambda w: w / (1 + w)),
        ("`w` makes no difference here", lambda w: 4.0),
        ("`w` makes no difference here", lambda w: 7.5),
        ("a function", 4.0),
        ("a function", 7.5),
    ],
    "dropped_labels": [
        ("0 is a digit", lambda *case: _drop(*case, null=0)),
        (
            "last digit",
            lambda labels, classes, *rest: _drop(labels, classes, *rest, null=classes - 1),
        ),
        (
            "as many as you should drop",
            lambda labels, classes, chance, g: _drop(labels, classes, 1 - chance, g),
        ),
        ("each label", lambda *case: _drop(*case, one=True)),
        ("nothing is dropped", lambda labels, classes, chance, generator: labels),
        ("everything", lambda labels, classes, chance, generator: torch.full_like(labels, classes)),
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
        ("null label", lambda *case: _drop(*case, null=-1)),
        (
            "null label",
            lambda labels, classes, *rest: _drop(labels, classes, *rest, null=classes + 1),
        ),
        ("null label", lambda labels, classes, *rest: _drop(labels, classes, *rest, null=10)),
        ("chance", lambda labels, classes, chance, g: _drop(labels, classes, 0.1, g)),
        (
            "the first labels are dropped",
            lambda labels, classes, chance, g: _cut(labels, classes, chance),
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
            "normal",
            lambda labels, classes, chance, g: labels.masked_fill(
                torch.randn(len(labels), generator=g) < chance, classes
            ),
        ),
        (
            "in place",
            lambda labels, classes, chance, g: labels.masked_fill_(
                torch.rand(len(labels), generator=g) < chance, classes
            ),
        ),
        (
            None,
            lambda labels, classes, chance, g: torch.rand(len(labels), generator=g) < chance,
        ),
    ],
    "modulated": [
        ("multiply-and-add", lambda h, embedding: h * _part(embedding, 0) + _part(embedding, 1)),
        (
            "halves are exchanged",
            lambda h, embedding: h * (1 + _part(embedding, 1)) + _part(embedding, 0),
        ),
        (
            "first multiply",
            lambda h, embedding: (h + _part(embedding, 1)) * (1 + _part(embedding, 0)),
        ),
        (
            "every second",
            lambda h, embedding: (
                h * (1 + embedding[:, ::2, None, None]) + embedding[:, 1::2, None, None]
            ),
        ),
        ("shift is missing", lambda h, embedding: h * (1 + _part(embedding, 0))),
        ("scale is missing", lambda h, embedding: h + _part(embedding, 1)),
        (
            "the first of the `embedding` in the place of",
            lambda h, embedding: h * (1 + _part(embedding[:1], 0)) + _part(embedding[:1], 1),
        ),
        (
            "pixels",
            lambda h, embedding: (
                h * (1 + embedding[:, :4].unflatten(1, (1, 2, 2)))
                + embedding[:, 4:].unflatten(1, (1, 2, 2))
            ),
        ),
        (
            "two more dimensions",
            lambda h, embedding: h * (1 + embedding.chunk(2, 1)[0]) + embedding.chunk(2, 1)[1],
        ),
        ("chunk", lambda h, embedding: _chunked_batch(h, embedding)),
        ("exp", lambda h, embedding: h * _part(embedding, 0).exp() + _part(embedding, 1)),
        ("subtract", lambda h, embedding: h * (1 + _part(embedding, 0)) - _part(embedding, 1)),
        (
            "this is multiply-and-add",
            lambda h, embedding: h * _part(embedding, 0) + _part(embedding, 1) - 0 * h,
        ),
        (
            "in place",
            lambda h, embedding: h.mul_(1 + _part(embedding, 0)).add_(_part(embedding, 1)),
        ),
    ],
    "mixed_context": [
        ("mixes everything", lambda a, b, part, share: b + share * (a - b)),
        ("shares are exchanged", lambda a, b, part, share: _mix(a, b, part, 1 - share)),
        ("all of both", lambda a, b, part, share: _put(a, part, a[part] + b[part])),
        (
            "b is there as a whole",
            lambda a, b, part, share: _put(a, part, share * a[part] + b[part]),
        ),
        ("mixed part alone", lambda a, b, part, share: _mix(a, b, part, share)[part]),
        ("in place", lambda a, b, part, share: _in_place(a, b, part, share)),
        ("`a` and `b` are exchanged", lambda a, b, part, share: _mix(b, a, part, share)),
        ("`share` makes no difference here", lambda a, b, part, share: _put(a, part, b[part])),
        ("`b` makes no difference here", lambda a, b, part, share: _put(a, part, share * a[part])),
        (
            "outside",
            lambda a, b, part, share: _put(
                torch.zeros_like(a), part, _mix(a, b, part, share)[part]
            ),
        ),
        ("outside", lambda a, b, part, share: _put(b, part, _mix(a, b, part, share)[part])),
        ("not used", lambda a, b, part, share: _mix(a, b, part, 0.5)),
        (
            "you take some numbers from a and the others",
            lambda a, b, part, share: _cut_in_part(a, b, part, share),
        ),
        ("nothing is done", lambda a, b, part, share: a.clone()),
        (
            "the mixed part was put behind a",
            lambda a, b, part, share: torch.cat([a, _mix(a, b, part, share)[part]]),
        ),
    ],
    "sharpened_normal": [
        ("you mix the variances", lambda mu, s, w: (w * mu, w * s * s + (1 - w))),
        ("mean moves beyond", lambda mu, s, w: (mu, 1 / (w / s**2 + 1 - w))),
        ("p(x) to the power", lambda mu, s, w: (mu, s**2 / w)),
        (
            "is the precision",
            lambda mu, s, w: (w * mu / s**2 / (w / s**2 + 1 - w), w / s**2 + 1 - w),
        ),
        (
            "standard deviation",
            lambda mu, s, w: (w * mu / s**2 / (w / s**2 + 1 - w), (w / s**2 + 1 - w) ** -0.5),
        ),
        ("as the paper", lambda mu, s, w: _sharpened(mu, s, w + 1)),
        ("the square root of `s` in the place of", lambda mu, s, w: _sharpened(mu, s**0.5, w)),
        ("pair", lambda mu, s, w: w * mu / s**2 / (w / s**2 + 1 - w)),
        ("the order is turned round", lambda mu, s, w: _sharpened(mu, s, w)[::-1]),
        ("divided by the precision", lambda mu, s, w: (w * mu / s**2, 1 / (w / s**2 + 1 - w))),
        ("1 - w", lambda mu, s, w: (w * mu / s**2 / (w / s**2 + 1), 1 / (w / s**2 + 1))),
        ("1 - w", lambda mu, s, w: (w * mu / s**2 / (w / s**2 + w - 1), 1 / (w / s**2 + w - 1))),
        (
            "the variance is right",
            lambda mu, s, w: (w * mu / (w / s**2 + 1 - w), 1 / (w / s**2 + 1 - w)),
        ),
        (
            "the variance is right",
            lambda mu, s, w: (mu / s**2 / (w / s**2 + 1 - w), 1 / (w / s**2 + 1 - w)),
        ),
        ("`w` makes no difference here", lambda mu, s, w: (mu, s**2)),
        ("pair", lambda mu, s, w: (1.0,)),
    ],
}


def _drop(labels, classes, chance, generator, null=None, one=False):
    draws = torch.rand(1 if one else len(labels), generator=generator)
    return torch.where(draws < chance, classes if null is None else null, labels)


def _cut(labels, classes, chance):
    dropped = labels.clone()
    dropped[: int(chance * len(labels))] = classes
    return dropped


def _part(embedding, i):
    return embedding.chunk(2, dim=1)[i][..., None, None]


def _chunked_batch(h, embedding):
    scale, shift = embedding[:, :, None, None].chunk(2)
    return h * (1 + scale) + shift


def _put(into, part, what):
    found = into.clone()
    found[part] = what
    return found


def _mix(a, b, part, share):
    return _put(a, part, share * a[part] + (1 - share) * b[part])


def _in_place(a, b, part, share):
    a[part] = share * a[part] + (1 - share) * b[part]
    return a


def _cut_in_part(a, b, part, share):
    """The first numbers of the part from a, the others from b."""
    cut = part.start + round(share * (part.stop - part.start))
    return _put(a, slice(cut, part.stop), b[cut : part.stop])


def _sharpened(mu, s, w):
    precision = w / s**2 + 1 - w
    return w * mu / s**2 / precision, 1 / precision


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
        lambda untold, told, w: (1 - w) * untold + w * told,
        lambda untold, told, w: torch.lerp(untold.double(), told.double(), w),
        lambda untold, told, w: told + (w - 1) * (told - untold),
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
