"""Lesson 11: what learners answer, wrong ones with a word that they should read in the reply."""

import torch

WRONG = {
    "changed_pixels": [("choose one of", "64"), ("choose one of", "0 and 0")],
    "four_noises": [("choose one of", "four")],
    "unsaid_colour": [("choose one of", "red")],
    "up_channels": [
        (None, lambda widths, blocks: _up(widths, blocks, skip=False)),
        (
            "the numbers are right; their shape should",
            lambda widths, blocks: _up(widths, blocks, list_of_lists=True),
        ),
        (None, lambda widths, blocks: [sum(_up(widths, blocks))]),
    ],
    "word_map": [
        (
            "the mean over dimension 1 is missing",
            lambda maps, first, last: _square(maps[..., first : last + 1].sum(-1)),
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
            None,
            lambda maps, first, last: (
                maps[..., first : last + 1].sum(-1).mean(1).unflatten(1, (4, 4))
            ),
        ),
    ],
    "steer": [
        ("weight of `unwanted` is not right", lambda unwanted, cond, w: w * cond - unwanted),
        (
            "weight of `unwanted` is not right",
            lambda unwanted, cond, w: w * cond + (1 + w) * unwanted,
        ),
    ],
}


def _skips(widths, blocks, first=True, sizes=True):
    skips = [widths[0]] if first else []
    for width in widths:
        skips += [width] * blocks + [width] * sizes
    return skips[:-1] if sizes else skips


def _up(
    widths,
    blocks,
    at=-1,
    skips=None,
    start="below",
    each=None,
    order=None,
    both=True,
    skip=True,
    list_of_lists=False,
):
    skips = list(skips or _skips(widths, blocks))
    found, before = [], widths[-1]
    for width in order or widths[::-1]:
        if start == "own":
            before = width
        level = []
        for _ in range(blocks + 1 if each is None else each):
            skipped = skips.pop(at) if skips else 0
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
    """What goes on the stack at place i is taken off by block len - 1 - i of the way up."""
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


RIGHT = {
    "changed_pixels": ["0 and 64", " 0 And 64"],
    "four_noises": ["one sprite", "One sprite "],
    "unsaid_colour": ["mixed colours", "Mixed Colours"],
    "up_channels": [_by_index, _up],
    "word_map": [_head_by_head, _einsum],
    "steer": [
        lambda unwanted, cond, w: torch.lerp(unwanted.double(), cond.double(), w),
        lambda unwanted, cond, w: cond - (1 - w) * (cond - unwanted),
    ],
}
