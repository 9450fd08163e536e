"""Half and twice the size, in the U-Net and in the VAE (lesson 11)."""

from torch import Tensor, nn
from torch.nn.functional import interpolate, pad


class Downsample(nn.Module):
    """A convolution with stride 2: half the height and width.

    padding: 1 lays zeros around the image; 0 lays them on the right and below only, as Stable
    Diffusion's VAE does. Takes N x width x H x W and returns N x width x H / 2 x W / 2.
    """

    def __init__(self, width: int, padding: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if self.conv.padding[0] else pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Each pixel becomes 2 x 2, then a convolution smooths: twice the height and width."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(interpolate(x, scale_factor=2.0))
