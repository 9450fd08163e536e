"""Sampling: one loop for all samplers (lesson 07)."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from course_utils.built.reverse import to_x0
from course_utils.built.schedule import NoiseSchedule
from course_utils.built.steps import ddim_step, ddpm_step, dpmpp_2m_step, euler_step, heun_step


def check_request(path: Sequence[int], T: int, sampler: str, eta: float) -> None:
    """Raise ValueError, with what to do, where `sample` was asked for something impossible."""
    samplers = ("ddpm", "ddim", "euler", "heun", "dpmpp_2m")
    if sampler not in samplers:
        raise ValueError(f"sampler is one of {', '.join(samplers)}; this one is {sampler!r}.")
    if len(path) < 2:
        raise ValueError(f"A path has a start and an end, such as [{T}, 0]; this one is {path!r}.")
    if any(t != int(t) or not 0 <= t <= T for t in path):
        raise ValueError(
            f"A path's times are whole numbers in 0..T = {T}; this one is {path!r:.80}."
        )
    if any(t <= s for t, s in pairwise(path)):
        raise ValueError(f"A path descends, from noise to picture; this one is {path!r:.80}.")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta lies between 0 (no new noise) and 1 (as DDPM), not at {eta!r}.")


def x0_estimator(
    denoise: Callable[[Tensor, int], Tensor], kind: str, clamp: bool, schedule: NoiseSchedule
) -> Callable[[Tensor, int], Tensor]:
    """The function (x_t, t) -> estimate of x0 that a network's prediction of this kind means.

    It raises ValueError where the prediction has another shape than x_t.
    """

    def estimate(x: Tensor, t: int) -> Tensor:
        value = denoise(x, t)
        if value.shape != x.shape:
            raise ValueError(f"denoise made {[*value.shape]} out of pictures {[*x.shape]}.")
        x0 = to_x0(kind, value, x, t, schedule)
        return x0.clamp(-1, 1) if clamp else x0

    return estimate


def fresh_noise(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of x's shape and type, drawn where the generator lives.

    Raises ValueError where there is no generator.
    """
    if not isinstance(generator, torch.Generator):
        raise ValueError(
            f"Noise is drawn here: give generator=torch.Generator().manual_seed(0), "
            f"not {generator!r}."
        )
    drawn = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
    return drawn.to(x.device)


@torch.no_grad()
def sample(
    denoise: Callable[[Tensor, int], Tensor],
    x: Tensor,
    schedule: NoiseSchedule,
    path: Sequence[int],
    sampler: str = "ddpm",
    kind: str = "eps",
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    clamp: bool = False,
    callback: Callable[[int, Tensor, Tensor], None] | None = None,
    variance: str = "beta-tilde",
) -> Tensor:
    """Walk from x, at the first time of `path`, to the picture at its last time.

    denoise: (x_t, t) -> the network's prediction, of x_t's shape; t is one int of 1..T. kind: what
    it predicts, "eps", "x0" or "v" (as `to_x0`). x: N x C x H x W, standard normal where the path
    starts at T. path: times that descend, each in 0..T, the end point included.
    sampler: "ddpm" (with `variance` "beta-tilde" or "beta"), "ddim" (with `eta` in [0, 1]),
    "euler", "heun" (two evaluations a step, but one for the step to 0) or "dpmpp_2m".
    generator: where new noise comes from; needed by "ddpm", and by "ddim" with eta > 0.
    clamp: keep each estimate of x0 in [-1, 1]. callback: called after each step with the time
    reached, x there, and the estimate of x0 that the step started from.
    Raises ValueError where one of these is something else.
    """
    check_request(path, schedule.T, sampler, eta)
    estimate = x0_estimator(denoise, kind, clamp, schedule)
    last = None
    for t, s in pairwise(int(t) for t in path):
        x0 = estimate(x, t)
        if sampler == "ddpm":
            x = ddpm_step(x, x0, t, s, schedule, fresh_noise(x, generator), variance)
        elif sampler == "ddim":
            noise = fresh_noise(x, generator) if eta > 0 else 0.0
            x = ddim_step(x, x0, t, s, schedule, eta, noise)
        elif sampler == "euler":
            x = euler_step(x, x0, t, s, schedule)
        elif sampler == "heun":
            x = heun_step(x, x0, t, s, schedule, estimate)
        else:
            x = dpmpp_2m_step(x, x0, t, s, schedule, last)
        last = x0, t
        if callback is not None:
            callback(s, x, x0)
    return x
