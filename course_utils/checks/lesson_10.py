"""The exercises of lesson 10, CLIP."""

from collections import Counter

import torch
from torch.nn.functional import cross_entropy, normalize

from course_utils.built.clip import contrastive_loss
from course_utils.built.tokenizer import merge_pair
from course_utils.checks.exercise import Exercise, Mistake

_WORDS = [
    {("l", "o", "w"): 5, ("l", "o", "w", "e", "r"): 2, ("n", "e", "w"): 6},
    {("b", "e", "e"): 3, ("s", "e", "e", "n"): 4, ("a", "n"): 6},
    {("t", "h", "e"): 9, ("s", "h", "o", "p"): 1, ("s", "h", "i", "p"): 1},
]


def _pairs(weight=lambda count: count, between=False):
    """The most frequent pair where a word counts `weight(count)`; between: across words too."""

    def answer(words):
        pairs = Counter()
        before = None
        for symbols, count in words.items():
            if between and before is not None:
                pairs[before, symbols[0]] += 100 * count
            for pair in zip(symbols, symbols[1:], strict=False):
                pairs[pair] += weight(count)
            before = symbols[-1]
        return min(pairs, key=lambda pair: (-pairs[pair], pair))

    return answer


def _as_text(answer, *case):
    """Symbols as one text: a tuple and a list of them are the same answer."""
    found = answer(*case)
    return found if found is None or found is ... else " ".join(found)


most_frequent_pair = Exercise(
    right=_pairs(),
    cases=lambda: [(words,) for words in _WORDS],
    outcome=_as_text,
    mistakes=[
        Mistake(
            _pairs(lambda count: 1),
            "you count each word once. A word that occurs 9 times counts 9 times.",
        ),
        Mistake(
            lambda words: min(
                (pair for symbols in words for pair in zip(symbols, symbols[1:], strict=False)),
                key=lambda pair: (_count(words, pair), pair),
            ),
            "this is the rarest pair. The most frequent one saves most.",
        ),
        Mistake(
            _pairs(between=True),
            "you pair the end of one word with the start of the next. Merges stay within words.",
        ),
    ],
    hints=[
        "zip(symbols, symbols[1:]) gives the pairs of one word.",
        "A Counter adds up: pairs[pair] += count, for each pair of each word.",
        "min(pairs, key=lambda pair: (-pairs[pair], pair)) also settles ties.",
    ],
    praise="Called again and again, it is the whole of byte-pair learning.",
)


def _count(words, wanted):
    pairs = (
        (pair, count)
        for symbols, count in words.items()
        for pair in zip(symbols, symbols[1:], strict=False)
    )
    return sum(count for pair, count in pairs if pair == wanted)


def _merge_first_only(symbols, pair):
    for i in range(len(symbols) - 1):
        if tuple(symbols[i : i + 2]) == pair:
            return (*symbols[:i], "".join(pair), *symbols[i + 2 :])
    return tuple(symbols)


def _merge_overlapping(symbols, pair):
    """Looks at each place, also inside the pair that was just joined."""
    joined = []
    for i, symbol in enumerate(symbols):
        together = tuple(symbols[i : i + 2]) == pair
        joined.append("".join(pair) if together else symbol)
    return tuple(joined)


def _merge_from_the_right(symbols, pair):
    turned = merge_pair(symbols[::-1], pair[::-1])
    swapped = "".join(pair[::-1])
    return tuple("".join(pair) if symbol == swapped else symbol for symbol in turned[::-1])


merge = Exercise(
    right=merge_pair,
    cases=lambda: [
        (("l", "o", "w", "l", "o"), ("l", "o")),
        (("a", "a", "a", "b"), ("a", "a")),
        (("x", "y"), ("y", "x")),
        (("lo", "w", "lo", "w</w>"), ("lo", "w</w>")),
    ],
    outcome=_as_text,
    mistakes=[
        Mistake(_merge_first_only, "only the first occurrence is joined. Go on after it."),
        Mistake(
            _merge_overlapping,
            "a symbol that was joined is used again. After a join, go on two places further.",
        ),
        Mistake(
            _merge_from_the_right,
            "you go from the right: `a a a` becomes `aa a`, not `a aa`.",
        ),
    ],
    hints=[
        "Walk with an index i that you raise yourself: by 2 after a join, else by 1.",
        "At i, compare tuple(symbols[i : i + 2]) with the pair.",
        "Append ''.join(symbols[i : i + 2]) or symbols[i] to a list.",
    ],
    praise="Left to right, and nothing is used twice.",
)


