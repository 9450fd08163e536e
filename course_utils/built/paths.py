"""Paths of times that a sampler walks: from noise down to the picture (lesson 07).

A path is a list of whole numbers that go down. The first is where sampling starts, the last is
where it ends: 0 is the clean picture. A path of n + 1 times has n steps.
"""

import torch

from course_utils.built.schedule import NoiseSchedule


def check_steps(steps: int, T: int) -> None:
    """Raise ValueError unless `steps` is a whole number between 1 and T."""
    if not isinstance(steps, int) or not 1 <= steps <= T:
        raise ValueError(f"A path through {T} steps has 1 to {T} of them, not {steps!r}.")


def even_path(T: int, steps: int) -> list[int]:
    """From T to 0 in equal strides; steps = T visits every time.

    Called "trailing" elsewhere (Lin et al. 2023, table 2). Raises ValueError where steps is not a
    whole number between 1 and T.
    """
    check_steps(steps, T)
    return [round(T * (steps - i) / steps) for i in range(steps + 1)]


def linspace_path(T: int, steps: int) -> list[int]:
    """From T to 1 in equal strides, and then to 0: the last stride is a short one.

    Called "linspace" elsewhere. Raises ValueError as `even_path` does.
    """
    check_steps(steps, T)
    from_0 = torch.linspace(T - 1, 0, steps, dtype=torch.float64).round().int()
    return (1 + from_0).tolist() + [0]


def leading_path(T: int, steps: int, offset: int = 0, end: int = 0) -> list[int]:
    """Multiples of T // steps, counted up from 1 + offset, so that T itself is left out.

    Called "leading" elsewhere. Stable Diffusion's DDIM has offset = 1 and end = 1: its last
    picture is x_1, not x_0. Raises ValueError as `even_path` does, and where the end is not below
    the other times.
    """
    check_steps(steps, T)
    times = [1 + offset + (T // steps) * i for i in reversed(range(steps))]
    if not 0 <= end < times[-1] or times[0] > T:
        raise ValueError(f"Offset {offset} and end {end} make no path within 0..{T} that descends.")
    return times + [end]


def karras_path(schedule: NoiseSchedule, steps: int, rho: float = 7.0) -> list[int]:
    """Short strides where there is little noise: even in sigma^(1/rho), from T to 1, then to 0.

    sigma = noise_std / signal (Karras et al. 2022, eq. 5). Each value is moved to the nearest time
    that is still free. Raises ValueError as `even_path` does.
    """
    T = schedule.T
    check_steps(steps, T)
    sigma = (schedule.noise_std / schedule.signal)[1:]
    wanted = torch.linspace(1, 0, steps, dtype=torch.float64)
    root = sigma[0] ** (1 / rho) + wanted * (sigma[-1] ** (1 / rho) - sigma[0] ** (1 / rho))
    nearest = 1 + (rho * root.log()[:, None] - sigma.log()).abs().argmin(1)
    times = [T + 1]
    for left, t in zip(reversed(range(steps)), nearest.tolist(), strict=True):
        times.append(min(max(t, left + 1), times[-1] - 1))  # room for those that are left
    return times[1:] + [0]
