"""Lesson 11: what learners answer, wrong ones with a word that they should read in the reply."""

import torch

WRONG = {
    "up_channels": [
        ("bottom of the pile", lambda widths, blocks: _up(widths, blocks, at=0)),
        (
            "changes of size",
            lambda widths, blocks: _up(widths, blocks, pile=_pile(widths, blocks, sizes=False)),
        ),
        (
            "first convolution",
            lambda widths, blocks: _up(widths, blocks, pile=_pile(widths, blocks, first=False)),
        ),
        ("level below", lambda widths, blocks: _up(widths, blocks, start="own")),
        ("blocks + 1", lambda widths, blocks: _up(widths, blocks, each=blocks)),
        ("reversed", lambda widths, blocks: _up(widths, blocks, order=list(widths))),
        ("these are the skips", lambda widths, blocks: _up(widths, blocks, both=False)),
        (None, lambda widths, blocks: _up(widths, blocks, skip=False)),
        (
            "the numbers are right; their shape should",
            lambda widths, blocks: _up(widths, blocks, list_of_lists=True),
        ),
        (None, lambda widths, blocks: [sum(_up(widths, blocks))]),
        ("order", lambda widths, blocks: _up(widths, blocks)[::-1]),
        ("this is the pile", lambda widths, blocks: _pile(widths, blocks)),
        (
            "you doubled the level's width",
            lambda widths, blocks: [2 * w for w in reversed(widths) for _ in range(blocks + 1)],
        ),
        (
            "keeps the channels",
            lambda widths, blocks: _up(widths, blocks, pile=_pile_of_next(widths, blocks)),
        ),
        ("`widths` makes no difference here", lambda widths, blocks: [192, 144, 96, 96]),
    ],
    "word_map": [
        (
            "heads are added",
            lambda maps, first, last: _square(maps[..., first : last + 1].sum((1, 3))),
        ),
        (
            "sum over the tokens",
            lambda maps, first, last: _square(maps[..., first : last + 1].mean((1, 3))),
        ),
        ("last token", lambda maps, first, last: _square(maps[..., first:last].sum(-1).mean(1))),
        ("rows and columns", lambda maps, first, last: _word(maps, first, last).mT),
        ("first head", lambda maps, first, last: _square(maps[:, 0, :, first : last + 1].sum(-1))),
        (
            "the numbers are right",
            lambda maps, first, last: maps[..., first : last + 1].sum(-1).mean(1),
        ),
        (
            "the mean over dimension 1 is missing",
            lambda maps, first, last: _square(maps[..., first : last + 1].sum(-1)),
        ),
        (
            "this is the token number first alone",
            lambda maps, first, last: _square(maps[..., first].mean(1)),
        ),
        (
            None,
            lambda maps, first, last: (
                _square(maps[..., [first, last]].sum(-1).mean(1))
                if first < last
                else _word(maps, 0, last)
            ),
        ),
        (
            "this is the token number last alone",
            lambda maps, first, last: _square(maps[..., last].mean(1)),
        ),
        (
            "`first` makes no difference here",
            lambda maps, first, last: _square(maps[..., : last + 1].sum(-1).mean(1)),
        ),
        ("batch", lambda maps, first, last: _word(maps, first, last).mean(0)),
        ("your tokens count from 1", lambda maps, first, last: _word(maps, first - 1, last - 1)),
        (
            "largest",
            lambda maps, first, last: _square(maps[..., first : last + 1].sum(-1).max(1).values),
        ),
        (
            "tokens",
            lambda maps, first, last: _square(maps[..., first : last + 1].max(-1).values.mean(1)),
        ),
        (
            "you stretched each map to its largest value",
            lambda maps, first, last: (
                _word(maps, first, last) / _word(maps, first, last).amax((1, 2), keepdim=True)
            ),
        ),
        ("batch", lambda maps, first, last: _square(maps[..., first : last + 1].sum(-1).mean(0))),
        (
            None,
            lambda maps, first, last: (
                maps[..., first : last + 1].sum(-1).mean(1).unflatten(1, (4, 4))
            ),
        ),
    ],
    "cross_parameters": [
        ("self-attention", lambda width, context_width: 4 * width * width + width),
        ("bias of the last", lambda width, context_width: 2 * width * (width + context_width)),
        (
            "gave one to all",
            lambda width, context_width: 2 * width * (width + context_width) + 4 * width,
        ),
        (
            "q reads the picture",
            lambda width, context_width: width**2 + 3 * width * context_width + width,
        ),
        ("last layer, which", lambda width, context_width: width**2 + 2 * width * context_width),
        ("k and v", lambda width, context_width: 2 * width**2 + 2 * context_width**2 + width),
        (
            "`context_width` / 2 in the place of",
            lambda width, context_width: 2 * width**2 + width * context_width + width,
        ),
        (
            "v reads the words as well",
            lambda width, context_width: 3 * width**2 + width * context_width + width,
        ),
        (
            "bias",
            lambda width, context_width: 2 * width**2 + 2 * width * context_width + context_width,
        ),
        (
            "exchanged",
            lambda width, context_width: (
                2 * context_width**2 + 2 * width * context_width + context_width
            ),
        ),
        (
            "times what it should be",
            lambda width, context_width: 8 * (2 * width * (width + context_width) + width),
        ),
        ("you add the sizes", lambda width, context_width: 4 * width + 2 * context_width),
        ("bias", lambda width, context_width: 2 * width * (width + context_width) + 1),
        (
            "last layer, which",
            lambda width, context_width: width**2 + 2 * width * context_width + width,
        ),
        (
            "`context_width` + 1 in the place of",
            lambda width, context_width: 2 * width * (width + context_width) + 3 * width,
        ),
        ("`width` makes no difference here", lambda width, context_width: 10800),
    ],
    "steer": [
        ("more than told", lambda unwanted, told, w: (1 + w) * told - w * unwanted),
        ("leaves no prediction", lambda unwanted, told, w: told - w * unwanted),
        ("what is not wanted", lambda unwanted, told, w: told + w * (unwanted - told)),
        ("direction alone", lambda unwanted, told, w: w * told - w * unwanted),
        ("weight of `unwanted` is not right", lambda unwanted, told, w: w * told - unwanted),
        ("`w`", lambda unwanted, told, w: unwanted - w * (told - unwanted)),
        ("nothing is done", lambda unwanted, told, w: told),
        ("`told`", lambda unwanted, told, w: unwanted + w * told),
        ("not used", lambda unwanted, told, w: unwanted + 7.5 * (told - unwanted)),
        (
            "this goes towards what is not wanted",
            lambda unwanted, told, w: told + w * (unwanted - told),
        ),
        ("1 / `w`", lambda unwanted, told, w: unwanted + (told - unwanted) / w),
        ("in place", lambda unwanted, told, w: unwanted.lerp_(told, w)),
        (
            "weight of `unwanted` is not right",
            lambda unwanted, told, w: w * told + (1 + w) * unwanted,
        ),
        ("`unwanted` makes no difference here", lambda unwanted, told, w: w * told),
    ],
}


