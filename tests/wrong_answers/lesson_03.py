"""Lesson 03: what learners answer, wrong ones with a word that they should read in the reply."""

import torch

from course_utils.built.noise import mix_noise
from course_utils.built.plain_unet import double_conv

WRONG = {
    "join": [
        (
            "these are the right numbers",
            lambda x, skip: torch.cat(
                [x.repeat_interleave(4, 3).view(*x.shape[:2], *skip.shape[2:]), skip], 1
            ),
        ),
    ],
    "move": [
        (
            None,
            lambda x, guess, a, b: x + (1.0 - b) * (guess - x) if a == 1 else guess,
        ),
    ],
}


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


def _amounts(model, x, steps):
    """Equal steps of the amount from 1 to 0, each to where the straight line is then."""
    amounts = torch.linspace(1, 0, steps + 1).tolist()
    for i in range(steps):
        noise = (x - (1 - amounts[i]) * model(x)) / amounts[i]
        x = mix_noise(model(x), noise, amounts[i + 1])
    return x


def _counted_down(model, x, steps):
    while steps:
        x = torch.lerp(x, model(x), 1 / steps)
        steps -= 1
    return x


RIGHT = {
    "mend_generate": [_amounts, _counted_down],
    "relu_at_the_end": [" MOST ", "most"],
    "skips_cut": ["A blur", "a blur "],
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
