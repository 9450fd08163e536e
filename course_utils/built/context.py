"""Telling a network what to draw, by a vector of numbers (lesson 08)."""

import torch
from torch import Tensor, nn

from course_utils.built.digit_unet import DigitUNet


def modulate(h: Tensor, scale: Tensor | float = 0.0, shift: Tensor | float = 0.0) -> Tensor:
    """Scale and shift the channels of features: h (1 + scale) + shift (FiLM, Perez et al. 2017).

    h: N x C x H x W. scale and shift: N x C numbers, or 0 for no change. With scale = 0 an
    embedding is only added.
    """
    scale, shift = (
        part[..., None, None] if isinstance(part, Tensor) else part for part in (scale, shift)
    )
    return h * (1 + scale) + shift


class ContextEmbedding(nn.Module):
    """A context vector as an embedding: linear, SiLU, linear.

    Takes N x inputs and returns N x width. Raises ValueError for contexts of another length.
    """

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.inputs = inputs
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, context: Tensor) -> Tensor:
        if context.ndim != 2 or context.shape[1] != self.inputs:
            raise ValueError(
                f"A context has {self.inputs} numbers for each picture, so N x {self.inputs} in "
                f"all; this one is {[*context.shape]}. For one picture: context[None]."
            )
        return self.layers(context)


class ContextUNet(nn.Module):
    """A `DigitUNet` that is told a context vector in the place of a label.

    Takes pictures N x channels x H x W, H and W divisible by 4; times t, N whole numbers counted
    from 0; and contexts N x inputs, or None, which is the same as zeros: nobody tells. Returns
    N x channels x H x W. Raises ValueError for contexts of another length.
    """

    def __init__(self, inputs: int, channels: int = 3, width: int = 32, deep: int = 96):
        super().__init__()
        self.embed = ContextEmbedding(inputs, 4 * width)
        self.unet = DigitUNet(channels, width, deep, classes=0)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        if context is None:
            context = torch.zeros(len(x), self.embed.inputs, device=x.device)
        return self.unet(x, t, self.embed(context))