def _pile(widths, blocks, first=True, sizes=True):
    pile = [widths[0]] if first else []
    for width in widths:
        pile += [width] * blocks + [width] * sizes
    return pile[:-1] if sizes else pile


def _pile_of_next(widths, blocks):
    pile = [widths[0]]
    for i, width in enumerate(widths):
        pile += [width] * blocks + list(widths[i + 1 : i + 2])
    return pile


def _up(
    widths,
    blocks,
    at=-1,
    pile=None,
    start="below",
    each=None,
    order=None,
    both=True,
    skip=True,
    list_of_lists=False,
):
    pile = list(pile or _pile(widths, blocks))
    found, before = [], widths[-1]
    for width in order or widths[::-1]:
        if start == "own":
            before = width
        level = []
        for _ in range(blocks + 1 if each is None else each):
            skipped = pile.pop(at) if pile else 0
            level.append(before * (both or 0) + skipped * skip)
            before = width
        found += [level] if list_of_lists else level
    return found


def _square(shares):
    side = int(shares.shape[-1] ** 0.5)
    return shares.unflatten(-1, (side, side))


def _word(maps, first, last):
    return _square(maps[..., first : last + 1].sum(-1).mean(1))


def _by_index(widths, blocks):
    """What goes on the pile at place i is taken off by block len - 1 - i of the way up."""
    down, n = [widths[0]], len(widths)
    for i in range(n):
        down.extend([widths[i]] * (blocks + int(i + 1 < n)))
    comes_out = [w for w in widths[::-1] for _ in range(blocks + 1)]
    comes_in = [widths[-1], *comes_out[:-1]]
    return tuple(a + b for a, b in zip(comes_in, down[::-1], strict=True))


def _head_by_head(maps, first, last):
    N, heads, pixels, _ = maps.shape
    side = int(pixels**0.5)
    found = torch.zeros(N, side, side, dtype=torch.float64)
    for head in range(heads):
        for token in range(first, last + 1):
            found += maps[:, head, :, token].reshape(N, side, side) / heads
    return found


def _einsum(maps, first, last):
    chosen = torch.zeros(maps.shape[-1])
    chosen[first : last + 1] = 1 / maps.shape[1]
    flat = torch.einsum("nhpt,t->pn", maps, chosen).T
    return flat.reshape(len(maps), round(flat.shape[1] ** 0.5), -1)


def _counted(width, context_width):
    sizes = [(width, width, False), (context_width, width, False), (context_width, width, False)]
    layers = [torch.nn.Linear(a, b, bias) for a, b, bias in [*sizes, (width, width, True)]]
    return sum(p.numel() for layer in layers for p in layer.parameters())


RIGHT = {
    "up_channels": [_by_index, _up],
    "word_map": [_head_by_head, _einsum],
    "cross_parameters": [
        _counted,
        lambda width, context_width: width * (2 * (width + context_width) + 1),
    ],
    "steer": [
        lambda unwanted, told, w: torch.lerp(unwanted.double(), told.double(), w),
        lambda unwanted, told, w: told - (1 - w) * (told - unwanted),
    ],
}
