"""The exercises of lesson 09, attention."""

import torch
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

from course_utils.checks.engine import Mistake, Write


def _normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _attend(scale=lambda q, k: q.shape[-1] ** 0.5, dim=-1):
    return lambda q, k, v: (q @ k.T / scale(q, k)).softmax(dim) @ v


attend = Write(
    right=scaled_dot_product_attention,
    cases=lambda: [
        (_normal(1, 3, 8), _normal(2, 5, 8), _normal(3, 5, 2)),
        (_normal(4, 6, 16), _normal(5, 4, 16), _normal(6, 4, 16)),
    ],
    mistakes=[
        Mistake(_attend(lambda q, k: 1.0), "the scores are not divided by the root of D."),
        Mistake(
            _attend(lambda q, k: q.shape[-1]),
            "you divide by D, and want its square root: the scores' variance should be 1.",
        ),
        Mistake(
            _attend(lambda q, k: len(k) ** 0.5),
            "you divide by the root of the number of keys. D is the number of a query's entries.",
        ),
        Mistake(
            _attend(dim=0),
            "the softmax runs over the queries. The weights of one query, a row, sum to 1.",
        ),
        Mistake(
            lambda q, k, v: (q @ k.T).softmax(-1) / q.shape[-1] ** 0.5 @ v,
            "divide the scores, before the softmax: your weights no longer sum to 1.",
        ),
        Mistake(
            lambda q, k, v: q @ k.T / q.shape[-1] ** 0.5 @ v,
            "the softmax is missing: your weights are neither positive nor do they sum to 1.",
        ),
        Mistake(
            _attend(lambda q, k: 1 / q.shape[-1] ** 0.5),
            "you multiply by the root of D. Divide: the scores would become too large.",
        ),
        Mistake(
            _attend(lambda q, k: len(q) ** 0.5),
            "you divide by the root of the number of queries. D is the number of a query's "
            "entries.",
        ),
        Mistake(
            lambda q, k, v: _attend(lambda q, k: v.shape[-1] ** 0.5)(q, k, v),
            "you divide by the root of a value's length. D is the number of a query's entries.",
        ),
        Mistake(
            lambda q, k, v: (q @ k.T / q.shape[-1] ** 0.5).softmax(-1),
            "these are the weights. Their product with the values is missing.",
        ),
        Mistake(
            lambda q, k, v: (q @ k.T / q.shape[-1] ** 0.5).sigmoid() @ v,
            "a sigmoid judges each key alone. The weights of a query should sum to 1: a softmax.",
        ),
        Mistake(
            lambda q, k, v: v[(q @ k.T).argmax(-1)],
            "you take the value of the best key alone. Attention is soft: a mean of all "
            "values, by a softmax.",
        ),
        Mistake(
            lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True),
            "there is a mask in it. Here each query sees all keys.",
        ),
    ],
    hints=[
        "Three steps: scores, softmax, mean of the values.",
        "The scores of all queries with all keys are one product of matrices: q @ k.T.",
        "(q @ k.T / q.shape[-1] ** 0.5).softmax(dim=-1) @ v",
    ],
    praise="One line, and CLIP and Stable Diffusion are built on it.",
)


def _seen(scores, lengths):
    """N x 1 x S booleans, True at words and False at padding."""
    return (torch.arange(scores.shape[-1]) < lengths[:, None])[:, None]


def _padded(fill=-torch.inf, seen=_seen):
    def answer(scores, lengths):
        return scores.masked_fill(~seen(scores, lengths), fill).softmax(-1)

    return answer


def _rows_masked(scores, lengths):
    words = torch.arange(scores.shape[1]) < lengths[:, None]
    return scores.masked_fill(~words[:, :, None], -1e9).softmax(-1)


def _causal(scores, lengths):
    return scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf).softmax(-1)


