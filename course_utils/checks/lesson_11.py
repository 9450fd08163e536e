"""The exercises of lesson 11, text to image."""

import torch

from course_utils.checks.engine import Mistake, Write


def _up_channels(skips_of, offset=0):
    def answer(widths, blocks, each=None, turned=True):
        skips, found = skips_of(widths, blocks), []
        before = widths[-1]
        for width in widths[::-1] if turned else widths:
            for _ in range(blocks + 1 if each is None else each):
                found.append(before + (skips.pop(offset) if skips else 0))
                before = width
        return found

    return answer


def _skips(widths, blocks, first=True, resized=True):
    """The channels of every result on the way down."""
    skips = [widths[0]] if first else []
    for i, width in enumerate(widths):
        skips += [width] * (blocks + (resized and i < len(widths) - 1))
    return skips


def _before_the_change(widths, blocks):
    """A stack on which each change of size lies with the width of the level it leads to."""
    skips = [widths[0]]
    for width, following in zip(widths, [*widths[1:], None], strict=True):
        skips += [width] * blocks + ([following] if following else [])
    return skips


def _wrong_start(widths, blocks):
    skips, found = _skips(widths, blocks), []
    for width in reversed(widths):
        found += [width + skips.pop() for _ in range(blocks + 1)]
    return found


up_channels = Write(
    right=_up_channels(_skips, -1),
    cases=lambda: [((48, 96), 1), ((320, 640, 1280, 1280), 2), ((32,), 3)],
    mistakes=[
        Mistake(
            _up_channels(_skips, 0),
            "you take from the bottom of the stack. What was put there last comes off first.",
        ),
        Mistake(
            _up_channels(lambda widths, blocks: _skips(widths, blocks, resized=False), -1),
            "the results of the changes of size are on the stack too, one after each level but the "
            "last.",
        ),
        Mistake(
            _up_channels(lambda widths, blocks: _skips(widths, blocks, first=False), -1),
            "at the bottom of the stack lies the result of the first convolution.",
        ),
        Mistake(
            _up_channels(_before_the_change, -1),
            "a change of size keeps the channels: the next level's first block widens.",
        ),
        Mistake(
            _wrong_start,
            "a level's first block gets what the level below puts out, with that one's width.",
        ),
        Mistake(
            lambda widths, blocks: _up_channels(_skips, -1)(widths, blocks, blocks),
            "each level of the way up has blocks + 1 blocks, one more than on the way down.",
        ),
        Mistake(
            lambda widths, blocks: _up_channels(_skips, -1)(widths, blocks, turned=False),
            "the way up begins at the coarsest level: take the widths in reversed order.",
        ),
        Mistake(
            lambda widths, blocks: _skips(widths, blocks)[::-1],
            "these are the skips. A block takes them and its input, side by side: add the two"
            " numbers.",
        ),
        Mistake(
            lambda widths, blocks: [w for w in widths[::-1] for _ in range(blocks + 1)],
            "these are the channels that the blocks put out. Asked for is what they take in.",
        ),
        Mistake(
            lambda widths, blocks: [2 * w for w in widths[::-1] for _ in range(blocks + 1)],
            "you doubled the level's width. At a change of level input and skip have "
            "different widths.",
        ),
        Mistake(
            _skips,
            "this is the stack. Now go up and pop one for each block.",
        ),
    ],
    hints=[
        "Build the stack first: skips = [widths[0]], then for each level its width, `blocks` "
        "times, "
        "and once more where a change of size follows.",
        "Start with before = widths[-1]. Each block takes before + skips.pop().",
        "After each block before is the width of its level. Levels come in reversed order.",
    ],
    praise="With these numbers the skips of Stable Diffusion fit, all twelve.",
)


def _word_map(answer_of):
    def answer(maps, first, last):
        found = answer_of(maps, first, last)
        side = int(found.shape[-1] ** 0.5)
        return found.unflatten(-1, (side, side))

    return answer


def _maps(pixels, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, pixels, 7, generator=generator).softmax(-1)


def _brightened(maps, first, last):
    found = _word_map(lambda *a: maps[..., first : last + 1].sum(-1).mean(1))(maps, first, last)
    return found / found.amax((1, 2), keepdim=True)


