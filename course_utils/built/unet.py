"""The conditional U-Net: Stable Diffusion's, from a lesson's size to its own (lesson 11)."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from course_utils.built.resample import Downsample, Upsample
from course_utils.built.resblock import ResBlock
from course_utils.built.timestep_embedding import TimestepEmbedding
from course_utils.built.transformer import SpatialTransformer


class DownBlock(nn.Module):
    """One resolution on the way down: residual blocks, each with attention after it or without.

    resnets: ResBlocks. attentions: as many SpatialTransformers, or none. downsample: whether half
    this resolution comes next. Each result is pushed on `skips`, the stack of skip connections.
    """

    def __init__(self, resnets: list[nn.Module], attentions: list[nn.Module], downsample: bool):
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(resnets), nn.ModuleList(attentions)
        width = resnets[-1].conv2.out_channels
        self.downsamplers = nn.ModuleList([Downsample(width)] if downsample else [])

    def forward(self, x: Tensor, time: Tensor, states: Tensor, skips: list[Tensor]) -> Tensor:
        for i, resnet in enumerate(self.resnets):
            x = resnet(x, time)
            x = self.attentions[i](x, states) if self.attentions else x
            skips.append(x)
        for downsample in self.downsamplers:
            x = downsample(x)
            skips.append(x)
        return x


class MidBlock(nn.Module):
    """The lowest resolution, where attention is cheapest: residual block, attention, again one."""

    def __init__(self, resnets: list[nn.Module], attentions: list[nn.Module]):
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(resnets), nn.ModuleList(attentions)

    def forward(self, x: Tensor, time: Tensor, states: Tensor) -> Tensor:
        x = self.attentions[0](self.resnets[0](x, time), states)
        return self.resnets[1](x, time)


class UpBlock(nn.Module):
    """One resolution on the way up: as `DownBlock`, but skip connections come in.

    They are popped from `skips` and concatenated, as further channels. upsample: whether twice this
    resolution comes next.
    """

    def __init__(self, resnets: list[nn.Module], attentions: list[nn.Module], upsample: bool):
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(resnets), nn.ModuleList(attentions)
        width = resnets[-1].conv2.out_channels
        self.upsamplers = nn.ModuleList([Upsample(width)] if upsample else [])

    def forward(self, x: Tensor, time: Tensor, states: Tensor, skips: list[Tensor]) -> Tensor:
        for i, resnet in enumerate(self.resnets):
            x = resnet(torch.cat([x, skips.pop()], dim=1), time)
            x = self.attentions[i](x, states) if self.attentions else x
        for upsample in self.upsamplers:
            x = upsample(x)
        return x


def unet_blocks(
    resnet: Callable[[int, int], nn.Module],
    attention: Callable[[int], nn.Module],
    widths: Sequence[int],
    attend: Sequence[bool],
    layers_per_block: int,
) -> tuple[nn.ModuleList, nn.ModuleList]:
    """The blocks of the way down and of the way up; `skips` counts channels as `forward` will.

    resnet(inputs, outputs) and attention(width) make their layers.
    """
    down, up, skips = nn.ModuleList(), nn.ModuleList(), [widths[0]]

    def layers(inputs: list[int], i: int) -> tuple[list[nn.Module], list[nn.Module]]:
        width = widths[i]
        return [resnet(n, width) for n in inputs], [attention(width) for _ in inputs if attend[i]]

    for i, width in enumerate(widths):
        last = i == len(widths) - 1
        down.append(DownBlock(*layers([skips[-1]] + [width] * (layers_per_block - 1), i), not last))
        skips += [width] * (layers_per_block if last else layers_per_block + 1)
    before = widths[-1]
    for i in reversed(range(len(widths))):
        inputs = [n + skips.pop() for n in [before] + [widths[i]] * layers_per_block]
        up.append(UpBlock(*layers(inputs, i), upsample=i > 0))
        before = widths[i]
    return down, up


class UNet(nn.Module):
    """Stable Diffusion's U-Net, by default of its size (Rombach et al. 2022).

    Takes x, N x channels x H x W; timesteps t, N whole numbers counted from 0; and
    encoder_hidden_states, such as text embeddings, N x S x cross_attention_dim. Returns x's shape.
    There is a resolution for each of the `widths`, half the one before, with `layers_per_block`
    residual blocks on the way down and one more on the way up; `attend` says which of them have
    attention (the middle always does). heads and groups divide all widths. patch: so many pixels a
    side become one, which saves time on small images. scale_shift: how the time enters (see
    ResBlock). Raises ValueError for settings, sizes and embeddings that do not fit.
    """

    def __init__(
        self,
        channels: int = 4,
        widths: Sequence[int] = (320, 640, 1280, 1280),
        attend: Sequence[bool] = (True, True, True, False),
        layers_per_block: int = 2,
        heads: int = 8,
        cross_attention_dim: int = 768,
        groups: int = 32,
        patch: int = 1,
        scale_shift: bool = False,
    ):
        super().__init__()
        _check_settings(widths, attend, heads, groups)
        first, deepest, time = widths[0], widths[-1], 4 * widths[0]
        resnet = partial(ResBlock, time_width=time, groups=groups, scale_shift=scale_shift)
        attention = partial(SpatialTransformer, heads=heads, groups=groups)
        attention = partial(attention, cross_attention_dim=cross_attention_dim)
        self.channels, self.cross_attention_dim = channels, cross_attention_dim
        self.multiple = patch * 2 ** (len(widths) - 1)  # H and W can be halved if it divides them
        self.time_embedding = TimestepEmbedding(first, time)
        self.patchify, self.unpatchify = nn.PixelUnshuffle(patch), nn.PixelShuffle(patch)
        self.conv_in = nn.Conv2d(channels * patch**2, first, 3, padding=1)
        blocks = unet_blocks(resnet, attention, widths, attend, layers_per_block)
        self.down_blocks, self.up_blocks = blocks
        self.mid_block = MidBlock(
            [resnet(deepest, deepest) for _ in range(2)], [attention(deepest)]
        )
        self.conv_norm_out = nn.GroupNorm(groups, first)
        self.conv_out = nn.Conv2d(first, channels * patch**2, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        _check_inputs(self, x, encoder_hidden_states)
        time = self.time_embedding(t)
        x = self.conv_in(self.patchify(x))
        skips = [x]
        for block in self.down_blocks:
            x = block(x, time, encoder_hidden_states, skips)
        x = self.mid_block(x, time, encoder_hidden_states)
        for block in self.up_blocks:
            x = block(x, time, encoder_hidden_states, skips)
        return self.unpatchify(self.conv_out(silu(self.conv_norm_out(x))))


def _check_settings(widths: Sequence[int], attend: Sequence[bool], heads: int, groups: int) -> None:
    """Raise ValueError where a U-Net can't be made of these numbers."""
    if not widths or len(attend) != len(widths):
        raise ValueError(
            f"{len(widths)} widths and {len(attend)} of attend: give one each a resolution."
        )
    for width in widths:
        if width % 2 or width % heads or width % groups:
            raise ValueError(
                f"Each width is even, and a multiple of heads ({heads}) and groups ({groups}); "
                f"{width} is not."
            )


def _check_inputs(unet: UNet, x: Tensor, states: Tensor | None) -> None:
    """Raise ValueError, with what to do, where `unet` can't take x and these embeddings."""
    if x.ndim != 4 or x.shape[1] != unet.channels or any(n % unet.multiple for n in x.shape[2:]):
        raise ValueError(
            f"This U-Net takes N x {unet.channels} x H x W, H and W divisible by {unet.multiple}; "
            f"got {[*x.shape]}."
        )
    if states is None:
        raise ValueError(
            "This U-Net needs text embeddings; for the unconditional prediction, those of ''."
        )
    if states.ndim != 3 or (len(states), states.shape[2]) != (len(x), unet.cross_attention_dim):
        raise ValueError(
            f"The embeddings of {len(x)} pictures are {len(x)} x S x {unet.cross_attention_dim} "
            f"here; these are {[*states.shape]}. Are they of the text encoder that the U-Net was "
            f"trained with?"
        )
