"""The exercises of lesson 10, CLIP."""

from collections import Counter
from itertools import combinations

import torch
from torch.nn.functional import cross_entropy, normalize

from course_utils.built.clip import contrastive_loss
from course_utils.built.tokenizer import merge_pair
from course_utils.checks.engine import Mistake, NotYet, Write, with_gradient

_WORDS = [
    {("l", "o", "w"): 5, ("l", "o", "w", "e", "r"): 2, ("n", "e", "w"): 6},
    {("b", "e", "e"): 3, ("s", "e", "e", "n"): 4, ("a", "n"): 6},
    {("t", "h", "e"): 9, ("s", "h", "o", "p"): 1, ("s", "h", "i", "p"): 1},
    {("a", "n", "a", "n", "a"): 2, ("t", "o"): 3},
    {("s", "o"): 4, ("s", "e", "t"): 3},
]


def _neighbours(symbols):
    return zip(symbols, symbols[1:], strict=False)


def _all(words, weight=lambda count: count, neighbours=_neighbours):
    """How often each pair occurs where a word counts `weight(count)` times."""
    pairs = Counter()
    for symbols, count in words.items():
        for pair in neighbours(symbols):
            pairs[pair] += weight(count)
    return pairs


def _first(pairs):
    return min(pairs, key=lambda pair: (-pairs[pair], pair))


def _pairs(**how):
    return lambda words: _first(_all(words, **how))


def _across_words(words):
    """The words one behind the other, each as often as it occurs."""
    return _first(Counter(_neighbours([s for word, n in words.items() for s in word * n])))


def _as_text(answer, *case):
    """Symbols as one text: a tuple and a list of them are the same answer."""
    found = answer(*case)
    if found is None or found is ...:
        return found
    if not isinstance(found, (tuple, list)) or not all(isinstance(part, str) for part in found):
        raise NotYet(f"the symbols are wanted as a tuple or list of texts; yours is {found!r:.60}.")
    return " | ".join(found)


most_frequent_pair = Write(
    right=_pairs(),
    cases=lambda: [(words,) for words in _WORDS],
    outcome=_as_text,
    mistakes=[
        Mistake(
            _pairs(weight=lambda count: 1),
            "you count each word once. A word that occurs 9 times counts 9 times.",
        ),
        Mistake(
            lambda words: min(_all(words), key=lambda pair: (_all(words)[pair], pair)),
            "this is the rarest pair. The most frequent one saves most.",
        ),
        Mistake(
            _across_words,
            "you pair the end of one word with the start of the next. Merges stay within words.",
        ),
        Mistake(
            lambda words: max(_all(words), key=_all(words).get),
            "of equally frequent pairs you return another than the first in the alphabet.",
        ),
        Mistake(
            lambda words: max(_all(words), key=lambda pair: (_all(words)[pair], pair)),
            "of equally frequent pairs you return the last in the alphabet. The first is "
            "asked for.",
        ),
        Mistake(
            _pairs(neighbours=lambda symbols: combinations(symbols, 2)),
            "you pair each symbol with all that follow. Only neighbours can be merged.",
        ),
        Mistake(
            _pairs(neighbours=lambda symbols: set(_neighbours(symbols))),
            "a pair that occurs twice in a word counts twice: no set.",
        ),
        Mistake(
            _pairs(neighbours=lambda symbols: [(symbol,) for symbol in symbols]),
            "this is the most frequent symbol. A pair of neighbours is asked for.",
        ),
    ],
    hints=[
        "zip(symbols, symbols[1:]) gives the pairs of one word.",
        "A Counter adds up: pairs[pair] += count, for each pair of each word.",
        "min(pairs, key=lambda pair: (-pairs[pair], pair)) also settles ties.",
    ],
    praise="Called again and again, it is the whole of byte-pair learning.",
)


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


def _in_pairs(symbols, pair):
    joined = []
    for i in range(0, len(symbols), 2):
        joined += merge_pair(symbols[i : i + 2], pair)
    return joined


def _without_the_last(symbols, pair):
    joined = merge_pair(symbols, pair)
    return joined[:-1] if joined[-1] == symbols[-1] else joined