padded_maps = Write(
    right=_padded(),
    cases=lambda: [
        (_normal(1, 3, 4, 6), torch.tensor([2, 6, 5])),
        (_normal(2, 2, 5, 5), torch.tensor([4, 2])),
    ],
    mistakes=[
        Mistake(
            _padded(fill=0.0),
            "a score of 0 is not nothing: e to the 0 is 1. Forbidden scores are minus infinity.",
        ),
        Mistake(
            lambda scores, lengths: scores.softmax(-1) * _seen(scores, lengths),
            "you set the weights to 0 after the softmax: the others no longer sum to 1.",
        ),
        Mistake(
            lambda scores, lengths: scores.softmax(-1),
            "nothing is masked: the padding is seen.",
        ),
        Mistake(
            _padded(fill=-1e9, seen=lambda *given: ~_seen(*given)),
            "it is the wrong way round: your queries see the padding, and not the words.",
        ),
        Mistake(
            _padded(seen=lambda scores, lengths: _seen(scores, lengths + 1)),
            "one word too many: the words are numbers 0 to length - 1.",
        ),
        Mistake(
            _padded(fill=-1e9, seen=lambda scores, lengths: _seen(scores, lengths - 1)),
            "one word too few: the words are numbers 0 to length - 1.",
        ),
        Mistake(
            lambda scores, lengths: scores.masked_fill(~_seen(scores, lengths), -torch.inf).softmax(
                1
            ),
            "the softmax runs over the queries. It runs over the keys, the last dimension.",
        ),
        Mistake(
            lambda scores, lengths: scores.masked_fill(~_seen(scores, lengths), -torch.inf),
            "the softmax is missing: these are masked scores.",
        ),
        Mistake(
            _padded(fill=torch.inf),
            "you filled in plus infinity. What is forbidden gets minus infinity.",
        ),
        Mistake(
            _padded(fill=-1.0),
            "a score of -1 is not nothing: e to the -1 is 0.37. Forbidden scores are minus "
            "infinity.",
        ),
        Mistake(
            _rows_masked,
            "you masked the queries, the rows. No query may see the padding: mask the keys,"
            " the columns.",
        ),
        Mistake(
            _causal,
            "this mask is causal. Here each part sees all words, later ones too, and no padding.",
        ),
        Mistake(
            lambda scores, lengths: scores[..., : lengths.max()].softmax(-1),
            "you cut at the longest sentence. Each has a length of its own, and the maps keep"
            " their size: mask.",
        ),
    ],
    hints=[
        "First make booleans that say for each sentence and key whether a word stands there.",
        "torch.arange(S) < lengths[:, None] is N x S. It needs a dimension for the queries.",
        "scores.masked_fill(~seen[:, None, :], -torch.inf), and then the softmax.",
    ],
    praise="No query sees the padding, and each row still sums to 1.",
)

split_heads = Write(
    right=lambda x, heads: x.unflatten(-1, (heads, -1)).transpose(1, 2),
    cases=lambda: [(_normal(1, 2, 5, 12), 3), (_normal(2, 1, 4, 8), 4)],
    mistakes=[
        Mistake(
            lambda x, heads: x.reshape(len(x), heads, x.shape[1], -1),
            "one reshape to the final shape mixes the tokens: cut the last dimension first, then "
            "exchange two dimensions.",
        ),
        Mistake(
            lambda x, heads: x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2),
            "your heads take every second or third number. The first head gets the first numbers, "
            "in one piece.",
        ),
        Mistake(
            lambda x, heads: x.unflatten(-1, (heads, -1)),
            "nearly: this is N x L x heads x ..., and the heads belong in front of the tokens.",
        ),
        Mistake(
            lambda x, heads: x.unsqueeze(1).expand(-1, heads, -1, -1),
            "each head has all of the numbers. Together they share the width.",
        ),
        Mistake(
            lambda x, heads: x[:, None, :, : x.shape[-1] // heads],
            "this is the first head alone.",
        ),
    ],
    hints=[
        "Two steps: cut the last dimension into heads pieces, then move the heads forward.",
        "x.unflatten(-1, (heads, -1)) is N x L x heads x width / heads.",
        ".transpose(1, 2) exchanges L and heads.",
    ],
    praise="To join them again: transpose back, then flatten(2).",
)


def _group_norm(
    over=(2, 3, 4),
    unbiased=False,
    root=lambda variance, eps: (variance + eps).sqrt(),
    part=lambda x, mean: x - mean,
):
    def answer(x, groups, eps):
        grouped = x.unflatten(1, (groups, -1))
        mean = grouped.mean(over, keepdim=True)
        variance = grouped.var(over, keepdim=True, unbiased=unbiased)
        return (part(grouped, mean) / root(variance, eps)).flatten(1, 2)

    return answer


def _every_second(x, groups, eps):
    mixed = x.unflatten(1, (-1, groups)).transpose(1, 2)
    normed = torch.nn.functional.group_norm(mixed.flatten(1, 2), groups, eps=eps)
    return normed.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


