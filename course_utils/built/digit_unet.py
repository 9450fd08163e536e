"""The U-Net that draws digits: small and fast (lesson 06)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from course_utils.built.resblock import ResBlock
from course_utils.built.timestep import timestep_embedding


class DigitUNet(nn.Module):
    """A U-Net for small pictures that knows the time, and the label if it is told.

    Takes pictures N x channels x H x W, H and W divisible by 4; times t, N whole numbers counted
    from 0; and a context: None, N labels of 0..classes (the label `classes` means "not told"), or
    N x 4 width numbers as `embed` makes them of labels. Returns N x channels x H x W. Raises
    ValueError for any other labels.
    """

    def __init__(self, channels: int = 1, width: int = 32, deep: int = 96, classes: int = 10):
        super().__init__()
        self.width, self.classes, time = width, classes, 4 * width
        self.labels = nn.Embedding(classes + 1, time)
        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))

        def block(inputs: int, outputs: int) -> ResBlock:
            # 16 channels a group: with fewer, the norms take ten times as long on a CPU.
            return ResBlock(inputs, outputs, time, groups=width // 16, scale_shift=True)

        self.enter = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, width, 3, 1, 1))
        self.down1 = block(width, width)
        self.shrink = nn.Conv2d(width, deep, 3, stride=2, padding=1)
        self.middle = nn.ModuleList([block(deep, deep), block(deep, deep)])
        self.grow = nn.Conv2d(deep, width, 3, padding=1)
        self.up1 = block(2 * width, width)
        self.norm = nn.GroupNorm(width // 16, width)
        self.leave = nn.Sequential(nn.Conv2d(width, 4 * 8, 3, 1, 1), nn.PixelShuffle(2))
        self.smooth = nn.Conv2d(8, 8, 3, padding=1)
        self.out = nn.Conv2d(8, channels, 3, padding=1)

    def embed(self, context: Tensor | None, n: int) -> Tensor:
        """The context as N x 4 width numbers: the null label's where there is none."""
        if context is None:
            context = torch.full((n,), self.classes, device=self.labels.weight.device)
        if context.is_floating_point():
            return context
        if ((context < 0) | (context > self.classes)).any():
            raise ValueError(f"Labels run from 0 to {self.classes - 1}; {self.classes} is null.")
        return self.labels(context)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        time = self.time(timestep_embedding(t, self.width)) + self.embed(context, len(x))
        high = self.down1(self.enter(x), time)  # N x width x 14 x 14
        low = self.shrink(high)  # N x deep x 7 x 7
        for block in self.middle:
            low = block(low, time)
        low = interpolate(self.grow(low), scale_factor=2.0)  # N x width x 14 x 14
        high = self.up1(torch.cat([high, low], dim=1), time)
        full = self.leave(silu(self.norm(high)))  # N x 8 x 28 x 28
        return self.out(silu(self.smooth(silu(full))))
