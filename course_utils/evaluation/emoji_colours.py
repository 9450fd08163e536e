"""Which colour an emoji's thing has, and which its background: measured pixel by pixel.

No network: hue, saturation and value name the colour of every pixel, and what most of the thing
shows is its colour.
"""

import torch
from torch import Tensor

from course_utils.data import emoji_edits

NAMES = (*emoji_edits.COLOURS, "white")
TURNS = (0.03, 0.115, 0.19, 0.46, 0.69, 0.84, 0.95)
"""Where red, orange, yellow, green, blue, purple and pink end on the wheel."""
BORDER = 2  # pixels a side from which the background is read
NEAR = 0.16  # the largest difference of a channel, in parts of 1, that is the same colour
SOLID = 0.6  # of the border must be one colour
SHARE = 0.4
"""A thing has a colour if so much of it has, or more of it than any other but white and black."""


def pixel_colours(images: Tensor) -> Tensor:
    """The colour of each pixel: N x 3 x H x W in [-1, 1] to N x H x W, positions in NAMES."""
    hue, saturation, value = emoji_edits.to_hsv((images + 1) / 2)
    wheel = torch.bucketize(hue, torch.tensor(TURNS)) % 7  # past pink is red again
    place = {name: i for i, name in enumerate(NAMES)}
    warm = (wheel == place["orange"]) | (wheel == place["yellow"]) | (wheel == place["red"])
    light_red = (wheel == place["red"]) & (saturation < 0.55) & (value > 0.8)
    wheel = torch.where(light_red, place["pink"], wheel)
    wheel = torch.where(warm & (value < 0.66) & (wheel != place["red"]), place["brown"], wheel)
    wheel = torch.where(warm & (value < 0.55) & (saturation < 0.75), place["brown"], wheel)
    dull = saturation < 0.17 + 0.25 * (1 - value)
    wheel = torch.where(dull, place["grey"], wheel)
    wheel = torch.where(dull & (value > 0.88), place["white"], wheel)
    return torch.where((value < 0.18) | (dull & (value < 0.38)), place["black"], wheel)


def background(images: Tensor) -> list[str]:
    """The colour of each background: a name of `emoji_edits.BACKGROUNDS`, "white", or "".

    "" where the border has no one colour. images: N x 3 x H x W in [-1, 1].
    """
    known = {"white": (1.0, 1.0, 1.0), **emoji_edits.BACKGROUNDS}
    table = torch.tensor([*known.values()])
    colour, solid = _border(images)
    nearest = (colour[:, None] - table).square().sum(2).argmin(1).tolist()
    names = [*known]
    return [names[i] if s else "" for i, s in zip(nearest, solid.tolist(), strict=True)]


def _border(images: Tensor) -> tuple[Tensor, Tensor]:
    """The middle colour of each border, N x 3 in [0, 1], and whether most of the border has it."""
    x = (images + 1) / 2
    mask = torch.ones(x.shape[-2:], dtype=torch.bool)
    mask[BORDER:-BORDER, BORDER:-BORDER] = False
    ring = x[..., mask]  # N x 3 x pixels
    colour = ring.median(2).values
    same = (ring - colour[..., None]).abs().amax(1) < NEAR
    return colour, same.float().mean(1) > SOLID


def shares(images: Tensor) -> Tensor:
    """How much of each thing has each colour of NAMES: N x 11, rows of sum 1.

    A thing is all that differs from the background's colour, or all, where there is none.
    """
    colour, solid = _border(images)
    thing = ((images + 1) / 2 - colour[..., None, None]).abs().amax(1) > NEAR
    thing |= ~solid[:, None, None]
    of = torch.nn.functional.one_hot(pixel_colours(images), len(NAMES)) * thing[..., None]
    counts = of.flatten(1, 2).sum(1).float()
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


def has_colour(images: Tensor, wanted: list[str]) -> Tensor:
    """Whether each thing has the colour that is wanted of it: N booleans."""
    found = shares(images)
    chosen = torch.tensor([NAMES.index(name) for name in wanted])
    mine = found[torch.arange(len(found)), chosen]
    others = found.clone()
    others[torch.arange(len(found)), chosen] = 0
    others[:, [NAMES.index("white"), NAMES.index("black")]] = 0
    return (mine > SHARE) | ((mine > 0.2) & (mine > others.amax(1)))