word_map = Write(
    right=_word_map(lambda maps, first, last: maps[..., first : last + 1].sum(-1).mean(1)),
    cases=lambda: [(_maps(16, 1), 2, 2), (_maps(64, 2), 1, 3)],
    mistakes=[
        Mistake(
            _word_map(lambda maps, first, last: maps[..., first : last + 1].sum(-1).sum(1)),
            "the heads are added up. Take their average: then the map stays a share of 1.",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[..., first : last + 1].mean(-1).mean(1)),
            "what a pixel takes from several tokens adds up: sum over the tokens, do not average.",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[..., first:last].sum(-1).mean(1)),
            "the last token is missing: a slice leaves out its upper end.",
        ),
        Mistake(
            lambda maps, first, last: _word_map(
                lambda *a: maps[..., first : last + 1].sum(-1).mean(1)
            )(maps, first, last).transpose(1, 2),
            "rows and columns are exchanged. The pixels come row by row.",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[:, 0, :, first : last + 1].sum(-1)),
            "this is the first head alone. Average over all of them.",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[..., first].mean(1)),
            "this is the token number first alone. Take all from first to last.",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[..., last].mean(1)),
            "this is the token number last alone. Take all from first to last.",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[..., sorted({first, last})].sum(-1).mean(1)),
            "only the first and the last token are there: those between belong to it too.",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[..., first - 1 : last].sum(-1).mean(1)),
            "your tokens count from 1. Indices count from 0: token number first is maps[..., "
            "first].",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[..., first : last + 1].sum(-1).amax(1)),
            "you take the largest of the heads. Their average is asked for.",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[..., first : last + 1].amax(-1).mean(1)),
            "you take the largest of the tokens. What they take adds up: the sum.",
        ),
        Mistake(
            _word_map(lambda maps, first, last: maps[..., first : last + 1].sum(-1).mean(0)),
            "you average over the batch, dimension 0. The heads are dimension 1.",
        ),
        Mistake(
            _brightened,
            "you stretched each map to its largest value, which is for looking at. Keep the "
            "shares.",
        ),
    ],
    hints=[
        "Pick the tokens along the last dimension, and add them up.",
        "The heads are dimension 1: mean(1). What is left is N x pixels.",
        "side is the root of the number of pixels; .unflatten(1, (side, side)).",
    ],
    praise="So the pictures of words in this lesson were made.",
)

cross_parameters = Write(
    right=lambda width, cross_attention_dim: 2 * width**2 + 2 * width * cross_attention_dim + width,
    cases=lambda: [(48, 64), (320, 768), (1280, 768)],
    mistakes=[
        Mistake(
            lambda width, cross_attention_dim: 4 * width**2 + width,
            "this is self-attention. Here k and v read the context, which has another width.",
        ),
        Mistake(
            lambda width, cross_attention_dim: 2 * width**2 + 2 * width * cross_attention_dim,
            "the bias of the last layer is missing.",
        ),
        Mistake(
            lambda width, cross_attention_dim: (
                2 * width**2 + 2 * width * cross_attention_dim + 4 * width
            ),
            "only the last layer has a bias, and you gave one to all four.",
        ),
        Mistake(
            lambda width, cross_attention_dim: width**2 + 3 * width * cross_attention_dim + width,
            "one layer too many reads the context: q reads the picture.",
        ),
        Mistake(
            lambda width, cross_attention_dim: width**2 + 2 * width * cross_attention_dim,
            "the last layer, which mixes the heads, is missing: width x width and a bias.",
        ),
        Mistake(
            lambda width, cross_attention_dim: 2 * width**2 + 2 * cross_attention_dim**2 + width,
            "k and v are not square: they make `width` numbers of cross_attention_dim.",
        ),
        Mistake(
            lambda width, cross_attention_dim: 3 * width**2 + width * cross_attention_dim + width,
            "v reads the words as well, as k does: cross_attention_dim x width each.",
        ),
        Mistake(
            lambda width, cross_attention_dim: (
                2 * width**2 + 2 * width * cross_attention_dim + cross_attention_dim
            ),
            "the bias belongs to what the last layer puts out, `width` numbers.",
        ),
        Mistake(
            lambda width, cross_attention_dim: 2 * width**2 + 2 * width * cross_attention_dim + 1,
            "a bias is one number for each output, `width` of them.",
        ),
        Mistake(
            lambda width, cross_attention_dim: width**2 + 2 * width * cross_attention_dim + width,
            "the bias is there, but not the weights of the last layer, which mixes the heads.",
        ),
        Mistake(
            lambda width, cross_attention_dim: 4 * width + 2 * cross_attention_dim,
            "you add the sizes. A linear layer from a to b numbers has a * b weights.",
        ),
    ],
    hints=[
        "Four linear layers. Which of them read the picture, which the words?",
        "q and out: width x width. k and v: cross_attention_dim x width.",
    ],
    praise="The number of heads does not matter, nor that of the words.",
)


def _pair(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, 4, 4, generator=generator) for _ in range(2)]


steer = Write(
    right=lambda unwanted, cond, w: unwanted + w * (cond - unwanted),
    cases=lambda: [(*_pair(1), 1.0), (*_pair(2), 3.0), (*_pair(3), 7.5)],
    mistakes=[
        Mistake(
            lambda unwanted, cond, w: cond + w * (cond - unwanted),
            "with w = 1 this goes beyond cond. In this course w = 1 is the conditional prediction.",
        ),
        Mistake(
            lambda unwanted, cond, w: cond - w * unwanted,
            "subtracting a prediction leaves no prediction: go from `unwanted` towards `cond`.",
        ),
        Mistake(
            lambda unwanted, cond, w: cond + w * (unwanted - cond),
            "this goes towards what is not wanted.",
        ),
        Mistake(
            lambda unwanted, cond, w: w * (cond - unwanted),
            "this is the direction alone. It has to be added to `unwanted`.",
        ),
    ],
    hints=[
        "It is lesson 08's formula with `unwanted` in the place of uncond.",
        "Start at `unwanted` and go w times the way to `cond`.",
    ],
    praise="Stable Diffusion's negative prompt is no more than this line.",
)
