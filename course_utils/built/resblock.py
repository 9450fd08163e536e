"""The residual block of all our U-Nets, and of the VAE (lesson 06)."""

from torch import Tensor, nn
from torch.nn.functional import silu


class ResBlock(nn.Module):
    """Norm, SiLU, conv, twice, added to the input; the time enters between the convolutions.

    Takes N x inputs x H x W and returns N x outputs x H x W. time_width: width of the embedding
    that is passed as `time`, None for a block without one. The embedding is added to each channel
    (Ho et al. 2020) or, with scale_shift, scales and shifts what the second norm puts out
    (Dhariwal and Nichol 2021). groups and eps are the norms'; groups divides both widths.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        time_width: int | None = None,
        groups: int = 8,
        eps: float = 1e-5,
        scale_shift: bool = False,
    ):
        super().__init__()
        self.scale_shift = scale_shift
        self.norm1 = nn.GroupNorm(groups, inputs, eps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = None
        if time_width is not None:
            self.time = nn.Linear(time_width, 2 * outputs if scale_shift else outputs)
        self.norm2 = nn.GroupNorm(groups, outputs, eps)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        h = self.conv1(silu(self.norm1(x)))
        if self.time is None:
            h = self.norm2(h)
        elif self.scale_shift:
            scale, shift = self.time(silu(time))[:, :, None, None].chunk(2, dim=1)
            h = self.norm2(h) * (1 + scale) + shift
        else:
            h = self.norm2(h + self.time(silu(time))[:, :, None, None])
        return self.skip(x) + self.conv2(silu(h))
