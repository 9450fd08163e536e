"""Noise schedules: how much noise each step of the forward process adds (lesson 04)."""

import math

import torch
from torch import Tensor


def ramp(start: float, end: float, T: int) -> Tensor:
    """T evenly spaced numbers from `start` to `end`, in float64.

    Raises ValueError where T is not a whole number of at least 1.
    """
    if not isinstance(T, int) or T < 1:
        raise ValueError(f"A schedule has T = 1, 2, 3, ... steps; this T is {T!r}.")
    return torch.linspace(start, end, T, dtype=torch.float64)


def linear_betas(T: int, start: float = 1e-4, end: float = 0.02) -> Tensor:
    """T betas on a straight line; the ends are DDPM's (Ho et al. 2020, section 4)."""
    return ramp(start, end, T)


def quadratic_betas(T: int, start: float = 1e-4, end: float = 0.02) -> Tensor:
    """T betas whose square roots lie on a straight line."""
    return ramp(math.sqrt(start), math.sqrt(end), T) ** 2


def scaled_linear_betas(T: int) -> Tensor:
    """Stable Diffusion's T betas: the quadratic ones, between 0.00085 and 0.012."""
    return quadratic_betas(T, 0.00085, 0.012)


def sigmoid_betas(T: int, start: float = 1e-4, end: float = 0.02) -> Tensor:
    """T betas that rise from `start` to `end` along the curve sigmoid(-6 ... 6)."""
    return start + (end - start) * torch.sigmoid(ramp(-6, 6, T))


def cosine_betas(T: int, s: float = 0.008, largest: float = 0.999) -> Tensor:
    """T betas that make alpha_bar follow a squared cosine (Nichol and Dhariwal 2021, eq. 17).

    s keeps the first betas from being too small; no beta is larger than `largest`.
    """
    time = torch.cat([torch.zeros(1, dtype=torch.float64), ramp(1, T, T)]) / T
    alpha_bar = torch.cos((time + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=largest)


class NoiseSchedule:
    """What T betas say about every step t = 0..T; index 0 is the clean picture.

    betas: beta_1 ... beta_T, each strictly between 0 and 1. All arrays have T + 1 entries in
    float64 and stay on the CPU; `at` picks from them. Raises ValueError for other betas.

    beta:      variance of the noise that step t adds; beta_0 = 0
    alpha:     1 - beta
    alpha_bar: alpha_1 * ... * alpha_t; alpha_bar_0 = 1
    signal:    sqrt(alpha_bar), what x_0 is multiplied by
    noise_std: sqrt(1 - alpha_bar), what the noise is multiplied by
    log_snr:   log(alpha_bar / (1 - alpha_bar)), natural; infinite at t = 0
    """

    def __init__(self, betas: Tensor | list[float]):
        betas = torch.as_tensor(betas, dtype=torch.float64, device="cpu")
        if betas.ndim != 1 or len(betas) < 1:
            raise ValueError(f"betas is a list of T >= 1 numbers; its shape is {[*betas.shape]}.")
        wrong = betas[~((betas > 0) & (betas < 1))]  # written so that nan is wrong too
        if len(wrong):
            raise ValueError(f"Each beta lies strictly between 0 and 1, not at {wrong[0]:g}.")
        self.T = len(betas)
        self.beta = torch.cat([torch.zeros(1, dtype=torch.float64), betas])
        self.alpha = 1 - self.beta
        self.alpha_bar = torch.cumprod(self.alpha, dim=0)
        self.signal = self.alpha_bar.sqrt()
        self.noise_std = (1 - self.alpha_bar).sqrt()
        self.log_snr = torch.log(self.alpha_bar) - torch.log(1 - self.alpha_bar)

    def __repr__(self) -> str:
        return f"NoiseSchedule(T={self.T}, signal left at T: {self.signal[-1]:.3g})"


def at(values: Tensor, t: Tensor | int, like: Tensor) -> Tensor:
    """values[t] for each picture of a batch, shaped to multiply it: N x 1 x 1 x 1.

    values: T + 1 numbers of a schedule. t: one timestep of 0..T, or N of them. like: the batch;
    the result has its type and device. Raises ValueError for any other t, and where values[t] is
    nan: q(x_{t-1} | x_t, x_0) has no t = 0.
    """
    t = torch.as_tensor(t).cpu()
    if t.is_floating_point():
        raise ValueError(f"t counts steps: 1, 2, 3, ...; this t holds {t.dtype}.")
    if not like.is_floating_point():
        raise ValueError(f"Pictures hold floats in [-1, 1] here; this one holds {like.dtype}.")
    T, first = len(values) - 1, int(values[0].isnan())
    if (t < first).any() or (t > T).any():
        raise ValueError(f"t runs from {first} to T = {T}; asked for {t.min()} to {t.max()}.")
    picked = values[t.long()].to(like.dtype).to(like.device)  # cast first: MPS has no float64
    return picked.reshape(-1, *[1] * (like.ndim - 1))
