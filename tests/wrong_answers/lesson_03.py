"""Lesson 03: what learners answer, wrong ones with a word that they should read in the reply."""

import torch
from torch.nn import functional

from course_utils.built.noise import mix_noise
from course_utils.built.plain_unet import double_conv

WRONG = {
    "unet_output": [
        ("each level has two", lambda size, levels: _output(size, levels, 2, 2, 2)),
        ("on the way up", lambda size, levels: _output(size, levels, 4, 4, 0)),
        ("lowest level", lambda size, levels: _output(size, levels, 4, 0, 4)),
        ("once too often", lambda size, levels: _output(size, levels + 1, 4, 4, 4)),
        ("smaller", lambda size, levels: size),
        ("`levels` - 1 in the place of", lambda size, levels: _output(size, levels - 1, 4, 4, 4)),
        ("on the way down", lambda size, levels: _output(size, levels, 0, 4, 4)),
        (
            "this is the side at the bottom",
            lambda size, levels: _output(size, levels, 4, 4, 4, up=False),
        ),
        ("before", lambda size, levels: _halved_first(size, levels)),
        ("4 pixels of a coarse level are 8", lambda size, levels: size - 4 * (2 * levels - 1)),
        ("`levels` makes no difference here", lambda size, levels: size - 184),
        ("`size` makes no difference here", lambda size, levels: 388),
        ("`levels` makes no difference here", lambda size, levels: _output(size, 5, 4, 4, 4)),
    ],
    "join": [
        (
            "order",
            lambda x, skip: torch.cat((skip, x.repeat_interleave(2, 2).repeat_interleave(2, 3)), 1),
        ),
        ("side by side", lambda x, skip: torch.cat([x.tile(1, 1, 2, 2), skip], 1)),
        ("between pixels", lambda x, skip: torch.cat([_large(x, mode="bilinear"), skip], 1)),
        ("between pixels", lambda x, skip: torch.cat([_large(x, mode="bicubic"), skip], 1)),
        ("shrink the skip", lambda x, skip: torch.cat([x, functional.avg_pool2d(skip, 2)], 1)),
        ("shrink the skip", lambda x, skip: torch.cat([x, skip[:, :, ::2, ::2]], 1)),
        ("skip is not in it", lambda x, skip: _large(x)),
        ("dim=0 joins the batches", lambda x, skip: torch.cat([_large(x), skip], dim=0)),
        ("make x as large", lambda x, skip: torch.cat([x, skip], dim=1)),
        ("added", lambda x, skip: _large(x) + skip),
        ("zeros", lambda x, skip: torch.cat([_zeros_between(x), skip], 1)),
        ("this is `skip` itself", lambda x, skip: skip),
        (
            "these are the right numbers",
            lambda x, skip: torch.cat(
                [x.repeat_interleave(4, 3).view(*x.shape[:2], *skip.shape[2:]), skip], 1
            ),
        ),
    ],
    "block_parameters": [
        ("biases are missing", lambda c_in, c_out: 9 * c_out * (c_in + c_out)),
        ("second convolution", lambda c_in, c_out: 18 * c_in * c_out + 2 * c_out),
        ("this is one", lambda c_in, c_out: (9 * c_in + 1) * c_out),
        ("9 weights, not 3", lambda c_in, c_out: (3 * c_in + 1) * c_out + (3 * c_out + 1) * c_out),
        ("multiply", lambda c_in, c_out: 9 * (c_in + c_out) + 2 * c_out),
        (
            "`c_out` is missing",
            lambda c_in, c_out: 9 * c_in * c_out + c_out + 9 * c_out * c_out,
        ),
        ("output channel", lambda c_in, c_out: 9 * c_in * c_out + c_in + 9 * c_out**2 + c_out),
        ("one bias", lambda c_in, c_out: 9 * c_out * (c_in + c_out) + 2),
        ("each pair", lambda c_in, c_out: 10 * c_in * c_out + 10 * c_out**2),
        ("exchanged", lambda c_in, c_out: 9 * c_in * c_out + 2 * c_in + 9 * c_in**2),
        (
            "the first convolution changes the channels",
            lambda c_in, c_out: 9 * c_in * c_in + c_in + 9 * c_in * c_out + c_out,
        ),
        ("`c_in` makes no difference here", lambda c_in, c_out: 9264),
    ],
    "move": [
        ("divide by a", lambda x, guess, a, b: x + (a - b) * (guess - x)),
        ("part that remains", lambda x, guess, a, b: x + b / a * (guess - x)),
        ("jump to the guess", lambda x, guess, a, b: guess),
        ("away", lambda x, guess, a, b: x + (b - a) / a * (guess - x)),
        ("pure noise", lambda x, guess, a, b: mix_noise(guess, x, b)),
        ("divide by a", lambda x, guess, a, b: x + (a - b) / b * (guess - x) if b else guess),
        ("you go half of the way", lambda x, guess, a, b: (x + guess) / 2),
        ("this is `x` itself", lambda x, guess, a, b: x),
        ("noise", lambda x, guess, a, b: (1 - b) * guess + b * (x - guess)),
        ("noise", lambda x, guess, a, b: mix_noise(guess, x - (1 - a) * guess, b)),
        ("`x` is missing", lambda x, guess, a, b: (a - b) / a * (guess - x)),
        ("weight of `x` is 1", lambda x, guess, a, b: x + (a - b) / a * guess),
        (
            "b / a is the part that remains; you want",
            lambda x, guess, a, b: guess + (a - b) / a * (x - guess),
        ),
        (
            None,
            lambda x, guess, a, b: x + (1.0 - b) * (guess - x) if a == 1 else guess,
        ),
        ("in place", lambda x, guess, a, b: x.add_((a - b) / a * (guess - x))),
    ],
}