merge = Write(
    right=merge_pair,
    cases=lambda: [
        (("l", "o", "w", "l", "o"), ("l", "o")),
        (("a", "a", "a", "b"), ("a", "a")),
        (("x", "y"), ("y", "x")),
        (("lo", "w", "lo", "w</w>"), ("lo", "w</w>")),
        (("s", "e", "e", "n", "e", "e"), ("e", "e")),
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
        Mistake(
            _in_pairs,
            "you look at places 0 and 1, then at 2 and 3. A pair may begin anywhere: go on by"
            " one where nothing was joined.",
        ),
        Mistake(
            _without_the_last,
            "the last symbol is lost where no join ends there.",
        ),
        Mistake(
            lambda symbols, pair: merge_pair(merge_pair(symbols, pair), pair[::-1]),
            "you also join the pair turned round. Its order counts.",
        ),
        Mistake(
            lambda symbols, pair: [symbol for symbol in symbols if symbol not in pair],
            "you take the pair out. It should be there, as one symbol.",
        ),
        Mistake(
            lambda symbols, pair: ["".join(pair)],
            "this is the pair alone. The other symbols stay.",
        ),
        Mistake(
            lambda symbols, pair: list("".join(symbols)),
            "these are single letters: keep what was joined before.",
        ),
        Mistake(
            lambda symbols, pair: [
                " ".join(pair) if s == "".join(pair) else s for s in merge_pair(symbols, pair)
            ],
            "there is a space between the two. Joined, they are one symbol: pair[0] + pair[1].",
        ),
    ],
    hints=[
        "Walk with an index i that you raise yourself: by 2 after a join, else by 1.",
        "At i, compare tuple(symbols[i : i + 2]) with the pair.",
        "Append ''.join(symbols[i : i + 2]) or symbols[i] to a list.",
    ],
    praise="Left to right, and nothing is used twice.",
)


first_end = Write(
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
        Mistake(
            lambda ids, end: (ids == end).sum(dim=1),
            "this is how many end tokens there are. Where is the first?",
        ),
        Mistake(
            lambda ids, end: (ids != end).sum(dim=1),
            "you count what is not the end token. That is its place only where the padding is"
            " end tokens, too.",
        ),
        Mistake(
            lambda ids, end: (ids == end).nonzero()[:, 1],
            "these are the places of all end tokens. One for each row: the first.",
        ),
        Mistake(
            lambda ids, end: (ids == end).int(),
            "this says where end tokens stand, with 1 and 0. The place of the first 1 is "
            "asked for: argmax.",
        ),
        Mistake(
            lambda ids, end: (ids == end).argmax(dim=1),
            "argmax does not take booleans: make numbers of them first, with .int().",
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


def _chosen(images, texts, scale, right, softmax=False):
    """The loss with other right columns, or with a softmax too many."""
    similarity = scale * images @ texts.T
    ways = [way.softmax(1) if softmax else way for way in (similarity, similarity.T)]
    return sum(cross_entropy(way, right) for way in ways) / 2


pull_and_push = Write(
    right=contrastive_loss,
    outcome=with_gradient,
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
        Mistake(
            lambda images, texts, scale: len(images) * contrastive_loss(images, texts, scale),
            "you add up the choices. Take their mean over the batch.",
        ),
        Mistake(
            lambda images, texts, scale: scale * images @ texts.T,
            "these are the similarities. The loss says how badly they choose: a cross-entropy.",
        ),
        Mistake(
            lambda images, texts, scale: scale * contrastive_loss(images, texts, 1.0),
            "you multiply the loss by scale. It belongs to the cosines, inside.",
        ),
        Mistake(
            lambda images, texts, scale: _chosen(
                images, texts, scale, 0 * torch.arange(len(images))
            ),
            "the right column of row i is i. With 0 all pictures should choose the first text.",
        ),
        Mistake(
            lambda images, texts, scale: _chosen(
                images, texts, scale, torch.arange(len(images)), True
            ),
            "cross_entropy takes a softmax itself: give it the similarities as they are.",
        ),
    ],
    hints=[
        "scale * images @ texts.T is N x N; row i holds picture i against all texts.",
        "The right column of row i is i: cross_entropy(similarity, torch.arange(N)).",
        "The other half is the same with similarity.T. Take the mean of both.",
    ],
    praise="Pulled together on the diagonal, pushed apart everywhere else.",
)


ensemble = Write(
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
        Mistake(
            lambda codes: codes.sum(dim=0),
            "this is the sum, whose length is not 1. Bring it to length 1.",
        ),
        Mistake(
            lambda codes: codes.mean(dim=0) / codes.mean(dim=0).square().sum(),
            "you divide by the square of the length. A root is missing.",
        ),
        Mistake(
            lambda codes: normalize(codes, dim=0).mean(dim=0),
            "you normalised the columns, and before the mean. Normalise the mean.",
        ),
        Mistake(
            lambda codes: codes.mean(dim=0) / codes.mean(dim=0).abs().max(),
            "the largest number is 1 now. It is the length that should be 1.",
        ),
        Mistake(
            lambda codes: codes.mean(dim=0) / codes.mean(dim=0).abs().sum(),
            "you divide by the sum of the absolute values. The length is the root of the sum "
            "of squares.",
        ),
        Mistake(
            lambda codes: codes.mean(dim=0) / codes.mean(dim=0).std(),
            "you divide by the standard deviation. The length is the root of the sum of squares.",
        ),
    ],
    hints=[
        "Average the rows: codes.mean(dim=0).",
        "Divide by the length, or use torch.nn.functional.normalize with dim=0.",
    ],
    praise="CLIP's authors gained several points on ImageNet with 80 prompts in the place of one.",
)
