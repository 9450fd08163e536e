"""Lesson 09: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch
from torch.nn import functional

WRONG = {
    "attend": [
        ("not divided", lambda q, k, v: torch.softmax(q @ k.T, 1) @ v),
        ("square root", lambda q, k, v: torch.softmax(q @ k.T / q.shape[1], 1) @ v),
        ("number of keys", lambda q, k, v: torch.softmax(q @ k.T / k.shape[0] ** 0.5, 1) @ v),
        ("over the queries", lambda q, k, v: torch.softmax(q @ k.T / q.shape[1] ** 0.5, 0) @ v),
        ("before the softmax", lambda q, k, v: torch.softmax(q @ k.T, 1) / q.shape[1] ** 0.5 @ v),
        ("softmax is missing", lambda q, k, v: q @ k.T @ v / q.shape[1] ** 0.5),
        ("multiply", lambda q, k, v: torch.softmax(q @ k.T * q.shape[1] ** 0.5, 1) @ v),
        ("number of queries", lambda q, k, v: torch.softmax(q @ k.T / q.shape[0] ** 0.5, 1) @ v),
        (
            "you divide by the root of a value's length",
            lambda q, k, v: torch.softmax(q @ k.T / v.shape[1] ** 0.5, 1) @ v,
        ),
        ("these are the weights", lambda q, k, v: torch.softmax(q @ k.T / q.shape[1] ** 0.5, 1)),
        ("sigmoid", lambda q, k, v: torch.sigmoid(q @ k.T / q.shape[1] ** 0.5) @ v),
        ("you take the value of the best key alone", lambda q, k, v: v[(q @ k.T).argmax(1)]),
        (None, lambda q, k, v: torch.softmax(q @ k / q.shape[1] ** 0.5, 1) @ v),
        (
            "there is a mask in it",
            lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        ),
        ("in place", lambda q, k, v: torch.softmax(q.div_(q.shape[1] ** 0.5) @ k.T, 1) @ v),
    ],
    "padded_maps": [
        ("not nothing", lambda scores, lengths: (scores * _seen(scores, lengths)).softmax(-1)),
        (
            "no longer sum",
            lambda scores, lengths: torch.where(_seen(scores, lengths), scores.softmax(-1), 0),
        ),
        ("nothing is masked", lambda scores, lengths: torch.softmax(scores, 2)),
        (
            "wrong way round",
            lambda scores, lengths: scores.masked_fill(_seen(scores, lengths), -1e9).softmax(-1),
        ),
        ("one word too many", lambda scores, lengths: _padded(scores, lengths + 1)),
        ("one word too few", lambda scores, lengths: _padded(scores, lengths - 1)),
        ("over the queries", lambda scores, lengths: _masked(scores, lengths).softmax(1)),
        ("softmax is missing", lambda scores, lengths: _masked(scores, lengths)),
        (
            "queries",
            lambda scores, lengths: scores.masked_fill(~_seen(scores.mT, lengths).mT, -1e9).softmax(
                -1
            ),
        ),
        (
            "plus",
            lambda scores, lengths: scores.masked_fill(~_seen(scores, lengths), torch.inf).softmax(
                -1
            ),
        ),
        (
            "not nothing",
            lambda scores, lengths: scores.masked_fill(~_seen(scores, lengths), -1.0).softmax(-1),
        ),
        (
            "first of the `lengths`",
            lambda scores, lengths: _padded(scores, lengths[:1].expand(len(lengths))),
        ),
        ("logarithm", lambda scores, lengths: _masked(scores, lengths).log_softmax(-1)),
        (
            "causal",
            lambda scores, lengths: scores.masked_fill(
                torch.ones(scores.shape[1:]).triu(1).bool(), -1e9
            ).softmax(-1),
        ),
        ("cut", lambda scores, lengths: scores[..., : lengths.max()].softmax(-1)),
        (
            "in place",
            lambda scores, lengths: scores.masked_fill_(~_seen(scores, lengths), -1e9).softmax(-1),
        ),
    ],
    "split_heads": [
        ("mixes the parts", lambda x, heads: x.view(x.shape[0], heads, x.shape[1], -1)),
        ("every second or third", lambda x, heads: x.unflatten(2, (-1, heads)).permute(0, 3, 1, 2)),
        ("heads belong in front", lambda x, heads: x.reshape(*x.shape[:2], heads, -1)),
        ("share the width", lambda x, heads: x[:, None].repeat(1, heads, 1, 1)),
        ("dimensions", lambda x, heads: x.unflatten(2, (heads, -1)).permute(2, 0, 1, 3)),
        ("dimensions", lambda x, heads: x.unflatten(2, (heads, -1)).permute(0, 2, 3, 1)),
        (
            "the numbers are right; their shape should",
            lambda x, heads: x.unflatten(2, (heads, -1)).transpose(1, 2).flatten(0, 1),
        ),
        ("the numbers are right", lambda x, heads: x.chunk(heads, dim=2)),
        ("dimensions", lambda x, heads: torch.stack(x.chunk(heads, dim=2))),
        (
            None,
            lambda x, heads: torch.stack([c.repeat(1, 1, 1) for c in x.chunk(heads, dim=1)], 1),
        ),
        ("order", lambda x, heads: x.unflatten(2, (heads, -1)).transpose(1, 2).flip(1)),
        (
            "these are the right numbers",
            lambda x, heads: x.unflatten(2, (x.shape[2] // heads, heads)).permute(0, 2, 1, 3),
        ),
        ("this is the first head alone", lambda x, heads: x[..., : x.shape[2] // heads][:, None]),
        ("nothing is done", lambda x, heads: x),
    ],
    "group_norm": [
        ("instance norm", lambda x, groups, eps: functional.instance_norm(x, eps=eps)),
        ("each pixel", lambda x, groups, eps: _norm(x, groups, eps, (2,))),
        ("batch norm", lambda x, groups, eps: _norm(x, groups, eps, (0, 2, 3, 4))),
        ("all channels", lambda x, groups, eps: functional.layer_norm(x, x.shape[1:], eps=eps)),
        ("unbiased", lambda x, groups, eps: _norm(x, groups, eps, (2, 3, 4), 1)),
        ("under the root", lambda x, groups, eps: _norm(x, groups, eps, how="std + eps")),
        ("its square root", lambda x, groups, eps: _norm(x, groups, eps, how="var")),
        ("mean is not", lambda x, groups, eps: _norm(x, groups, eps, how="no mean")),
        ("variance is not", lambda x, groups, eps: _norm(x, groups, eps, how="mean alone")),
        ("`eps`", lambda x, groups, eps: functional.group_norm(x, groups)),
        ("`eps`", lambda x, groups, eps: functional.group_norm(x, groups, eps=0.0)),
        (
            "batch norm",
            lambda x, groups, eps: functional.batch_norm(x, None, None, training=True, eps=eps),
        ),
        (
            "the numbers are right; their shape should",
            lambda x, groups, eps: functional.group_norm(x, groups, eps=eps).unflatten(
                1, (groups, -1)
            ),
        ),
        (
            "`groups` is the number of groups; you made",
            lambda x, groups, eps: functional.group_norm(x, x.shape[1] // groups, eps=eps),
        ),
        ("every second", lambda x, groups, eps: _interleaved(x, groups, eps)),
        (
            "the square of `eps` in the place of",
            lambda x, groups, eps: _norm(x, groups, eps, how="square of eps"),
        ),
    ],
    "gated": [
        ("halves are exchanged", lambda x, weight, bias: _gate(x, weight, bias, order=(1, 0))),
        (
            "the gate is a sigmoid",
            lambda x, weight, bias: functional.glu(functional.linear(x, weight, bias), -1),
        ),
        ("no activation", lambda x, weight, bias: _gate(x, weight, bias, lambda b: b)),
        ("every second", lambda x, weight, bias: _gate(x, weight, bias, every=True)),
        ("bias is missing", lambda x, weight, bias: _gate(x, weight, 0 * bias)),
        (
            "no product",
            lambda x, weight, bias: functional.gelu(x @ weight.T + bias)[:, : len(bias) // 2],
        ),
        (
            "QuickGELU",
            lambda x, weight, bias: _gate(x, weight, bias, lambda b: b * torch.sigmoid(1.702 * b)),
        ),
        ("SiLU", lambda x, weight, bias: _gate(x, weight, bias, functional.silu)),
        ("ReLU", lambda x, weight, bias: _gate(x, weight, bias, functional.relu)),
        (
            "tanh",
            lambda x, weight, bias: _gate(
                x, weight, bias, lambda b: functional.gelu(b, approximate="tanh")
            ),
        ),
        ("added", lambda x, weight, bias: _gate(x, weight, bias, join=torch.add)),
        ("both halves", lambda x, weight, bias: _both_halves(x, weight, bias)),
        (
            "this is a plain layer with 2H numbers",
            lambda x, weight, bias: functional.gelu(x @ weight.T + bias),
        ),
        (None, lambda x, weight, bias: _gate(x, weight.T, bias)),
        ("you cut the batch in two", lambda x, weight, bias: _gate(x, weight, bias, dim=0)),
        ("before", lambda x, weight, bias: _gate(functional.gelu(x), weight, bias, lambda b: b)),
    ],
}


def _seen(scores, lengths):
    return torch.arange(scores.shape[-1]).lt(lengths[:, None])[:, None, :]


def _masked(scores, lengths):
    return scores.masked_fill(~_seen(scores, lengths), -torch.inf)


def _padded(scores, lengths):
    return scores.masked_fill(~_seen(scores, lengths), -1e9).softmax(-1)


def _norm(x, groups, eps, over=(2, 3, 4), correction=0, how=""):
    g = x.unflatten(1, (groups, -1))
    mean = g.mean(over, keepdim=True)
    var = g.var(over, keepdim=True, correction=correction)
    below = {
        "std + eps": var.sqrt() + eps,
        "var": var + eps,
        "mean alone": torch.ones(()),
        "square of eps": (var + eps**2).sqrt(),
    }.get(how, (var + eps).sqrt())
    return ((g - (0 if how == "no mean" else mean)) / below).flatten(1, 2)


def _interleaved(x, groups, eps):
    g = x.unflatten(1, (-1, groups)).transpose(1, 2).flatten(1, 2)
    return (
        functional.group_norm(g, groups, eps=eps)
        .unflatten(1, (groups, -1))
        .transpose(1, 2)
        .flatten(1, 2)
    )


def _gate(x, weight, bias, gate=functional.gelu, order=(0, 1), every=False, join=torch.mul, dim=-1):
    y = x @ weight.T + bias
    halves = (y[:, ::2], y[:, 1::2]) if every else y.chunk(2, dim)
    return join(halves[order[0]], gate(halves[order[1]]))


def _both_halves(x, weight, bias):
    a, b = functional.gelu(x @ weight.T + bias).chunk(2, -1)
    return a * b


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
