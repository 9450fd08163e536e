"""The timesteps of a sampling loop: which of the T are visited (lesson 07).

They are a list of whole numbers that go down. The first is where sampling starts, the last is where
it ends: 0 is the clean picture. A list of n + 1 timesteps makes n sampling steps. The four spacings
have diffusers' names.
"""

from functools import partial

import torch

from course_utils.built.schedule import NoiseSchedule


def trailing_timesteps(T: int, steps: int) -> list[int]:
    """From T to 0 in equal steps; steps = T visits every timestep (Lin et al. 2023, table 2).

    Raises ValueError where steps is not a whole number between 1 and T.
    """
    _check_steps(steps, T)
    return [round(T * (steps - i) / steps) for i in range(steps + 1)]


def linspace_timesteps(T: int, steps: int) -> list[int]:
    """From T to 1 in equal steps, and then to 0: the last step is a short one.

    Raises ValueError as `trailing_timesteps` does.
    """
    _check_steps(steps, T)
    from_0 = torch.linspace(T - 1, 0, steps, dtype=torch.float64).round().int()
    return (1 + from_0).tolist() + [0]


def leading_timesteps(T: int, steps: int, offset: int = 0, end: int = 0) -> list[int]:
    """Multiples of T // steps, counted up from 1 + offset, so that T itself is left out.

    Stable Diffusion's DDIM has offset = 1 and end = 1: its last picture is x_1, not x_0. Raises
    ValueError as `trailing_timesteps` does, and where the end is not below the other timesteps.
    """
    _check_steps(steps, T)
    times = [1 + offset + (T // steps) * i for i in reversed(range(steps))]
    if not 0 <= end < times[-1] or times[0] > T:
        raise ValueError(f"Offset {offset} and end {end} give no timesteps within 0..{T}.")
    return times + [end]


def karras_timesteps(schedule: NoiseSchedule, steps: int, rho: float = 7.0) -> list[int]:
    """Small steps where there is little noise: even in sigma^(1/rho), from T to 1, then to 0.

    sigma = noise_std / signal (Karras et al. 2022, eq. 5). Each value is moved to the nearest
    timestep that is still free. Raises ValueError as `trailing_timesteps` does.
    """
    T = schedule.T
    _check_steps(steps, T)
    sigma = (schedule.noise_std / schedule.signal)[1:]
    wanted = torch.linspace(1, 0, steps, dtype=torch.float64)
    root = sigma[0] ** (1 / rho) + wanted * (sigma[-1] ** (1 / rho) - sigma[0] ** (1 / rho))
    nearest = 1 + (rho * root.log()[:, None] - sigma.log()).abs().argmin(1)
    times = [T + 1]
    for left, t in zip(reversed(range(steps)), nearest.tolist(), strict=True):
        times.append(min(max(t, left + 1), times[-1] - 1))  # room for those that are left
    return times[1:] + [0]


def spaced_timesteps(spacing: str, T: int, steps: int) -> list[int]:
    """Timesteps from noise to picture, by the name of their spacing.

    "trailing", "linspace" and "leading" are the functions above; "stable_diffusion" is Stable
    Diffusion's own: leading, with offset 1 and end 1. Raises ValueError for another name, and for
    "karras": that needs the schedule, and `karras_timesteps` takes it.
    """
    spacings = {
        "trailing": trailing_timesteps,
        "linspace": linspace_timesteps,
        "leading": leading_timesteps,
        "stable_diffusion": partial(leading_timesteps, offset=1, end=1),
    }
    if spacing not in spacings:
        others = "with a schedule, call karras_timesteps"
        raise ValueError(f"spacing is one of {', '.join(spacings)} ({others}); not {spacing!r}.")
    return spacings[spacing](T, steps)


def _check_steps(steps: int, T: int) -> None:
    if not isinstance(steps, int) or not 1 <= steps <= T:
        raise ValueError(f"Sampling takes 1 to T = {T} steps, not {steps!r}.")
