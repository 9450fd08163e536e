"""Conditioning a network on a vector of numbers: what to draw (lesson 08)."""

import torch
from torch import Tensor, nn

from course_utils.built.digit_unet import DigitUNet


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
    """A `DigitUNet` that is conditioned on a context vector in the place of a label.

    Takes pictures N x channels x H x W, H and W divisible by 4; times t, N whole numbers counted
    from 0; and contexts N x inputs, or None for the unconditional prediction, which is the same as
    zeros. Returns N x channels x H x W. Raises ValueError for contexts of another length.
    """

    def __init__(self, inputs: int, channels: int = 3, width: int = 32, deep: int = 96):
        super().__init__()
        self.embed = ContextEmbedding(inputs, 4 * width)
        self.unet = DigitUNet(channels, width, deep, classes=0)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        if context is None:
            context = torch.zeros(len(x), len(self.embed.rows), device=x.device)
        return self.unet(x, t, self.embed(context))
