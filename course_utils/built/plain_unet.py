"""A plain U-Net: an encoder-decoder with skip connections (lesson 03)."""

import torch
from torch import Tensor, nn


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """The U-Net's block: two 3 x 3 convolutions with activations. Keeps height and width."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.SiLU(),
    )


class PlainUNet(nn.Module):
    """A U-Net that knows nothing of time or context: a picture in, a picture of that size out.

    Takes and gives N x channels x H x W; H and W are multiples of 2 ** (len(widths) - 1). `widths`
    are the channels at each resolution, from the finest to the coarsest. There is no activation
    after the last convolution: a pixel, or noise, can have any value.
    """

    def __init__(self, channels: int = 1, widths: tuple[int, ...] = (16, 32, 64)):
        super().__init__()
        self.down = nn.ModuleList(
            double_conv(a, b) for a, b in zip((channels, *widths), widths, strict=False)
        )
        self.up = nn.ModuleList(
            double_conv(b + a, a) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.out = nn.Conv2d(widths[0], channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        _check_divisible(x, 2 ** (len(self.down) - 1))
        skips = []
        for block in self.down[:-1]:
            x = block(x)
            skips.append(x)  # kept for the way up, at full detail
            x = nn.functional.max_pool2d(x, 2)  # half the height and width
        x = self.down[-1](x)
        for block in self.up:
            x = nn.functional.interpolate(x, scale_factor=2)  # twice the height and width
            x = block(torch.cat([x, skips.pop()], dim=1))
        return self.out(x)


def _check_divisible(x: Tensor, factor: int) -> None:
    if x.shape[-1] % factor or x.shape[-2] % factor:
        raise ValueError(
            f"This U-Net halves pictures to 1/{factor}: height and width must be multiples of "
            f"{factor}, and this batch is {tuple(x.shape)}. Pad or crop it, or use fewer widths."
        )