group_norm = Write(
    right=lambda x, groups, eps: torch.nn.functional.group_norm(x, groups, eps=eps),
    cases=lambda: [
        (2 * _normal(1, 2, 6, 4, 3) + 1, 3, 0.1),
        (0.5 * _normal(2, 3, 8, 2, 2) - 1, 2, 1e-3),
    ],
    mistakes=[
        Mistake(
            _group_norm(over=(3, 4)),
            "each channel has its own mean: this is instance norm. A group shares one.",
        ),
        Mistake(
            _group_norm(over=(2,)),
            "each pixel has its own mean. A group takes it over all of its pixels.",
        ),
        Mistake(
            _group_norm(over=(0, 2, 3, 4)),
            "the pictures of the batch share a mean, as in batch norm. Each should have its own.",
        ),
        Mistake(
            lambda x, groups, eps: torch.nn.functional.group_norm(x, 1, eps=eps),
            "all channels are one group. Cut them into groups first.",
        ),
        Mistake(
            _group_norm(unbiased=True),
            "this variance is divided by n - 1. Norm layers divide by n: unbiased=False.",
        ),
        Mistake(
            _group_norm(root=lambda variance, eps: variance.sqrt() + eps),
            "eps is added to the standard deviation. It belongs to the variance, under the root.",
        ),
        Mistake(
            _group_norm(root=lambda variance, eps: variance + eps),
            "you divide by the variance. You want its square root.",
        ),
        Mistake(
            _group_norm(part=lambda x, mean: x),
            "the mean is not subtracted.",
        ),
        Mistake(
            _group_norm(root=lambda variance, eps: torch.ones_like(variance)),
            "the variance is not brought to 1: divide by its root.",
        ),
        Mistake(
            lambda x, groups, eps: torch.nn.functional.batch_norm(
                x, None, None, training=True, eps=eps
            ),
            "this is batch norm: the pictures of the batch share a mean. Each should have its own.",
        ),
        Mistake(
            lambda x, groups, eps: torch.nn.functional.group_norm(x, x.shape[1] // groups, eps=eps),
            "`groups` is the number of groups; you made it the number of channels in one.",
        ),
        Mistake(
            _every_second,
            "your groups take every second or third channel. A group is channels in a row.",
        ),
    ],
    hints=[
        "Give the groups a dimension: x.unflatten(1, (groups, -1)) has 5 dimensions.",
        "Mean and variance over the last three of them, with keepdim=True and unbiased=False.",
        "Subtract the mean, divide by (variance + eps).sqrt(), and flatten(1, 2).",
    ],
    praise="The same as torch.nn.GroupNorm before it learns a scale and a shift.",
)


def _gated(gate=gelu, order=(0, 1), halves=lambda y: y.chunk(2, dim=-1)):
    def answer(x, weight, bias):
        both = halves(linear(x, weight, bias))
        return both[order[0]] * gate(both[order[1]])

    return answer


def _both_through_gelu(x, weight, bias):
    a, b = gelu(linear(x, weight, bias)).chunk(2, dim=-1)
    return a * b


gated = Write(
    right=_gated(),
    cases=lambda: [
        (_normal(1, 5, 4), _normal(2, 12, 4), _normal(3, 12)),
        (_normal(4, 4, 6), _normal(5, 4, 6), _normal(6, 4)),
    ],
    mistakes=[
        Mistake(
            _gated(order=(1, 0)),
            "the halves are exchanged: the second one is the gate, and passes the GELU.",
        ),
        Mistake(
            _gated(gate=torch.sigmoid),
            "the gate is a sigmoid. That is GLU; GEGLU's gate is a GELU.",
        ),
        Mistake(_gated(gate=lambda b: b), "the gate has no activation: it should pass a GELU."),
        Mistake(
            _gated(halves=lambda y: (y[..., ::2], y[..., 1::2])),
            "you take every second number. The halves are the first H and the last H.",
        ),
        Mistake(
            lambda x, weight, bias: _gated()(x, weight, torch.zeros_like(bias)),
            "the bias is missing.",
        ),
        Mistake(
            lambda x, weight, bias: gelu(linear(x, weight, bias)).chunk(2, dim=-1)[0],
            "there is no product: the first half is multiplied by the GELU of the second.",
        ),
        Mistake(
            _gated(gate=lambda b: b * torch.sigmoid(1.702 * b)),
            "this gate is QuickGELU. Stable Diffusion's is the exact GELU.",
        ),
        Mistake(
            _gated(gate=torch.nn.functional.silu),
            "this gate is SiLU. Stable Diffusion's is GELU.",
        ),
        Mistake(
            _gated(gate=torch.relu),
            "this gate is ReLU. Stable Diffusion's is GELU.",
        ),
        Mistake(
            _gated(gate=lambda b: gelu(b, approximate="tanh")),
            "this is GELU's approximation by tanh. Stable Diffusion has the exact one.",
        ),
        Mistake(
            lambda x, weight, bias: (
                linear(x, weight, bias).chunk(2, -1)[0]
                + gelu(linear(x, weight, bias).chunk(2, -1)[1])
            ),
            "the halves are added. A gate multiplies.",
        ),
        Mistake(
            _both_through_gelu,
            "both halves pass the GELU. Only the second, the gate, does.",
        ),
        Mistake(
            lambda x, weight, bias: gelu(linear(x, weight, bias)),
            "this is a plain layer with 2H numbers. Cut it into two halves and multiply them.",
        ),
        Mistake(
            lambda x, weight, bias: _gated(gate=lambda b: b)(gelu(x), weight, bias),
            "the GELU comes before the linear layer. It belongs to the gate, after it.",
        ),
        Mistake(
            _gated(halves=lambda y: y.chunk(2, dim=0)),
            "you cut the batch in two. Cut the numbers: dim=-1.",
        ),
    ],
    hints=[
        "First the linear layer: x @ weight.T + bias has 2H numbers.",
        "a, b = (...).chunk(2, dim=-1)",
        "a * torch.nn.functional.gelu(b)",
    ],
    praise="A layer that can multiply.",
)
