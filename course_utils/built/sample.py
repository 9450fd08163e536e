"""Sampling: one loop for all samplers (lesson 07)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from course_utils.built.parameterization import to_x0
from course_utils.built.samplers import ddim_step, ddpm_step, dpmpp_2m_step, euler_step, heun_step
from course_utils.built.schedule import NoiseSchedule


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


@dataclass
class Sampling:
    """What the steps of one sampling loop share; `sample` says what each is."""

    schedule: NoiseSchedule
    estimate: Callable[[Tensor, int], Tensor]  # (x_t, t) -> x0
    generator: torch.Generator | None
    eta: float
    variance: str
    last: tuple[Tensor, int] | None = None  # the estimate of the step before, and its time

    def ddpm(self, x: Tensor, x0: Tensor, t: int, s: int) -> Tensor:
        noise = fresh_noise(x, self.generator)
        return ddpm_step(x, x0, t, s, self.schedule, noise, self.variance)

    def ddim(self, x: Tensor, x0: Tensor, t: int, s: int) -> Tensor:
        noise = fresh_noise(x, self.generator) if self.eta > 0 else 0.0
        return ddim_step(x, x0, t, s, self.schedule, self.eta, noise)

    def euler(self, x: Tensor, x0: Tensor, t: int, s: int) -> Tensor:
        return euler_step(x, x0, t, s, self.schedule)

    def heun(self, x: Tensor, x0: Tensor, t: int, s: int) -> Tensor:
        return heun_step(x, x0, t, s, self.schedule, self.estimate)

    def dpmpp_2m(self, x: Tensor, x0: Tensor, t: int, s: int) -> Tensor:
        return dpmpp_2m_step(x, x0, t, s, self.schedule, self.last)


SAMPLERS: dict[str, Callable[[Sampling, Tensor, Tensor, int, int], Tensor]] = {
    "ddpm": Sampling.ddpm,
    "ddim": Sampling.ddim,
    "euler": Sampling.euler,
    "heun": Sampling.heun,
    "dpmpp_2m": Sampling.dpmpp_2m,
}
"""From a sampler's name to its step."""


@torch.no_grad()
def sample(
    denoise: Callable[[Tensor, int], Tensor],
    x: Tensor,
    schedule: NoiseSchedule,
    timesteps: Sequence[int],
    sampler: str = "ddpm",
    prediction_type: str = "epsilon",
    *,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    clamp: bool = False,
    callback: Callable[[int, Tensor, Tensor], None] | None = None,
    variance: str = "beta-tilde",
) -> Tensor:
    """The sampling loop: from x, at the first of the timesteps, to the picture at the last.

    denoise: (x_t, t) -> the network's prediction, of x_t's shape; t is one int of 1..T.
    prediction_type: what it predicts, "epsilon", "sample" or "v_prediction" (as `to_x0`).
    x: N x C x H x W, standard normal where the timesteps start at T. timesteps: they descend, each
    in 0..T, the end included. sampler: one of SAMPLERS; "ddpm" has a `variance` ("beta-tilde" or
    "beta"), "ddim" an `eta` in [0, 1]; "heun" takes two NFE a step, but one for the step to 0.
    generator: where new noise comes from; needed by "ddpm", and by "ddim" with eta > 0.
    clamp: keep each estimate of x0 in [-1, 1]. callback: called after each step with the time
    reached, x there, and the estimate of x0 that the step started from.
    Raises ValueError where one of these is something else.
    """
    _check_request(timesteps, schedule.T, sampler, eta)

    def estimate(x: Tensor, t: int) -> Tensor:
        prediction = denoise(x, t)
        _check_prediction(prediction, x)
        x0 = to_x0(prediction_type, prediction, x, t, schedule)
        return x0.clamp(-1, 1) if clamp else x0

    run = Sampling(schedule, estimate, generator, eta, variance)
    for t, s in pairwise(int(t) for t in timesteps):
        x0 = estimate(x, t)
        x = SAMPLERS[sampler](run, x, x0, t, s)
        run.last = x0, t
        if callback is not None:
            callback(s, x, x0)
    return x


def _check_prediction(prediction: Tensor, x: Tensor) -> None:
    if prediction.shape != x.shape:
        raise ValueError(f"denoise made {[*prediction.shape]} out of pictures {[*x.shape]}.")


def _check_request(timesteps: Sequence[int], T: int, sampler: str, eta: float) -> None:
    """Raise ValueError, with what to do, where `sample` was asked for something impossible."""
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler is one of {', '.join(SAMPLERS)}; this one is {sampler!r}.")
    if len(timesteps) < 2:
        raise ValueError(
            f"Timesteps have a start and an end, such as [{T}, 0]; these are {timesteps!r}."
        )
    if any(t != int(t) or not 0 <= t <= T for t in timesteps):
        raise ValueError(f"Timesteps are whole numbers in 0..T = {T}; these are {timesteps!r:.80}.")
    if any(t <= s for t, s in pairwise(timesteps)):
        raise ValueError(f"Timesteps descend, from noise to picture; these are {timesteps!r:.80}.")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta lies between 0 (no new noise) and 1 (as DDPM), not at {eta!r}.")
    if sampler == "dpmpp_2m" and len(timesteps) == 2 and timesteps[1] > 1:
        raise ValueError(
            "dpmpp_2m needs the estimate of the step before, so a loop that is cut into single "
            "steps can't use it: take ddim."
        )
