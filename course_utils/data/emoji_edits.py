"""Emoji edited by code: another colour, a background, two things, smaller, mirrored.

All take and give drawings N x 3 x 64 x 64, float32 in [-1, 1], of emoji on white.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d, pad

# A new colour also needs its place on the wheel of evaluation/emoji_colours.py, and its word among
# the EMPTY tags of tools/build_emoji_words.py; then the model is trained again.
COLOURS = {  # hue in turns of the wheel; what saturation and value are multiplied by
    "red": (0.0, 1.0, 1.0),
    "orange": (0.075, 1.0, 1.0),
    "yellow": (0.14, 1.0, 1.0),
    "green": (0.34, 1.0, 0.9),
    "blue": (0.60, 1.0, 1.0),
    "purple": (0.77, 1.0, 0.95),
    "pink": (0.92, 0.75, 1.0),
    "brown": (0.06, 0.85, 0.60),
    "black": (0.60, 0.20, 0.28),
    "grey": (0.60, 0.08, 0.68),
}
"""Colours that a thing can be given."""
BACKGROUNDS = {  # red, green, blue in [0, 1]
    "red": (0.85, 0.15, 0.15),
    "orange": (0.98, 0.60, 0.15),
    "yellow": (0.99, 0.85, 0.25),
    "green": (0.25, 0.70, 0.30),
    "blue": (0.20, 0.50, 0.90),
    "purple": (0.55, 0.30, 0.80),
    "pink": (0.98, 0.60, 0.75),
    "black": (0.05, 0.05, 0.05),
    "grey": (0.60, 0.60, 0.60),
    "brown": (0.50, 0.30, 0.15),
}
"""Colours that a background can have."""
NEAR = 0.11  # of a turn: hues that count as the dominant one
WHITE = 0.93  # from here on a pixel may be background
LARGE = 0.125  # of the picture: what a colour must cover
MOST = 0.6  # of what is drawn or coloured
PAINT = 0.7  # the saturation that something white or grey is painted with


def to_hsv(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (in turns), saturation and value of N x 3 x H x W in [0, 1]: each N x H x W."""
    value, low = rgb.amax(1), rgb.amin(1)
    range_ = value - low
    r, g, b = rgb.unbind(1)
    safe = range_.clamp(min=1e-6)
    sixth = torch.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4)
    sixth = torch.where(value == r, (g - b) / safe, sixth)
    hue = torch.where(range_ > 1e-6, (sixth / 6) % 1, torch.zeros_like(value))
    return hue, range_ / value.clamp(min=1e-6), value


def to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The inverse of `to_hsv`: value - value saturation max(0, min(k, 4 - k, 1)), k by channel."""
    k = torch.stack([(n + 6 * hue) % 6 for n in (5, 3, 1)], dim=1)
    share = torch.minimum(k, 4 - k).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * share)


def dominant_hue(images: Tensor) -> Tensor:
    """The hue that most of a drawing's coloured area has: N, in turns.

    The fullest of 24 bins, then the mean of the hues near it.
    """
    hue, saturation, value = to_hsv((images + 1) / 2)
    weight = saturation * ((saturation > 0.25) & (value > 0.2))
    bins = torch.zeros(len(images), 24).scatter_add_(
        1, (hue * 24).long().clamp(0, 23).flatten(1), weight.flatten(1)
    )
    wide = bins + bins.roll(1, 1) + bins.roll(-1, 1)  # a colour spreads over three bins
    top = (wide.argmax(1) + 0.5) / 24
    off = (hue - top[:, None, None] + 0.5) % 1 - 0.5
    weight = weight * (off.abs() < NEAR)
    return (top + (off * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-6)) % 1


def recolour(images: Tensor, colours: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Give each drawing one of COLOURS; returns drawings, and which of them took it (N booleans).

    A drawing takes a colour where its dominant hue, or what is white or grey in it, is most of it
    and large enough. Light and shade, and other hues, stay.
    """
    hue, less, dim = torch.tensor([COLOURS[name] for name in colours]).T[..., None, None]
    ink, cover = unblended(images)
    old, drawn = to_hsv(ink), cover[:, 0] > 0
    off = (old[0] - dominant_hue(images)[:, None, None] + 0.5) % 1 - 0.5
    coloured = drawn & (old[1] > 0.25) & (old[2] > 0.2)
    near = coloured & (off.abs() < NEAR)
    pale = drawn & (old[1] < 0.25) & (old[2] > 0.35)
    area, of_coloured, of_pale, of_drawn = (_part(m) for m in (near, coloured, pale, drawn))
    turns = (area > LARGE) & (area > MOST * of_coloured) & (area > MOST / 2 * of_drawn)
    paints = ~turns & (of_pale > LARGE) & (of_pale > MOST * of_drawn)
    here = torch.where(turns[:, None, None], near, pale & paints[:, None, None])
    shade = torch.where(paints[:, None, None], PAINT * torch.ones_like(old[1]), old[1])
    spread = torch.where(paints[:, None, None], torch.zeros_like(off), off / 2)
    new = ((hue + spread) % 1, shade * less, old[2] * dim)
    light = (old[2] * here).sum((1, 2)) / here.sum((1, 2)).clamp(min=1)
    bright = torch.tensor(
        [name in {"orange", "yellow", "brown", "grey", "pink"} for name in colours]
    )
    took = (turns | paints) & (~bright | (light > 0.75))  # a dark orange is brown
    made = to_rgb(*(torch.where(here, n, o) for n, o in zip(new, old, strict=True)))
    return (made * cover + 1 - cover) * 2 - 1, took


