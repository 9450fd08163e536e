"""Lesson 14: what learners answer, wrong ones with a word that they should read in the reply."""

import re

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

WRONG = {
    "diffusers_name": [
        (
            "`time` and `skip`",
            lambda name: name.replace("down.", "down_blocks.").replace(".blocks.", ".resnets."),
        ),
        (
            "changed again",
            lambda name: _replaced(name, "down. down_blocks.", "blocks. resnets.", *_LAYERS),
        ),
        ("`down` is still", lambda name: _replaced(name, ".blocks. .resnets.", *_LAYERS)),
        (
            "time_embedding",
            lambda name: _replaced(name, *_PLACES, ".time. .time_embedding.", _LAYERS[1]),
        ),
        ("nothing is done", lambda name: name),
        ("`time`", lambda name: _replaced(name, *_PLACES, _LAYERS[1])),
        ("`skip`", lambda name: _replaced(name, *_PLACES, _LAYERS[0])),
        ("`blocks`", lambda name: _replaced(name, _PLACES[0], *_LAYERS)),
        (
            "right in 2 of 3 tries",
            lambda name: _replaced(name, *_PLACES, _LAYERS[0], ".skip. .shortcut."),
        ),
        (
            "right in 2 of 3 tries",
            lambda name: _replaced(name, *_PLACES, ".time. .time_emb.", _LAYERS[1]),
        ),
        ("yours is", lambda name: _replaced(name, _PLACES[0], ".blocks. .resnet.", *_LAYERS)),
        ("yours is", lambda name: _replaced(name, "down. downblocks.", _PLACES[1], *_LAYERS)),
        ("yours is", lambda name: _replaced(name, *_PLACES, *_LAYERS).replace(".", "/")),
        (
            "yours is 'down_blocks.2.resnets.1.conv1'",
            lambda name: ".".join(_replaced(name, *_PLACES, *_LAYERS).split(".")[:-1]),
        ),
        ("`name` makes no difference here", lambda name: "down_blocks.2.resnets.1.conv1.weight"),
        (None, lambda name: _replaced(name, *_PLACES, *_LAYERS).split(".")),
    ],
    "conv_operations": [
        ("two", lambda i, o, side: 9 * i * o * side * side),
        ("twice the number of weights", lambda i, o, side: i * o * 18),
        ("these are the weights", lambda i, o, side: 3 * i * 3 * o),
        ("1 x 1", lambda i, o, side: 2 * i * o * side**2),
        ("9 and not 3", lambda i, o, side: 2 * 3 * i * o * side**2),
        ("all `inputs`", lambda i, o, side: 18 * o * side**2),
        ("`outputs` numbers", lambda i, o, side: 18 * i * side**2),
        ("you add", lambda i, o, side: 18 * (i + o) * side**2),
        ("may be more or fewer", lambda i, o, side: 18 * i**2 * side**2),
        ("may be more or fewer", lambda i, o, side: 18 * o**2 * side**2),
        ("border", lambda i, o, side: 18 * i * o * (side - 2) ** 2),
        ("square the side", lambda i, o, side: 18 * i * o * side),
        ("bias", lambda i, o, side: (18 * i + 1) * o * side**2),
        ("the square of `i`", lambda i, o, side: 18 * i**2 * o * side**2),
        ("`side` makes no difference", lambda i, o, side: 18 * i * o * 64**2),
    ],
    "score_memory": [
        ("latents", lambda height, width, heads, size: 2 * heads * (height * width) ** 2 * size),
        (
            "two pictures",
            lambda height, width, heads, size: heads * (height // 8 * (width // 8)) ** 2 * size,
        ),
        (
            "every head",
            lambda height, width, heads, size: 2 * (height // 8 * (width // 8)) ** 2 * size,
        ),
        (
            "square the number",
            lambda height, width, heads, size: 2 * heads * height // 8 * (width // 8) * size,
        ),
        ("by 64", lambda height, width, heads, size: 2 * heads * (height * width // 8) ** 2 * size),
        (
            "77 tokens",
            lambda height, width, heads, size: 2 * heads * height // 8 * (width // 8) * 77 * size,
        ),
        ("gigabytes", lambda height, width, heads, size: _memory(height, width, heads, size) / 1e9),
        (
            "this is right in GiB",
            lambda height, width, heads, size: _memory(height, width, heads, size) / 2**30,
        ),
        (
            "this is right in MiB",
            lambda height, width, heads, size: _memory(height, width, heads, size) / 2**20,
        ),
        (
            "0.125 times",
            lambda height, width, heads, size: _memory(height, width, heads, size) // 8,
        ),
        (
            "`size` makes no difference here",
            lambda height, width, heads, size: _memory(height, width, heads, 1),
        ),
        ("8 times", lambda height, width, heads, size: 8 * _memory(height, width, heads, size)),
        (
            "`size` makes no difference here",
            lambda height, width, heads, size: _memory(height, width, heads, 4),
        ),
        (
            "the width is not in it",
            lambda height, width, heads, size: 2 * heads * (height // 8) ** 4 * size,
        ),
        (
            "heads",
            lambda height, width, heads, size: (
                2 * heads**2 * (height // 8 * (width // 8)) ** 2 * size
            ),
        ),
        (
            "`heads` makes no difference here",
            lambda height, width, heads, size: 2 * 4 * (height // 8) * (width // 8) * size,
        ),
        (
            "2 * `heads` in the place of",
            lambda height, width, heads, size: 2 * _memory(height, width, heads, size),
        ),
    ],
    "stable_times": [
        ("not 0", lambda T, steps: _times(T, steps) + [0]),
        ("offset is missing", lambda T, steps: [t - 1 for t in _times(T, steps)] + [1]),
        ("without an offset", lambda T, steps: [t - 1 for t in _times(T, steps)] + [0]),
        ("must descend", lambda T, steps: [1, *_times(T, steps)[::-1]]),
        ("end is missing", lambda T, steps: _times(T, steps)),
        ("starts at T", lambda T, steps: [round(T - i * T / steps) for i in range(steps)] + [1]),
        ("starts at T", lambda T, steps: [round(T - i * T / steps) for i in range(steps + 1)]),
        ("from 0", lambda T, steps: [t - 2 for t in _times(T, steps)] + [1]),
        ("these are the right numbers", lambda T, steps: [1, *_times(T, steps)]),
        ("too large by 1", lambda T, steps: [t + 1 for t in _times(T, steps)] + [2]),
        ("first part", lambda T, steps: _times(T, steps)[1:] + [1]),
        ("whole numbers", lambda T, steps: [2 + T / steps * i for i in range(steps)][::-1] + [1]),
        (
            "you round the times",
            lambda T, steps: [round(2 + T / steps * i) for i in range(steps)][::-1] + [1],
        ),
        ("must descend", lambda T, steps: sorted(_times(T, steps) + [1])),
        ("not used", lambda T, steps: _times(1000, steps) + [1]),
        ("steps", lambda T, steps: _times(T, steps + 1) + [1]),
        (
            "this path starts at T",
            lambda T, steps: [1 + round((T - 1) * (steps - i) / steps) for i in range(steps + 1)],
        ),
    ],
}

_PLACES = ("down. down_blocks.", ".blocks. .resnets.")
_LAYERS = (".time. .time_emb_proj.", ".skip. .conv_shortcut.")


def _replaced(name, *pairs):
    for pair in pairs:
        name = name.replace(*pair.split())
    return name


def _memory(height, width, heads, size):
    return 2 * heads * (height // 8 * (width // 8)) ** 2 * size


def _times(T, steps):
    return [2 + T // steps * i for i in reversed(range(steps))]


def _part_by_part(name):
    """With a dictionary, looked up for each part."""
    theirs = {
        "down": "down_blocks",
        "blocks": "resnets",
        "time": "time_emb_proj",
        "skip": "conv_shortcut",
    }
    return ".".join(theirs.get(part, part) for part in name.split("."))


def _by_expression(name):
    name = re.sub(r"^down\.(\d+)\.blocks\.(\d+)", r"down_blocks.\1.resnets.\2", name)
    return re.sub(r"\btime\b", "time_emb_proj", re.sub(r"\bskip\b", "conv_shortcut", name))


def _by_the_counter(inputs, outputs, side):
    """As torch counts."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        nn.Conv2d(inputs, outputs, 3, padding=1)(torch.ones(1, inputs, side, side))
    return counter.get_total_flops()


def _counted_out(height, width, heads, size):
    places = len(range(0, height, 8)) * len(range(0, width, 8))
    return sum(size * places * places for _ in range(2 * heads)) * 1.0


RIGHT = {
    "diffusers_name": [_part_by_part, _by_expression],
    "conv_operations": [
        lambda inputs, outputs, side: side * side * sum(2 * inputs for _ in range(9 * outputs)),
        _by_the_counter,
    ],
    "score_memory": [
        _counted_out,
        lambda height, width, heads, size: heads * size * (height * width) ** 2 / 2**11,
    ],
    "stable_times": [
        lambda T, steps: list(range(2, 2 + steps * (T // steps), T // steps))[::-1] + [1],
        lambda T, steps: tuple(
            T // steps * (steps - 1 - i) + 2 if i < steps else 1 for i in range(steps + 1)
        ),
    ],
}
