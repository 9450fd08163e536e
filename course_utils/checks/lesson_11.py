"""The exercises of lesson 11, text to image."""

import functools

import torch

from course_utils.built import (
    NoiseSchedule,
    UNet,
    cfg_denoiser,
    linear_betas,
    sample,
    trailing_timesteps,
)
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write
from course_utils.data.sprites import Sprite
from course_utils.evaluation import scores, sprite_classifier, sprite_clip
from course_utils.io import tensors

changed_pixels = Predict(
    right="0 and 64",
    choices=("0 and 64", "64 and 64", "0 and a few"),
    mistakes=[
        Mistake(
            "64 and 64",
            "a pixel takes a weighted mean of the vectors. Does a mean change with their order?",
        ),
        Mistake(
            "0 and a few",
            "there is no training yet that says which pixels need the word, and a softmax is "
            "nowhere zero.",
        ),
    ],
    hints=[
        "Look at the formula: over what does the softmax run, and over what the sum after it?",
        "How small can a weight of a softmax be? Does any pixel take nothing from a vector?",
    ],
    praise="The sum over the vectors has no order, and each pixel takes a share of every vector.",
)

four_noises = Predict(
    right="one sprite",
    choices=("one sprite", "one kind, other colours", "four sprites"),
    mistakes=[
        Mistake("one kind, other colours", "the caption names the colour, and the network heard."),
        Mistake(
            "four sprites",
            "so it is where a caption leaves much open. What does this one leave open?",
        ),
    ],
    hints=[
        "Which attributes does the caption name? Which are there, in your network's training?",
        "How many different pictures in the training have this caption?",
    ],
    praise="The caption leaves nothing open, so the noise has nothing to decide.",
)

unsaid_colour = Predict(
    right="mixed colours",
    choices=("one colour", "clear colours", "mixed colours"),
    mistakes=[
        Mistake(
            "one colour",
            "the noise differs, and nothing else says which colour it shall be: they do vary.",
        ),
        Mistake(
            "clear colours",
            "so it should be, with a perfect network and many steps. Ours begins at the average "
            "of all colours, and has 20 steps to get away from it.",
        ),
    ],
    hints=[
        "At the first step there is only noise. What is the best estimate of the colour?",
        "The best estimate is the mean of what is possible. Does it decide in 20 steps?",
    ],
    praise="It begins at the mean of the colours, and often stops between two of them.",
)


@functools.cache
def _shipped():
    """The tokenizer, the text encoder, and the network of the course's data."""
    network = UNet(
        channels=3,
        widths=(32, 96),
        attend=(True, True),
        layers_per_block=1,
        heads=4,
        cross_attention_dim=64,
        groups=2,
        patch=2,
    )
    path = scores.CHECKPOINTS / "sprite_unet.safetensors"
    tokenizer, clip = sprite_clip.load()
    return tokenizer, clip.text, tensors.load_checkpoint(path, network).float().eval()


def caption_length(my_caption) -> float:
    """The caption's number of characters.

    Raises ValueError where not all of eight pictures are the big green potion with a crown.
    """
    if not isinstance(my_caption, str):
        raise ValueError("a caption is wanted, as a text in quotation marks.")
    tokenizer, text, network = _shipped()
    with torch.no_grad():
        cond, uncond = text(tokenizer.encode([my_caption, ""]))[0][:, None].expand(-1, 8, -1, -1)
    x = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    schedule, timesteps = NoiseSchedule(linear_betas(1000)), trailing_timesteps(1000, 20)
    denoise = cfg_denoiser(network, cond, 2.0, uncond)
    drawn = sample(denoise, x, schedule, timesteps, "ddim", "sample", clamp=True)
    wanted = Sprite("potion", "green", "big", "crown", "left")
    found = sprite_classifier.score(drawn, [wanted] * 8)
    if found["all"] < 1:
        parts = {name: round(8 * found[name]) for name in ("kind", "colour", "size", "extra")}
        parts["facing"] = round(8 * found["facing"])
        told = ", ".join(f"{name} {right}" for name, right in parts.items())
        raise ValueError(
            f"{round(8 * found['all'])} of 8 pictures are the big green potion with a crown, "
            f"facing left. {round(8 * found['rejected'])} are rejected. Right are: {told}."
        )
    return len(my_caption)


shortest_caption = Explore(
    score=caption_length,
    board={
        "the first template": 47,
        "five bare words": 29,
        "the best of ours": 23,
    },
    higher=False,
    unit=" characters",
    hints=[
        "Which words say which attribute? Drop the others first.",
        "Five words are enough, one for each attribute. Which of the five can be guessed?",
        "Template 4 begins with the facing. Which sign stands behind it, in place of a space?",
    ],
    praise="It listens to words, not to sentences.",
)


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


def _reshaped(maps, first, last):
    """The lesson's broken function: reshape in the place of an exchange of dimensions."""
    N, _, pixels, tokens = maps.shape
    side = round(pixels**0.5)
    return maps.mean(1).reshape(N, tokens, side, side)[:, first : last + 1].sum(1)


word_map = Repair(
    broken=_reshaped,
    symptom="The outline is lost in stripes: pixels and tokens are mixed up.",
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
        "reshape reads the numbers in the order in which they lie. Which lie side by side in "
        "N x pixels x tokens: the tokens of a pixel, or the pixels of a token?",
        "Leave the tokens last, and pick and add them there: what is left is N x pixels.",
        "Only then give the pixels their two sides.",
    ],
    praise="So the pictures of words in this lesson were made.",
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