def _part(mask: Tensor) -> Tensor:
    """How much of each of N pictures is in its mask."""
    return mask.flatten(1).float().mean(1)


def on_background(images: Tensor, colours: Tensor) -> tuple[Tensor, Tensor]:
    """Lay drawings on colours (N x 3 in [0, 1]); which of them can be seen there (N booleans).

    That is, which have a background that is large enough, and another colour than it.
    """
    ink, cover = unblended(images)
    behind = colours[:, :, None, None]
    stands_out = (cover > 0) & ((ink - behind).abs().amax(1, keepdim=True) > 0.25)
    took = (_part(cover == 0) > LARGE) & (_part(stands_out) > _part(cover > 0) / 2)
    return (ink * cover + behind * (1 - cover)) * 2 - 1, took


def unblended(images: Tensor) -> tuple[Tensor, Tensor]:
    """The ink of drawings (N x 3 x H x W in [0, 1]) and how much it covers (N x 1 x H x W).

    Background is the white that is connected to the border. In the antialiased rim beside it
    pixel = cover ink + (1 - cover) white, and the ink is as dark as the darkest pixel near it.
    """
    x = (images + 1) / 2
    darkest = x.amin(1, keepdim=True)
    reached = _from_the_border((darkest > WHITE)[:, 0]).float()[:, None]
    rim = (max_pool2d(reached, 3, 1, 1) - reached).clamp(0, 1)
    near = -max_pool2d(-darkest, 5, 1, 2)
    cover = 1 - reached - rim * (1 - (1 - darkest) / (1 - near).clamp(min=0.05)).clamp(0, 1)
    ink = torch.where(cover > 0.05, (x - (1 - cover)) / cover.clamp(min=0.05), x).clamp(0, 1)
    return ink, cover


def _from_the_border(open_: Tensor) -> Tensor:
    """The pixels of N x H x W booleans that a path of open ones joins to the border."""
    reached = torch.zeros_like(open_)
    for side in (0, -1):
        reached[:, side], reached[:, :, side] = open_[:, side], open_[:, :, side]
    while True:
        grown = reached.clone()
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown[:, :, 1:] |= reached[:, :, :-1]
        grown[:, :, :-1] |= reached[:, :, 1:]
        grown &= open_
        if torch.equal(grown, reached):
            return reached
        reached = grown


def side_by_side(left: Tensor, right: Tensor) -> Tensor:
    """Two drawings at half size, in the middle of the left and of the right half."""
    size = left.shape[-1]
    small = [interpolate(x, (size // 2, size // 2), mode="area") for x in (left, right)]
    page = torch.ones_like(left)
    page[..., size // 4 : 3 * size // 4, :] = torch.cat(small, dim=3)
    return page


def shrunk(images: Tensor) -> Tensor:
    """Drawings at half their size, in the middle of a white page."""
    quarter = images.shape[-1] // 4
    small = interpolate(images, scale_factor=0.5, mode="area")
    return pad(small, (quarter,) * 4, value=1.0)


def mirrored(images: Tensor) -> Tensor:
    """Left and right exchanged."""
    return images.flip(-1)
