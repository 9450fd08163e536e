"""Lesson 09: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "attend": [
        (None, lambda q, k, v: torch.softmax(q @ k / q.shape[1] ** 0.5, 1) @ v),
    ],
    "split_heads": [
        (
            "the numbers are right; their shape should",
            lambda x, heads: x.unflatten(2, (heads, -1)).transpose(1, 2).flatten(0, 1),
        ),
        (
            None,
            lambda x, heads: torch.stack([c.repeat(1, 1, 1) for c in x.chunk(heads, dim=1)], 1),
        ),
        ("order", lambda x, heads: x.unflatten(2, (heads, -1)).transpose(1, 2).flip(1)),
        (
            "these are the right numbers",
            lambda x, heads: x.unflatten(2, (x.shape[2] // heads, heads)).permute(0, 2, 1, 3),
        ),
    ],
    "largest_weight": [("choose one of", "16")],
    "map_growth": [(None, 15.5)],
}


def _seen(scores, lengths):
    return torch.arange(scores.shape[-1]).lt(lengths[:, None])[:, None, :]


def _padded(scores, lengths):
    return scores.masked_fill(~_seen(scores, lengths), -1e9).softmax(-1)


def _query_by_query(q, k, v):
    out = torch.zeros(len(q), v.shape[1], dtype=torch.float64)
    for i, query in enumerate(q.double()):
        weights = [math.exp(float(query @ key.double()) / math.sqrt(len(key))) for key in k]
        for weight, value in zip(weights, v, strict=True):
            out[i] += weight / sum(weights) * value
    return out


def _sentence_by_sentence(scores, lengths):
    maps = torch.zeros_like(scores)
    for n, length in enumerate(lengths.tolist()):
        maps[n, :, :length] = scores[n, :, :length].softmax(-1)
    return maps


def _renormalised(scores, lengths):
    weights = scores.double().exp() * _seen(scores, lengths)
    return weights / weights.sum(-1, keepdim=True)


RIGHT = {
    "attend": [
        _query_by_query,
        lambda q, k, v: (
            torch.einsum(
                "ls,sv->vl", torch.einsum("ld,sd->ls", q / q.shape[1] ** 0.5, k).softmax(1), v
            ).T
        ),
    ],
    "padded_maps": [_sentence_by_sentence, _renormalised, _padded],
    "split_heads": [
        lambda x, heads: torch.stack(x.chunk(heads, dim=-1), dim=1),
        lambda x, heads: torch.stack(
            [
                torch.stack(
                    [
                        part[:, i * part.shape[1] // heads : (i + 1) * part.shape[1] // heads]
                        for i in range(heads)
                    ]
                )
                for part in x
            ]
        ).double(),
    ],
    "largest_weight": ["nearly 1", " Nearly 1"],
    "map_growth": [16.0, lambda: (2 * 2) ** 2],
    "waves": [[0.2, 0.6, 1.4, 2.6], torch.tensor([2.8, 1.22, 1.92, 0.176])],
}
