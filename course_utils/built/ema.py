"""A running average of a model's weights (lesson 06)."""

import copy

import torch
from torch import nn


class EMA:
    """An exponential moving average of a model's weights, as a model of its own: `ema.model`.

    After each training step call `update`: average = d * average + (1 - d) * weights. d is
    `decay`, and less at the beginning, (1 + n) / (10 + n) at update n = 1, 2, ..., so that the
    average soon forgets the random start. Raises ValueError for a decay outside [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float = 0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay lies in [0, 1), near 1; this one is {decay}.")
        self.decay, self.updates = decay, 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average a little towards the weights of `model`."""
        self.updates += 1
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for average, weight in zip(self.model.parameters(), model.parameters(), strict=True):
            average.lerp_(weight, 1 - d)
        for average, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(buffer)
