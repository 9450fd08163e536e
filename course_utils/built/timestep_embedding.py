"""Timestep embeddings: a number as many waves (lesson 06)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu


def timestep_embedding(t: Tensor, width: int, period: float = 10_000) -> Tensor:
    """The timesteps t as N x width numbers in [-1, 1]: cosines, then sines, of rising wavelength.

    t: N timesteps, counted 0, 1, 2, ...; width: even. The wavelengths form a geometric series from
    2 pi to nearly 2 pi * period (Vaswani et al. 2017, section 3.5; cosine first and no frequency
    shift, as in Stable Diffusion). Raises ValueError for another width or shape.
    """
    if t.ndim != 1 or width < 2 or width % 2:
        raise ValueError(f"t has N timesteps and width is even; got {[*t.shape]} and {width}.")
    half = width // 2
    k = torch.arange(half, device=t.device, dtype=torch.float32)
    frequency = torch.exp(-math.log(period) * k / half)
    angle = t[:, None].float() * frequency  # N x half
    return torch.cat([angle.cos(), angle.sin()], dim=1)


class TimestepEmbedding(nn.Module):
    """Timesteps as embeddings: their waves, then two linear layers with SiLU between.

    Takes t, N timesteps counted 0, 1, 2, ...; returns N x outputs numbers. waves: how many there
    are of `timestep_embedding`, an even number.
    """

    def __init__(self, waves: int, outputs: int):
        super().__init__()
        self.linear_1 = nn.Linear(waves, outputs)
        self.linear_2 = nn.Linear(outputs, outputs)

    def forward(self, t: Tensor) -> Tensor:
        waves = timestep_embedding(t, self.linear_1.in_features).to(self.linear_1.weight.dtype)
        return self.linear_2(silu(self.linear_1(waves)))
