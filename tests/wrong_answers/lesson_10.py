"""Lesson 10: what learners answer, wrong ones with a word that they should read in the reply."""

import itertools
from collections import Counter, defaultdict

import torch
from torch.nn.functional import cross_entropy, normalize

WRONG = {
    "most_frequent_pair": [
        ("count each word once", lambda words: _best(_counted(words, lambda count: 1))),
        (
            "rarest",
            lambda words: min(_counted(words), key=lambda pair: (_counted(words)[pair], pair)),
        ),
        ("within words", lambda words: _best(_counted_across(words))),
        ("alphabet", lambda words: _counted(words).most_common(1)[0][0]),
        (
            "alphabet",
            lambda words: max(_counted(words), key=lambda pair: (_counted(words)[pair], pair)),
        ),
        (None, lambda words: next(iter(_counted(words)))),
        ("this is the most frequent symbol", lambda words: _best(_letters(words))),
        ("you pair each symbol with all that follow", lambda words: _best(_all_pairs(words))),
        (None, lambda words: tuple(sorted(_best(_counted(words)), reverse=True))),
        (
            "the symbols are wanted as a tuple or list",
            lambda words: _counted(words).most_common(1)[0],
        ),
        (None, lambda words: "".join(_best(_counted(words)))),
        (
            "a pair that occurs twice in a word counts",
            lambda words: _best(_counted_once_a_word(words)),
        ),
        ("`words` makes no difference here", lambda words: ("n", "e")),
        ("in place", lambda words: _emptied(words)),
    ],
    "merge": [
        ("first occurrence", lambda symbols, pair: _merge(symbols, pair, times=1)),
        ("used again", lambda symbols, pair: _overlapping(symbols, pair)),
        ("from the right", lambda symbols, pair: _from_the_right(symbols, pair)),
        ("nothing", lambda symbols, pair: symbols),
        (
            None,
            lambda symbols, pair: "".join(symbols).replace(
                "".join(pair), " " + "".join(pair) + " "
            ),
        ),
        ("you look at places 0 and 1", lambda symbols, pair: _in_pairs(symbols, pair)),
        ("last symbol", lambda symbols, pair: _without_the_last(symbols, pair)),
        (
            "you also join the pair turned round",
            lambda symbols, pair: _merge(_merge(symbols, pair), pair[::-1]),
        ),
        (
            "this is `symbols` itself",
            lambda symbols, pair: [
                part
                for s in _merge(symbols, pair)
                for part in ([*pair] if s == "".join(pair) else [s])
            ],
        ),
        ("space", lambda symbols, pair: _merge(symbols, pair, between=" ")),
        ("you take the pair out", lambda symbols, pair: [s for s in symbols if s not in pair]),
        ("pair alone", lambda symbols, pair: ["".join(pair)]),
        ("letters", lambda symbols, pair: list("".join(_merge(symbols, pair)))),
    ],
    "first_end": [
        (
            "this is the last",
            lambda ids, end: torch.stack([(row == end).nonzero().max() for row in ids]),
        ),
        ("end of the row", lambda ids, end: torch.tensor([ids.shape[1] - 1] * len(ids))),
        ("down the columns", lambda ids, end: (ids == end).int().argmax(dim=0)[: len(ids)]),
        ("place before", lambda ids, end: (ids == end).int().argmax(dim=1) - 1),
        ("this is too large by 1", lambda ids, end: (ids == end).int().argmax(dim=1) + 1),
        ("`end` makes no difference here", lambda ids, end: ids.argmin(dim=1)),
        ("how many", lambda ids, end: (ids == end).sum(dim=1)),
        ("you count what is not the end token", lambda ids, end: (ids != end).sum(dim=1)),
        ("these are the places of all end tokens", lambda ids, end: (ids == end).nonzero()[:, 1]),
        (
            "only the first part of the result is there",
            lambda ids, end: (ids == end).int().argmax(),
        ),
        ("argmax does not take booleans", lambda ids, end: (ids == end).argmax(dim=1)),
        ("`end` makes no difference here", lambda ids, end: (ids == 0).int().argmax(dim=1)),
        ("this says where end tokens stand", lambda ids, end: (ids == end).int()),
        ("not used", lambda ids, end: (ids == 9).int().argmax(dim=1)),
        ("too many", lambda ids, end: (ids == end).int().argmax(dim=1, keepdim=True)),
    ],
    "pull_and_push": [
        ("pictures choose their texts", lambda images, texts, scale: _choose(images, texts, scale)),
        ("texts choose their pictures", lambda images, texts, scale: _choose(texts, images, scale)),
        ("multiplied by scale", lambda images, texts, scale: _clip(images, texts, 1.0)),
        ("you divide by scale", lambda images, texts, scale: _clip(images, texts, 1 / scale)),
        (
            "their mean",
            lambda images, texts, scale: (
                _choose(images, texts, scale) + _choose(texts, images, scale)
            ),
        ),
        (
            "pushes nothing",
            lambda images, texts, scale: -torch.einsum("nd,nd->", images, texts) / len(images),
        ),
        (
            "e to the power of `scale` in the place of",
            lambda images, texts, scale: _clip(images, texts, torch.tensor(scale).exp()),
        ),
        ("-`images` in the place of", lambda images, texts, scale: _clip(images, -texts, scale)),
        ("sign", lambda images, texts, scale: -_clip(images, texts, scale)),
        (
            "this is the half in which pictures choose",
            lambda images, texts, scale: (
                (_choose(images, texts, scale) + _choose(images, texts, scale)) / 2
            ),
        ),
        (
            "you add up the choices",
            lambda images, texts, scale: _clip(images, texts, scale) * len(images),
        ),
        ("similarit", lambda images, texts, scale: scale * images @ texts.T),
        (
            None,
            lambda images, texts, scale: cross_entropy(
                scale * images @ texts.T, torch.zeros(len(images)).long()
            ),
        ),
        ("softmax", lambda images, texts, scale: _softmax_twice(images, texts, scale)),
        ("learn", lambda images, texts, scale: _clip(images, texts, scale).item()),
        ("learn", lambda images, texts, scale: _clip(images.detach(), texts.detach(), scale)),
        (
            "you multiply the loss by scale",
            lambda images, texts, scale: scale * _clip(images, texts, 1.0),
        ),
        (None, lambda images, texts, scale: _sigmoid_loss(images, texts, scale)),
    ],
    "ensemble": [
        ("shorter than 1", lambda codes: codes.sum(0) / len(codes)),
        ("over the N", lambda codes: codes.mean(1)),
        ("divide by the sum", lambda codes: codes.mean(0) / codes.mean(0).sum()),
        ("this is the sum", lambda codes: codes.sum(0)),
        (
            "`codes`, its last two dimensions exchanged, in the place of",
            lambda codes: normalize(codes.mean(1), dim=0),
        ),
        ("this is `codes` itself", lambda codes: normalize(codes, dim=1)),
        ("first", lambda codes: codes[0]),
        ("square", lambda codes: codes.mean(0) / codes.mean(0).square().sum()),
        ("you normalised the columns", lambda codes: normalize(codes, dim=0).mean(0)),
        ("largest", lambda codes: codes.mean(0) / codes.mean(0).abs().max()),
        ("absolute", lambda codes: codes.mean(0) / codes.mean(0).abs().sum()),
        ("too many", lambda codes: normalize(codes.mean(0, keepdim=True), dim=1)),
        (None, lambda codes: codes.mean()),
        ("deviation", lambda codes: codes.mean(0) / codes.mean(0).std()),
        (None, lambda codes: normalize(codes.median(0).values, dim=0)),
        (None, lambda codes: codes.mean(0).softmax(0)),
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


def _counted_across(words):
    return Counter(itertools.pairwise([s for word, n in words.items() for s in word * n]))


def _letters(words):
    letters = Counter()
    for symbols, count in words.items():
        for symbol in symbols:
            letters[symbol,] += count
    return letters


def _all_pairs(words):
    pairs = Counter()
    for symbols, count in words.items():
        for pair in itertools.combinations(symbols, 2):
            pairs[pair] += count
    return pairs


def _counted_once_a_word(words):
    pairs = Counter()
    for symbols, count in words.items():
        for pair in set(itertools.pairwise(symbols)):
            pairs[pair] += count
    return pairs


def _emptied(words):
    pairs = Counter()
    while words:
        symbols, count = words.popitem()
        for pair in itertools.pairwise(symbols):
            pairs[pair] += count
    return _best(pairs)


def _merge(symbols, pair, times=100, between=""):
    joined, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == tuple(pair) and times:
            joined.append(between.join(pair))
            i, times = i + 2, times - 1
        else:
            joined.append(symbols[i])
            i += 1
    return joined


def _overlapping(symbols, pair):
    pairs = zip(symbols, [*symbols[1:], None], strict=True)
    return ["".join(pair) if both == pair else both[0] for both in pairs]


def _from_the_right(symbols, pair):
    joined, i = [], len(symbols)
    while i > 0:
        together = i > 1 and tuple(symbols[i - 2 : i]) == pair
        joined.insert(0, "".join(pair) if together else symbols[i - 1])
        i -= 2 if together else 1
    return joined


def _in_pairs(symbols, pair):
    """Looks at places 0 and 1, 2 and 3, ... alone."""
    joined = []
    for i in range(0, len(symbols), 2):
        together = tuple(symbols[i : i + 2]) == pair
        joined += ["".join(pair)] if together else symbols[i : i + 2]
    return joined


def _without_the_last(symbols, pair):
    joined, i = [], 0
    while i < len(symbols) - 1:
        together = tuple(symbols[i : i + 2]) == pair
        joined.append("".join(pair) if together else symbols[i])
        i += 2 if together else 1
    return joined


def _choose(a, b, scale):
    return cross_entropy(scale * a @ b.T, torch.arange(len(a)))


def _clip(images, texts, scale):
    return (_choose(images, texts, scale) + _choose(texts, images, scale)) / 2


def _softmax_twice(images, texts, scale):
    similarity, right = scale * images @ texts.T, torch.arange(len(images))
    return (
        cross_entropy(similarity.softmax(1), right) + cross_entropy(similarity.T.softmax(1), right)
    ) / 2


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


def _with_a_stack(symbols, pair):
    joined, free = [], False
    for symbol in symbols:
        if free and (joined[-1], symbol) == tuple(pair):
            joined[-1] += symbol
            free = False
        else:
            joined.append(symbol)
            free = True
    return tuple(joined)


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
    "most_frequent_pair": [
        _with_defaultdict,
        lambda words: max(sorted(_counted(words)), key=_counted(words).get),
    ],
    "merge": [_with_a_stack, _merge],
    "first_end": [
        lambda ids, end: torch.tensor([row.index(end) for row in ids.tolist()]),
        lambda ids, end: [row.index(end) for row in ids.tolist()],
        lambda ids, end: ((ids == end).cumsum(1) == 0).sum(1).float(),
    ],
    "pull_and_push": [_by_log_softmax, _by_sums],
    "ensemble": [
        lambda codes: codes.double().sum(0) / codes.double().sum(0).norm(),
        lambda codes: torch.einsum("nd->d", codes) / torch.einsum("nd,md->", codes, codes).sqrt(),
    ],
}