def _output(size, levels, down, bottom, back, up=True):
    for _ in range(levels - 1):
        size = (size - down) // 2
    size -= bottom
    for _ in range(levels - 1 if up else 0):
        size = 2 * size - back
    return size


def _halved_first(size, levels):
    for _ in range(levels - 1):
        size = size // 2 - 4
    size -= 4
    for _ in range(levels - 1):
        size = 2 * size - 4
    return size


def _large(x, mode="nearest"):
    return functional.interpolate(x, scale_factor=2, mode=mode)


def _zeros_between(x):
    large = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    large[:, :, ::2, ::2] = x
    return large


def _solved(size, levels):
    """The same sum as a geometric series."""
    halves = 2 ** (levels - 1)
    return size - 4 * (halves - 1) - 4 * halves - 4 * (halves - 1)


def _recursive(size, levels):
    inner = size - 4
    return inner if levels == 1 else 2 * _recursive(inner // 2, levels - 1) - 4


def _by_index(x, skip):
    rows, columns = (torch.arange(n) // 2 for n in skip.shape[2:])
    joined = skip.new_empty(len(x), x.shape[1] + skip.shape[1], *skip.shape[2:]).double()
    joined[:, : x.shape[1]] = x[:, :, rows][:, :, :, columns]
    joined[:, x.shape[1] :] = skip
    return joined


def _channels_last_view(x, skip):
    large = torch.kron(x, torch.ones(1, 1, 2, 2))
    parts = [large.permute(0, 2, 3, 1), skip.permute(0, 2, 3, 1)]
    return torch.cat(parts, dim=-1).permute(0, 3, 1, 2)


RIGHT = {
    "unet_output": [_solved, _recursive],
    "join": [_by_index, _channels_last_view],
    "block_parameters": [
        lambda c_in, c_out: sum(p.numel() for p in double_conv(c_in, c_out).parameters()),
        lambda c_in, c_out: c_out * (9 * (c_in + c_out) + 2),
    ],
    "move": [
        lambda x, guess, a, b: b / a * x + (1 - b / a) * guess,
        lambda x, guess, a, b: mix_noise(guess, (x - (1 - a) * guess) / a, b).double(),
        lambda x, guess, a, b: torch.lerp(x, guess, (a - b) / a),
    ],
}
