"""Telling a network what time it is: a number as many waves (lesson 06)."""

import math

import torch
from torch import Tensor


def timestep_embedding(t: Tensor, width: int, period: float = 10_000) -> Tensor:
    """The times t as N x width numbers in [-1, 1]: cosines, then sines, of rising wavelength.

    t: N times, counted 0, 1, 2, ...; width: even. The wavelengths form a geometric series from
    2 pi to nearly 2 pi * period (Vaswani et al. 2017, section 3.5; cosine first and no frequency
    shift, as in Stable Diffusion). Raises ValueError for another width or shape.
    """
    if t.ndim != 1 or width < 2 or width % 2:
        raise ValueError(f"t has N times and width is even; got {[*t.shape]} and {width}.")
    half = width // 2
    k = torch.arange(half, device=t.device, dtype=torch.float32)
    frequency = torch.exp(-math.log(period) * k / half)
    angle = t[:, None].float() * frequency  # N x half
    return torch.cat([angle.cos(), angle.sin()], dim=1)
