"""The exercises of lesson 09, attention."""

import torch
from torch.nn.functional import scaled_dot_product_attention

from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write


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
        "The softmax runs over the keys, the last dimension; then take weighted means of v.",
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
        "Before the softmax: what must a score be, so that its weight is 0? `masked_fill` sets it.",
    ],
    praise="No query sees the padding, and each row still sums to 1.",
)

split_heads = Repair(
    broken=lambda x, heads: x.reshape(len(x), heads, x.shape[1], -1),
    symptom="In the picture the first head holds only the first three tokens, in pieces.",
    right=lambda x, heads: x.unflatten(-1, (heads, -1)).transpose(1, 2),
    cases=lambda: [(_normal(1, 2, 5, 12), 3), (_normal(2, 1, 4, 8), 4)],
    mistakes=[
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


largest_weight = Predict(
    right="nearly 1",
    choices=("about 1/16", "about a quarter", "nearly 1"),
    mistakes=[
        Mistake(
            "about 1/16",
            "that would be equal shares, for scores that are all alike. These have the standard "
            "deviation 32.",
        ),
        Mistake(
            "about a quarter",
            "that is with the division, when scores have variance 1. Here it is 1,024.",
        ),
    ],
    hints=[
        "How large is the variance of a score? And its standard deviation, the root of that?",
        "A score that is ahead by 10 gets e to the 10 times the weight: 22,000 times.",
    ],
    praise="Scores of standard deviation 32 lie far apart, and the softmax turns distance into "
    "factors of e.",
)

map_growth = Predict(
    right=16,
    mistakes=[
        Mistake(2, "that is the side. A map has a row and a column for each pixel."),
        Mistake(4, "that is the number of tokens. The map has its square."),
        Mistake(8, "tokens grow by 4, and the map has a row and a column for each: 4 times 4."),
    ],
    hints=[
        "How many times as many tokens are there?",
        "And how many numbers has a map of that many rows and columns?",
    ],
    praise="The tokens grow with the square of the side, the map with the square of the tokens.",
)


def _on_itself(frequencies):
    """The mean weight that each of 32 positions gives to itself."""
    found = torch.as_tensor(frequencies, dtype=torch.float32).flatten()
    if len(found) != 4:
        raise ValueError(f"choose four frequencies; these are {len(found)}.")
    angle = torch.arange(32)[:, None] * found
    positions = torch.cat([angle.cos(), angle.sin()], dim=1)
    maps = (8 * positions @ positions.T / 8**0.5).softmax(-1)
    return maps.diagonal().mean().item()


waves = Explore(
    score=_on_itself,
    board={
        "period 10,000": 0.3066,
        "period 100": 0.6570,
        "2 pi / 32 times 1, 2, 4 and 8": 0.9580,
        "the best of 20,000 random ones": 0.9963,
    },
    hints=[
        "Two positions are confused where all four waves nearly agree.",
        "Slow waves hardly change from one position to the next; what do fast ones lack?",
    ],
    praise="Every token knows where it stands.",
)
