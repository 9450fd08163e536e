"""Lesson 14: what learners answer, wrong ones with a word that they should read in the reply."""

import re

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

WRONG = {
    "renamed": [
        ("queries and keys", lambda name: _others(name, {"q": "to_k", "k": "to_q", "v": "to_v"})),
        ("stay", lambda name: name),
    ],
    "original_block": [
        ("right in", lambda name: _entry(name, lambda i, j: 3 * i + 1)),
        ("yours is", lambda name: _entry(name, lambda i, j: 3 * i + j + 2)),
        ("yours is", lambda name: _entry(name, lambda i, j: 4 * i + j + 1)),
        (None, lambda name: _entry(name, lambda i, j: 3 * i + j + 1).split(".")),
        ("right in", lambda name: _entry(name, lambda i, j: 3 * (i + j) + 1)),
    ],
    "score_memory": [
        (
            "0.125 times",
            lambda height, width, heads, size: _memory(height, width, heads, size) // 8,
        ),
        ("8 times", lambda height, width, heads, size: 8 * _memory(height, width, heads, size)),
    ],
    "stable_times": [
        ("these are the right numbers", lambda T, steps: [1, *_times(T, steps)]),
    ],
}


def _others(name, ours):
    return ".".join((ours | {"o": "to_out"}).get(part, part) for part in name.split("."))


def _entry(name, number):
    _, level, _, block = name.split(".")
    return f"input_blocks.{number(int(level), int(block))}.0"


def _memory(height, width, heads, size):
    return 2 * heads * (height // 8 * (width // 8)) ** 2 * size


def _times(T, steps):
    return [2 + T // steps * i for i in reversed(range(steps))]


def _by_expression(name):
    level, block = map(int, re.findall(r"\d", name))
    return f"input_blocks.{1 + level * 3 + block}.0"


def _counted(name):
    """All entries written down, and looked up."""
    entries = ["conv_in"]
    for level in range(4):
        entries += [f"down_blocks.{level}.resnets.{block}" for block in range(2)] + ["halving"]
    return f"input_blocks.{entries.index(name)}.0"


def _by_the_counter(inputs, outputs, side):
    """As torch counts."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        nn.Conv2d(inputs, outputs, 3, padding=1)(torch.ones(1, inputs, side, side))
    return counter.get_total_flops()


def _counted_out(height, width, heads, size):
    places = len(range(0, height, 8)) * len(range(0, width, 8))
    return sum(size * places * places for _ in range(2 * heads)) * 1.0


def _part_by_part(name):
    ours = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out"}
    return ".".join(ours.get(part, part) for part in name.split("."))


RIGHT = {
    "place_of_work": ["shallow", "Shallow"],
    "fused_memory": ["a tenth", " A tenth"],
    "renamed": [
        _part_by_part,
        lambda name: re.sub(r"\.([qkv])\.", r".to_\1.", name).replace(".o.", ".to_out."),
    ],
    "original_block": [_by_expression, _counted],
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
