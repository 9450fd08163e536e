"""The residual block of all our U-Nets, and of the VAE (lesson 06)."""

from torch import Tensor, nn
from torch.nn.functional import silu


def modulate(h: Tensor, scale: Tensor | float = 0.0, shift: Tensor | float = 0.0) -> Tensor:
    """Scale and shift the channels of features: h (1 + scale) + shift (FiLM, Perez et al. 2017).

    h: N x C x H x W. scale and shift: N x C numbers, or 0 for no change. With scale = 0 an
    embedding is only added.
    """
    scale, shift = (
        part[..., None, None] if isinstance(part, Tensor) else part for part in (scale, shift)
    )
    return h * (1 + scale) + shift


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
        self.time_emb_proj = None
        if time_width is not None:
            self.time_emb_proj = nn.Linear(time_width, 2 * outputs if scale_shift else outputs)
        self.norm2 = nn.GroupNorm(groups, outputs, eps)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        h = self.conv1(silu(self.norm1(x)))
        if self.time_emb_proj is None:
            h = self.norm2(h)
        elif self.scale_shift:
            scale, shift = self.time_emb_proj(silu(time)).chunk(2, dim=1)
            h = modulate(self.norm2(h), scale, shift)
        else:
            h = self.norm2(modulate(h, shift=self.time_emb_proj(silu(time))))
        return self.conv_shortcut(x) + self.conv2(silu(h))
