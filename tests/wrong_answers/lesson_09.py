"""Lesson 09: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch
from torch.nn import functional

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
    "group_norm": [
        (
            "the numbers are right; their shape should",
            lambda x, groups, eps: functional.group_norm(x, groups, eps=eps).unflatten(
                1, (groups, -1)
            ),
        ),
    ],
    "gated": [
        (None, lambda x, weight, bias: _gate(x, weight.T, bias)),
    ],
}


def _seen(scores, lengths):
    return torch.arange(scores.shape[-1]).lt(lengths[:, None])[:, None, :]


def _padded(scores, lengths):
    return scores.masked_fill(~_seen(scores, lengths), -1e9).softmax(-1)


def _gate(x, weight, bias, gate=functional.gelu, order=(0, 1), every=False, join=torch.mul, dim=-1):
    y = x @ weight.T + bias
    halves = (y[:, ::2], y[:, 1::2]) if every else y.chunk(2, dim)
    return join(halves[order[0]], gate(halves[order[1]]))


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


def _channel_loop(x, groups, eps):
    out, size = torch.empty_like(x), x.shape[1] // groups
    for n in range(len(x)):
        for g in range(groups):
            part = x[n, g * size : (g + 1) * size]
            var, mean = torch.var_mean(part, correction=0)
            out[n, g * size : (g + 1) * size] = (part - mean) * torch.rsqrt(var + eps)
    return out


def _exact_gelu(x, weight, bias):
    y = torch.einsum("nc,hc->nh", x.double(), weight.double()) + bias
    a, b = y[:, : y.shape[1] // 2], y[:, y.shape[1] // 2 :]
    return a * b * (1 + torch.erf(b / math.sqrt(2))) / 2


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
    "group_norm": [
        _channel_loop,
        lambda x, groups, eps: torch.nn.GroupNorm(groups, x.shape[1], eps)(x),
    ],
    "gated": [
        _exact_gelu,
        lambda x, weight, bias: (
            (x @ weight[: len(bias) // 2].T + bias[: len(bias) // 2])
            * functional.gelu(
                functional.linear(x, weight[len(bias) // 2 :], bias[len(bias) // 2 :])
            )
        ),
    ],
}
