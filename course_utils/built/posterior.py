"""The posterior q(x_{t-1} | x_t, x_0): one step back, where x_0 is known (lesson 05)."""

import torch
from torch import Tensor

from course_utils.built.schedule import NoiseSchedule, at


def posterior_terms(schedule: NoiseSchedule) -> tuple[Tensor, Tensor, Tensor]:
    """The numbers of q(x_{t-1} | x_t, x_0) for every t (Ho et al. 2020, eq. 7).

    Three arrays of T + 1: the weight of x_0 in the mean, the weight of x_t in the mean, and the
    variance beta-tilde. Index 0 is nan, for nothing comes before x_0.
    """
    beta, alpha, alpha_bar = schedule.beta, schedule.alpha, schedule.alpha_bar
    nothing = torch.full((1,), torch.nan, dtype=torch.float64)
    before = torch.cat([nothing, alpha_bar[:-1]])  # alpha_bar_{t-1}
    weight_x0 = before.sqrt() * beta / (1 - alpha_bar)
    weight_xt = alpha.sqrt() * (1 - before) / (1 - alpha_bar)
    variance = (1 - before) / (1 - alpha_bar) * beta
    return weight_x0, weight_xt, variance


def posterior(
    x0: Tensor, xt: Tensor, t: Tensor | int, schedule: NoiseSchedule
) -> tuple[Tensor, Tensor]:
    """Mean and variance of x_{t-1}, given x_t and x_0: q(x_{t-1} | x_t, x_0) is normal.

    x0 and xt: N x C x H x W. t: one step of 1..T, or N of them. The mean has the shape of xt; the
    variance, beta-tilde, is N x 1 x 1 x 1, and 0 at t = 1. Raises ValueError for any other t.
    """
    weight_x0, weight_xt, variance = posterior_terms(schedule)
    mean = at(weight_x0, t, xt) * x0 + at(weight_xt, t, xt) * xt
    return mean, at(variance, t, xt)
