"""The U-Net that draws digits: small and fast (lesson 06)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from course_utils.built.resblock import ResBlock
from course_utils.built.timestep_embedding import TimestepEmbedding


class DigitUNet(nn.Module):
    """A U-Net for small pictures, conditioned on the timestep and, where there is one, on a label.

    Takes pictures N x channels x H x W, H and W divisible by 4; timesteps t, N whole numbers
    counted from 0; and cond: None, N labels of 0..classes (the label `classes` is the null label),
    or N x 4 width numbers as `embed` makes them of labels. Returns N x channels x H x W. Raises
    ValueError for any other labels.
    """

    def __init__(self, channels: int = 1, width: int = 32, deep: int = 96, classes: int = 10):
        super().__init__()
        self.width, self.classes, time = width, classes, 4 * width
        self.class_embedding = nn.Embedding(classes + 1, time)
        self.time_embedding = TimestepEmbedding(width, time)

        def block(inputs: int, outputs: int) -> ResBlock:
            # At least 16 channels a group: with 8, bf16 norms take several times as long on a CPU.
            return ResBlock(inputs, outputs, time, groups=width // 16, scale_shift=True)

        self.conv_in = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, width, 3, 1, 1))
        self.down1 = block(width, width)
        self.downsample = nn.Conv2d(width, deep, 3, stride=2, padding=1)
        self.mid = nn.ModuleList([block(deep, deep), block(deep, deep)])
        self.upsample = nn.Conv2d(deep, width, 3, padding=1)
        self.up1 = block(2 * width, width)
        self.conv_norm_out = nn.GroupNorm(width // 16, width)
        self.unpatchify = nn.Sequential(nn.Conv2d(width, 4 * 8, 3, 1, 1), nn.PixelShuffle(2))
        self.smooth = nn.Conv2d(8, 8, 3, padding=1)
        self.conv_out = nn.Conv2d(8, channels, 3, padding=1)

    def embed(self, cond: Tensor | None, n: int) -> Tensor:
        """cond as N x 4 width numbers: the null label's where there is none."""
        if cond is None:
            cond = torch.full((n,), self.classes, device=self.class_embedding.weight.device)
        if cond.is_floating_point():
            return cond
        if ((cond < 0) | (cond > self.classes)).any():
            raise ValueError(f"Labels run from 0 to {self.classes - 1}; {self.classes} is null.")
        return self.class_embedding(cond)

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        time = self.time_embedding(t) + self.embed(cond, len(x))
        high = self.down1(self.conv_in(x), time)  # N x width x 14 x 14
        low = self.downsample(high)  # N x deep x 7 x 7
        for block in self.mid:
            low = block(low, time)
        low = interpolate(self.upsample(low), scale_factor=2.0)  # N x width x 14 x 14
        high = self.up1(torch.cat([high, low], dim=1), time)
        full = self.unpatchify(silu(self.conv_norm_out(high)))  # N x 8 x 28 x 28
        return self.conv_out(silu(self.smooth(silu(full))))
