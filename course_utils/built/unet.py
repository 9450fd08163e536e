"""The conditional U-Net: Stable Diffusion's, from a lesson's size to its own (lesson 11)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from course_utils.built.resblock import ResBlock
from course_utils.built.timestep import timestep_embedding
from course_utils.built.transformer import SpatialTransformer


class Level(nn.Module):
    """One resolution of the U-Net: residual blocks, each with a look at the context, or without.

    blocks: ResBlocks. looks: as many SpatialTransformers, or none. resize: what leads to the next
    level, None at the last. The way down puts each result on the pile `skips`, the way up takes
    them off again and lays them beside its input, as further channels.
    """

    def __init__(self, blocks: list[nn.Module], looks: list[nn.Module], resize: nn.Module | None):
        super().__init__()
        self.blocks, self.looks = nn.ModuleList(blocks), nn.ModuleList(looks)
        self.resize = resize

    def step(self, i: int, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        x = self.blocks[i](x, time)
        return self.looks[i](x, context) if self.looks else x

    def down(self, x: Tensor, time: Tensor, context: Tensor, skips: list[Tensor]) -> Tensor:
        for i in range(len(self.blocks)):
            x = self.step(i, x, time, context)
            skips.append(x)
        if self.resize is not None:
            x = self.resize(x)
            skips.append(x)
        return x

    def up(self, x: Tensor, time: Tensor, context: Tensor, skips: list[Tensor]) -> Tensor:
        for i in range(len(self.blocks)):
            x = self.step(i, torch.cat([x, skips.pop()], dim=1), time, context)
        return x if self.resize is None else self.resize(x)


class Maker(NamedTuple):
    """What all parts of one U-Net have in common, and how the parts are made of it."""

    time: int
    heads: int
    context_width: int
    groups: int
    scale_shift: bool

    def block(self, inputs: int, outputs: int) -> ResBlock:
        return ResBlock(inputs, outputs, self.time, self.groups, scale_shift=self.scale_shift)

    def look(self, width: int) -> SpatialTransformer:
        return SpatialTransformer(width, self.heads, self.context_width, groups=self.groups)

    def level(self, inputs: list[int], width: int, attend: bool, resize: nn.Module | None) -> Level:
        """A level whose blocks take `inputs` channels each, and put out `width`."""
        looks = [self.look(width) for _ in inputs] if attend else []
        return Level([self.block(n, width) for n in inputs], looks, resize)


def make_levels(
    make: Maker, widths: Sequence[int], attend: Sequence[bool], blocks: int
) -> tuple[nn.ModuleList, nn.ModuleList]:
    """The levels of the way down and of the way up; `skips` counts channels as `forward` will."""
    down, up, skips = nn.ModuleList(), nn.ModuleList(), [widths[0]]
    for i, width in enumerate(widths):
        inputs = [skips[-1]] + [width] * (blocks - 1)
        last = i == len(widths) - 1
        halve = None if last else nn.Conv2d(width, width, 3, stride=2, padding=1)
        down.append(make.level(inputs, width, attend[i], halve))
        skips += [width] * (blocks if last else blocks + 1)
    before = widths[-1]
    for i in reversed(range(len(widths))):
        inputs = [n + skips.pop() for n in [before] + [widths[i]] * blocks]
        before = widths[i]
        enlarge = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(before, before, 3, 1, 1))
        up.append(make.level(inputs, before, attend[i], enlarge if i else None))
    return down, up


def check_settings(widths: Sequence[int], attend: Sequence[bool], heads: int, groups: int) -> None:
    """Raise ValueError where a U-Net can't be made of these numbers."""
    if not widths or len(attend) != len(widths):
        raise ValueError(
            f"{len(widths)} widths and {len(attend)} of attend: give one each a level."
        )
    for width in widths:
        if width % 2 or width % heads or width % groups:
            raise ValueError(
                f"Each width is even, and a multiple of heads ({heads}) and groups ({groups}); "
                f"{width} is not."
            )


def check_told(unet: nn.Module, x: Tensor, context: Tensor | None) -> None:
    """Raise ValueError, with what to do, where `unet` can't take x and this context."""
    if x.ndim != 4 or x.shape[1] != unet.channels or any(n % unet.multiple for n in x.shape[2:]):
        raise ValueError(
            f"This U-Net takes N x {unet.channels} x H x W, H and W divisible by {unet.multiple}; "
            f"got {[*x.shape]}."
        )
    if context is None:
        raise ValueError("This U-Net needs a context. To tell it nothing, encode the caption ''.")
    if context.ndim != 3 or (len(context), context.shape[2]) != (len(x), unet.context_width):
        raise ValueError(
            f"The context of {len(x)} pictures is {len(x)} x S x {unet.context_width} here; this "
            f"one is {[*context.shape]}. Is it from the encoder that the U-Net was trained with?"
        )


class UNet(nn.Module):
    """Stable Diffusion's U-Net, by default of its size (Rombach et al. 2022).

    Takes x, N x channels x H x W; times t, N whole numbers counted from 0; and a context, such as
    encoded captions, N x S x context_width. Returns x's shape. There is a level for each of the
    `widths`, at half the size of the one before, with `blocks` residual blocks on the way down and
    one more on the way up; `attend` says which levels look at the context (the middle always
    does). heads and groups divide all widths. patch: so many pixels a side become one, which saves
    time on small pictures. scale_shift: how the time enters (see ResBlock). Raises ValueError for
    settings, sizes and contexts that do not fit.
    """

    def __init__(
        self,
        channels: int = 4,
        widths: Sequence[int] = (320, 640, 1280, 1280),
        attend: Sequence[bool] = (True, True, True, False),
        blocks: int = 2,
        heads: int = 8,
        context_width: int = 768,
        groups: int = 32,
        patch: int = 1,
        scale_shift: bool = False,
    ):
        super().__init__()
        check_settings(widths, attend, heads, groups)
        first, deepest, time = widths[0], widths[-1], 4 * widths[0]
        make = Maker(time, heads, context_width, groups, scale_shift)
        self.channels, self.context_width = channels, context_width
        self.multiple = patch * 2 ** (len(widths) - 1)  # H and W can be halved if it divides them
        self.time = nn.Sequential(nn.Linear(first, time), nn.SiLU(), nn.Linear(time, time))
        self.fold, self.unfold = nn.PixelUnshuffle(patch), nn.PixelShuffle(patch)
        self.conv_in = nn.Conv2d(channels * patch**2, first, 3, padding=1)
        self.down, self.up = make_levels(make, widths, attend, blocks)
        look = make.look(deepest)
        self.middle = nn.ModuleList(
            [make.block(deepest, deepest), look, make.block(deepest, deepest)]
        )
        self.norm_out = nn.GroupNorm(groups, first)
        self.conv_out = nn.Conv2d(first, channels * patch**2, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        check_told(self, x, context)
        time = self.time(timestep_embedding(t, self.conv_in.out_channels).to(x.dtype))
        x = self.conv_in(self.fold(x))
        skips = [x]
        for level in self.down:
            x = level.down(x, time, context, skips)
        first, look, second = self.middle
        x = second(look(first(x, time), context), time)
        for level in self.up:
            x = level.up(x, time, context, skips)
        return self.unfold(self.conv_out(silu(self.norm_out(x))))
