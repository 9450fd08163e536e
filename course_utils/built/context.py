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
    """A context vector as an embedding: each of its numbers times a learned row, all added up.

    Takes N x inputs and returns N x width. A vector with a single 1 picks a row, as `nn.Embedding`
    does by a label; zeros give zeros. Raises ValueError for contexts of another length.
    """

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.rows = nn.Parameter(torch.randn(inputs, width))

    def forward(self, context: Tensor) -> Tensor:
        inputs = len(self.rows)
        if context.ndim != 2 or context.shape[1] != inputs or not context.is_floating_point():
            raise ValueError(
                f"A context has {inputs} numbers for each picture: floats, N x {inputs}. This one "
                f"is {[*context.shape]}, {context.dtype}. For a single picture: context[None]."
            )
        return context @ self.rows


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
            context = torch.zeros(len(x), len(self.embed.rows), device=x.device)
        return self.unet(x, t, self.embed(context))
