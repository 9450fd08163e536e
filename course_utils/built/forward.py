"""The forward process: from a picture to noise, step by step or at once (lesson 04)."""

from torch import Tensor

from course_utils.built.schedule import NoiseSchedule, at


def forward_step(x: Tensor, eps: Tensor, t: Tensor | int, schedule: NoiseSchedule) -> Tensor:
    """One step of the forward process: x_t from x = x_{t-1} (Ho et al. 2020, eq. 2).

    x: N x C x H x W. eps: standard normal noise of the same shape. t: one step of 1..T, or N of
    them; t = 0, where beta is 0, gives x back. Raises ValueError for any other t.
    """
    beta = schedule.beta
    return at((1 - beta).sqrt(), t, x) * x + at(beta.sqrt(), t, x) * eps


def forward_jump(x0: Tensor, eps: Tensor, t: Tensor | int, schedule: NoiseSchedule) -> Tensor:
    """All steps to t at once: x_t from the clean picture x0 (Ho et al. 2020, eq. 4).

    x0: N x C x H x W. eps: standard normal noise of the same shape. t: one step of 0..T, or N of
    them; t = 0 gives x0 back. Raises ValueError for any other t.
    """
    return at(schedule.signal, t, x0) * x0 + at(schedule.noise_std, t, x0) * eps
