"""The exercises of lesson 10, CLIP."""

from collections import Counter
from functools import cache
from itertools import combinations

import torch
from torch.nn.functional import cross_entropy, normalize

from course_utils.built.clip import contrastive_loss
from course_utils.built.tokenizer import (
    apply_merges,
    clean_text,
    split_words,
    word_symbols,
)
from course_utils.checks.engine import (
    Explore,
    Mistake,
    NotYet,
    Predict,
    Repair,
    Write,
    with_gradient,
)
from course_utils.data import datasets, sprites

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
        "`min` or `max` with a `key`; a key that is a tuple also settles ties.",
    ],
    praise="Called again and again, it is the whole of byte-pair learning.",
)


first_end = Repair(
    broken=lambda ids, end: (ids != end).sum(dim=1),
    symptom="In the picture the mark is right where the padding is end tokens. Where it is zeros, "
    "the mark falls off the text's end.",
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


guessing_128 = Predict(
    right=4.852,
    tolerance=0.011,
    mistakes=[
        Mistake(1 / 128, "that is the chance to guess right. The loss is minus its logarithm."),
        Mistake(7.0, "that is the logarithm to base 2. The loss takes the natural one."),
        Mistake(9.704, "both halves cost that much, and the loss is their mean, not their sum."),
    ],
    hints=[
        "Who knows nothing gives each of the 128 captions the same probability.",
        "The cross-entropy is minus the natural logarithm of what the right one gets.",
    ],
    praise="The loss of whoever knows nothing, log N: every training should begin near it.",
)

padding_seen = Predict(
    right="the same",
    choices=("the same", "different"),
    mistakes=[
        Mistake(
            "different",
            "look at the mask again: which tokens can the end token see? Padding is not before it.",
        ),
        Mistake("other", "choose one of 'the same', 'different'."),
    ],
    hints=[
        "Where does the padding stand: before the end token, or after it?",
        "The mask is causal.",
    ],
    praise="The mask is causal, and padding comes after the end token, which never sees it.",
)


@cache
def _words():
    """How often each word occurs in the training captions, and the number of captions."""
    seen = datasets.sprites("train")[2]
    texts = [sprites.caption(s, w) for s in seen for w in range(sprites.TEMPLATES)]
    return Counter(word for text in texts for word in split_words(clean_text(text))), len(texts)


def _tokens_a_caption(merges):
    """Tokens in a full training caption, on average, with at most 20 merges."""
    pairs = [tuple(pair) for pair in merges]
    if not 0 < len(pairs) <= 20 or not all(len(pair) == 2 for pair in pairs):
        raise ValueError("give 1 to 20 merges, each a pair of symbols.")
    ranks = {pair: rank for rank, pair in reversed([*enumerate(pairs)])}
    words, texts = _words()
    return sum(len(apply_merges(word_symbols(w), ranks)) * n for w, n in words.items()) / texts


twenty_merges = Explore(
    score=_tokens_a_caption,
    board={
        "plain bytes": 39.17,
        "the first 5 merges": 35.22,
        "the first 10 merges": 32.63,
        "the first 20 merges": 28.41,
    },
    higher=False,
    unit=" tokens",
    hints=[
        "A merge can build on others: i n, then in g</w>, then fac ing</w>.",
        "Byte-pair encoding is greedy. Which steps on the way to one long, frequent word pay only "
        "at its end?",
    ],
    praise="Shorter captions, and fewer steps for every layer that reads them.",
)
