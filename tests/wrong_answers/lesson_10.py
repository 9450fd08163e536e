"""Lesson 10: what learners answer, wrong ones with a word that they should read in the reply."""

import itertools
import math
from collections import Counter, defaultdict

import torch
from torch.nn.functional import cross_entropy

WRONG = {
    "guessing_128": [(None, 4.7)],
    "padding_seen": [("choose one of", "yes")],
    "most_frequent_pair": [
        (None, lambda words: next(iter(_counted(words)))),
        (None, lambda words: tuple(sorted(_best(_counted(words)), reverse=True))),
        (
            "the symbols are wanted as a tuple or list",
            lambda words: _counted(words).most_common(1)[0],
        ),
        (None, lambda words: "".join(_best(_counted(words)))),
    ],
    "pull_and_push": [
        (
            None,
            lambda images, texts, scale: cross_entropy(
                scale * images @ texts.T, torch.zeros(len(images)).long()
            ),
        ),
        ("learn", lambda images, texts, scale: _clip(images, texts, scale).item()),
        ("learn", lambda images, texts, scale: _clip(images.detach(), texts.detach(), scale)),
        (None, lambda images, texts, scale: _sigmoid_loss(images, texts, scale)),
    ],
}


def _counted(words, weight=lambda count: count):
    pairs = Counter()
    for symbols, count in words.items():
        for pair in itertools.pairwise(symbols):
            pairs[pair] += weight(count)
    return pairs


def _best(pairs):
    return min(pairs, key=lambda pair: (-pairs[pair], pair))


def _choose(a, b, scale):
    return cross_entropy(scale * a @ b.T, torch.arange(len(a)))


def _clip(images, texts, scale):
    return (_choose(images, texts, scale) + _choose(texts, images, scale)) / 2


def _sigmoid_loss(images, texts, scale):
    """SigLIP's loss: yes or no for each pair."""
    sign = 2 * torch.eye(len(images)) - 1
    return -torch.nn.functional.logsigmoid(sign * scale * (images @ texts.T)).sum() / len(images)


def _with_defaultdict(words):
    pairs = defaultdict(int)
    for word in words:
        for i in range(len(word) - 1):
            pairs[word[i : i + 2]] += words[word]
    return list(sorted(sorted(pairs), key=pairs.get, reverse=True)[0])


def _by_log_softmax(images, texts, scale):
    similarity = scale * torch.einsum("nd,md->nm", images.double(), texts.double())
    rows, columns = similarity.log_softmax(1).diagonal(), similarity.log_softmax(0).diagonal()
    return -torch.cat([rows, columns]).mean()


def _by_sums(images, texts, scale):
    loss = 0.0
    for i in range(len(images)):
        row = torch.stack([scale * (images[i] * t).sum() for t in texts])
        column = torch.stack([scale * (x * texts[i]).sum() for x in images])
        loss = loss + row.logsumexp(0) - row[i] + column.logsumexp(0) - column[i]
    return loss / (2 * len(images))


RIGHT = {
    "guessing_128": [4.85, lambda: 7 * math.log(2)],
    "padding_seen": ["the same", "The same "],
    "twenty_merges": [[("i", "n"), ("in", "g</w>")]],
    "most_frequent_pair": [
        _with_defaultdict,
        lambda words: max(sorted(_counted(words)), key=_counted(words).get),
    ],
    "first_end": [
        lambda ids, end: torch.tensor([row.index(end) for row in ids.tolist()]),
        lambda ids, end: [row.index(end) for row in ids.tolist()],
        lambda ids, end: ((ids == end).cumsum(1) == 0).sum(1).float(),
    ],
    "pull_and_push": [_by_log_softmax, _by_sums],
}
