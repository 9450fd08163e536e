"""A world in which the exact network and the exact flow are known, for the tests of samplers."""

import torch

from course_utils.built.parameterization import from_x0
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.built.timesteps import (
    karras_timesteps,
    leading_timesteps,
    linspace_timesteps,
    trailing_timesteps,
)

SCHEDULE = NoiseSchedule(linear_betas(1000))
SPACINGS = {
    "even5": trailing_timesteps(1000, 5),
    "even20": trailing_timesteps(1000, 20),
    "linspace": linspace_timesteps(1000, 12),
    "leading": leading_timesteps(1000, 20),
    "karras": karras_timesteps(SCHEDULE, 18),
    "uneven": [1000, 998, 700, 3, 2, 1, 0],
}


def seeded(number=0):
    return torch.Generator().manual_seed(number)


def start(n=4, shape=(1, 4, 4), scale=1.0):
    return scale * torch.randn(n, *shape, generator=seeded(7), dtype=torch.float64)


def mixture(prediction_type="epsilon", schedule=SCHEDULE, spread=0.3, centres=(-0.7, 0.5)):
    """The exact network of numbers that are normal around one of two centres: smooth in x and t."""
    centres = torch.tensor(centres, dtype=torch.float64)

    def denoise(x, t):
        signal, noise_std = schedule.signal[t], schedule.noise_std[t]
        variance = signal**2 * spread**2 + noise_std**2
        away = x[..., None] - signal * centres
        weights = torch.softmax(-(away**2) / (2 * variance), -1)
        x0 = (weights * (centres + signal * spread**2 / variance * away)).sum(-1)
        return from_x0(prediction_type, x0, x, t, schedule)

    return denoise