first_end = Exercise(
    right=lambda ids, end: (ids == end).int().argmax(dim=1),
    cases=lambda: [
        (torch.tensor([[8, 3, 9, 9, 9], [8, 9, 0, 0, 0], [8, 1, 2, 3, 9]]), 9),
        (torch.tensor([[5, 1, 1, 6], [5, 6, 6, 6]]), 6),
    ],
    mistakes=[
        Mistake(
            lambda ids, end: ids.shape[1] - 1 - (ids.flip(1) == end).int().argmax(dim=1),
            "this is the last one. Where the end token is the padding too, the first one counts.",
        ),
        Mistake(
            lambda ids, end: torch.full((len(ids),), ids.shape[1] - 1),
            "this is the end of the row. There stands padding, in most rows.",
        ),
        Mistake(
            lambda ids, end: (ids == end).int().argmax(dim=0)[: len(ids)],
            "you look down the columns. Each row has its own end: dim=1.",
        ),
        Mistake(
            lambda ids, end: (ids == end).int().argmax(dim=1) - 1,
            "this is the place before it. The end token itself has seen all words.",
        ),
    ],
    hints=[
        "ids == end is True where an end token stands.",
        "argmax gives the first of equal largest values. It does not take booleans: .int() first.",
        "(ids == end).int().argmax(dim=1)",
    ],
    praise="It holds for both ways of padding.",
)


def _units(n, width, seed):
    generator = torch.Generator().manual_seed(seed)
    return [normalize(torch.randn(n, width, generator=generator), dim=1) for _ in range(2)]


def _one_way(images, texts, scale):
    return cross_entropy(scale * images @ texts.T, torch.arange(len(images)))


pull_and_push = Exercise(
    right=contrastive_loss,
    cases=lambda: [(*_units(6, 4, 1), 14.0), (*_units(3, 8, 2), 2.0)],
    mistakes=[
        Mistake(
            _one_way,
            "this is the half in which pictures choose their texts. Texts choose too.",
        ),
        Mistake(
            lambda images, texts, scale: _one_way(texts, images, scale),
            "this is the half in which texts choose their pictures. Pictures choose too.",
        ),
        Mistake(
            lambda images, texts, scale: contrastive_loss(images, texts, 1.0),
            "the cosines must be multiplied by scale, or the choice is never sharp.",
        ),
        Mistake(
            lambda images, texts, scale: contrastive_loss(images, texts, 1 / scale),
            "you divide by scale. It is one over the temperature: multiply.",
        ),
        Mistake(
            lambda images, texts, scale: 2 * contrastive_loss(images, texts, scale),
            "you add the two halves. CLIP takes their mean.",
        ),
        Mistake(
            lambda images, texts, scale: -(images * texts).sum(dim=1).mean(),
            "this pulls together what belongs together, and pushes nothing apart: all vectors "
            "could become one.",
        ),
    ],
    hints=[
        "scale * images @ texts.T is N x N; row i holds picture i against all texts.",
        "The right column of row i is i: cross_entropy(similarity, torch.arange(N)).",
        "The other half is the same with similarity.T. Take the mean of both.",
    ],
    praise="Pulled together on the diagonal, pushed apart everywhere else.",
)


ensemble = Exercise(
    right=lambda codes: normalize(codes.mean(dim=0), dim=0),
    cases=lambda: [(_units(5, 3, 3)[0],), (_units(2, 6, 4)[1],)],
    mistakes=[
        Mistake(
            lambda codes: codes.mean(dim=0),
            "the mean of directions is shorter than 1. Bring it back to length 1.",
        ),
        Mistake(
            lambda codes: codes.mean(dim=1),
            "you average over the numbers. Average over the N prompts: dim=0.",
        ),
        Mistake(
            lambda codes: codes.mean(dim=0) / codes.mean(dim=0).sum(),
            "you divide by the sum. The length is the root of the sum of squares.",
        ),
    ],
    hints=[
        "Average the rows: codes.mean(dim=0).",
        "Divide by the length, or use torch.nn.functional.normalize with dim=0.",
    ],
    praise="CLIP's authors gained several points on ImageNet with 80 prompts in the place of one.",
)
