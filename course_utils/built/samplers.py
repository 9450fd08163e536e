"""One step of each sampler: from x at time t to time s < t, given an estimate of x0 (lesson 07).

All take x and x0 (N x C x H x W, or any other shape), whole times t > s >= 0, and the schedule.
In all, signal is sqrt(alpha_bar), noise_std is sqrt(1 - alpha_bar) and sigma their quotient.
"""

from collections.abc import Callable

from torch import Tensor

from course_utils.built.schedule import NoiseSchedule


def step_betas(t: int, s: int, schedule: NoiseSchedule) -> tuple[float, float]:
    """beta and beta-tilde of one sampling step, from t to s < t: as if it were a single step.

    All steps from s to t are one: alpha_bar_t / alpha_bar_s is the product of their alphas.
    """
    alpha_bar, before = schedule.alpha_bar[t].item(), schedule.alpha_bar[s].item()
    beta = 1 - alpha_bar / before
    return beta, (1 - before) / (1 - alpha_bar) * beta


def ddpm_step(
    x: Tensor,
    x0: Tensor,
    t: int,
    s: int,
    schedule: NoiseSchedule,
    noise: Tensor,
    variance: str = "beta-tilde",
) -> Tensor:
    """Ancestral: the posterior's mean, and fresh noise (Ho et al. 2020, eq. 7, for any s < t).

    noise: standard normal, of x's shape. variance: "beta-tilde", or "beta", which adds more noise,
    and none where s = 0. Raises ValueError for another variance.
    """
    alpha_bar, before = schedule.alpha_bar[t].item(), schedule.alpha_bar[s].item()
    beta, beta_tilde = step_betas(t, s, schedule)
    weight_x0 = before**0.5 * beta / (1 - alpha_bar)
    weight_x = (1 - beta) ** 0.5 * (1 - before) / (1 - alpha_bar)
    variances = {"beta-tilde": beta_tilde, "beta": beta if s > 0 else 0.0}
    if variance not in variances:
        raise ValueError(f"variance is 'beta-tilde' or 'beta'; this one is {variance!r}.")
    return weight_x0 * x0 + weight_x * x + variances[variance] ** 0.5 * noise


def ddim_step(
    x: Tensor,
    x0: Tensor,
    t: int,
    s: int,
    schedule: NoiseSchedule,
    eta: float = 0.0,
    noise: Tensor | float = 0.0,
) -> Tensor:
    """Jump to x0 and back to time s, with the old noise and a share of new (Song 2021, eq. 12).

    eta = 0 keeps the old noise; eta = 1 draws as much new noise as DDPM does. noise: standard
    normal, of x's shape; not needed for eta = 0.
    """
    signal, noise_std = schedule.signal[s].item(), schedule.noise_std[s].item()
    eps = (x - schedule.signal[t].item() * x0) / schedule.noise_std[t].item()
    new = eta * step_betas(t, s, schedule)[1] ** 0.5
    old = max(noise_std**2 - new**2, 0.0) ** 0.5
    return signal * x0 + old * eps + new * noise


def sigma_at(t: int, schedule: NoiseSchedule) -> float:
    """Noise over signal at time t: sqrt(1 - alpha_bar) / sqrt(alpha_bar)."""
    return (schedule.noise_std[t] / schedule.signal[t]).item()


def euler_step(x: Tensor, x0: Tensor, t: int, s: int, schedule: NoiseSchedule) -> Tensor:
    """Euler's method on the probability-flow ODE dy/dsigma = (y - x0) / sigma, y = x / signal.

    (Karras et al. 2022, algorithm 1 without its corrector.)
    """
    sigma, sigma_next = sigma_at(t, schedule), sigma_at(s, schedule)
    y = x / schedule.signal[t].item()
    y = y + (sigma_next - sigma) * (y - x0) / sigma
    return schedule.signal[s].item() * y


def heun_step(
    x: Tensor,
    x0: Tensor,
    t: int,
    s: int,
    schedule: NoiseSchedule,
    estimate: Callable[[Tensor, int], Tensor],
) -> Tensor:
    """Heun's method: go as Euler, take the slope there, go by the mean of both slopes.

    estimate(x, t) -> x0 is called a second time, at s; not where s = 0, as sigma is 0 there and
    Euler's step is taken. (Karras et al. 2022, algorithm 1.)
    """
    there = euler_step(x, x0, t, s, schedule)
    if s == 0:
        return there
    sigma, sigma_next = sigma_at(t, schedule), sigma_at(s, schedule)
    y = x / schedule.signal[t].item()
    slope = (y - x0) / sigma
    slope_there = (there / schedule.signal[s].item() - estimate(there, s)) / sigma_next
    y = y + (sigma_next - sigma) * (slope + slope_there) / 2
    return schedule.signal[s].item() * y


def dpmpp_2m_step(
    x: Tensor,
    x0: Tensor,
    t: int,
    s: int,
    schedule: NoiseSchedule,
    last: tuple[Tensor, int] | None = None,
) -> Tensor:
    """DPM-Solver++(2M): x0 continued along a line through its last two estimates (Lu et al. 2022).

    last: the estimate before this one and its time. Without one, and where s = 0, the step is
    DDIM's. (DPM-Solver++, algorithm 2; lambda = log_snr / 2.)
    """
    if last is not None and s > 0:
        x0_before, before = last
        lambdas = schedule.log_snr / 2
        half_step = (lambdas[s] - lambdas[t]) / 2
        x0 = x0 + (half_step / (lambdas[t] - lambdas[before])).item() * (x0 - x0_before)
    ratio = (schedule.noise_std[s] / schedule.noise_std[t]).item()
    decay = sigma_at(s, schedule) / sigma_at(t, schedule)  # exp(lambda_t - lambda_s)
    return ratio * x + schedule.signal[s].item() * (1 - decay) * x0
