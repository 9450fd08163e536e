"""The reverse process against diffusers, torch's distributions and Bayes on a grid."""

import math

import pytest
import torch
from diffusers import DDPMScheduler
from torch.distributions import Normal

from course_utils.built.forward import forward_jump
from course_utils.built.parameterization import from_x0, to_x0
from course_utils.built.posterior import posterior, posterior_terms
from course_utils.built.schedule import (
    NoiseSchedule,
    cosine_betas,
    linear_betas,
    scaled_linear_betas,
)

TYPES = ("sample", "epsilon", "v_prediction", "score", "mean")
prediction_types = pytest.mark.parametrize("prediction_type", TYPES)
schedules = pytest.mark.parametrize(
    "schedule",
    [NoiseSchedule(b(T)) for b in (linear_betas, cosine_betas) for T in (4, 50, 1000)],
    ids=str,
)


def batch(schedule, n=32, dtype=torch.float64):
    """x0, eps, t and xt, with another t for each picture, 1 and T among them."""
    generator = torch.Generator().manual_seed(0)
    x0, eps = (torch.randn(n, 1, 4, 4, generator=generator, dtype=dtype) for _ in range(2))
    t = torch.randint(1, schedule.T + 1, (n,), generator=generator)
    t[0], t[1] = 1, schedule.T
    return x0, eps, t, forward_jump(x0, eps, t, schedule)


@schedules
def test_posterior_is_bayes_on_a_grid(schedule):
    """q(x_{t-1} | x_0) q(x_t | x_{t-1}), normalised by summing, has this mean and variance."""
    for t in {2, 3, schedule.T // 2, schedule.T - 1}:
        x0, xt = torch.tensor([0.8], dtype=torch.float64), torch.tensor([-0.3], dtype=torch.float64)
        mean, variance = posterior(x0, xt, t, schedule)
        width = 12 * variance.sqrt().item()
        grid = torch.linspace(-width, width, 20_001, dtype=torch.float64) + mean.item()
        before = Normal(schedule.signal[t - 1] * 0.8, schedule.noise_std[t - 1]).log_prob(grid)
        step = Normal(schedule.alpha[t].sqrt() * grid, schedule.beta[t].sqrt()).log_prob(xt)
        p = torch.softmax(before + step, 0)
        by_sums = (p * grid).sum()
        torch.testing.assert_close(mean.squeeze(), by_sums, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(
            variance.squeeze(), (p * (grid - by_sums) ** 2).sum(), rtol=1e-8, atol=0
        )


@schedules
def test_at_t_1_the_posterior_is_x0_without_noise(schedule):
    x0, _, _, xt = batch(schedule)
    mean, variance = posterior(x0, xt, 1, schedule)
    torch.testing.assert_close(mean, x0)
    assert variance.abs().max() == 0
    assert posterior_terms(schedule)[2].nan_to_num().lt(schedule.beta + 1e-15).all()


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_x0_and_mean_are_those_of_diffusers_step(prediction_type):
    schedule = NoiseSchedule(scaled_linear_betas(1000))
    theirs = DDPMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type=prediction_type,
        clip_sample=False,
        variance_type="fixed_small",
    )
    generator = torch.Generator().manual_seed(3)
    xt, value = (torch.randn(2, 1, 4, 4, generator=generator) for _ in range(2))
    for t in (1, 2, 30, 500, 1000):
        step = theirs.step(value, t - 1, xt, generator=torch.Generator().manual_seed(t))
        x0 = to_x0(prediction_type, value, xt, t, schedule)
        torch.testing.assert_close(x0, step.pred_original_sample, rtol=1e-3, atol=1e-4)
        mean, variance = posterior(x0, xt, t, schedule)
        noise = torch.randn(xt.shape, generator=torch.Generator().manual_seed(t))
        drawn = mean + variance.sqrt() * noise
        torch.testing.assert_close(drawn, step.prev_sample, rtol=1e-3, atol=1e-4)


def test_v_is_diffusers_get_velocity():
    schedule = NoiseSchedule(linear_betas(1000))
    x0, eps, t, xt = batch(schedule, dtype=torch.float32)
    theirs = DDPMScheduler().get_velocity(x0, eps, t - 1)
    torch.testing.assert_close(
        from_x0("v_prediction", x0, xt, t, schedule), theirs, rtol=1e-3, atol=1e-3
    )


@prediction_types
@schedules
def test_there_and_back_again(prediction_type, schedule):
    x0, _, t, xt = batch(schedule)
    value = from_x0(prediction_type, x0, xt, t, schedule)
    back = to_x0(prediction_type, value, xt, t, schedule)
    torch.testing.assert_close(back, x0, rtol=1e-6, atol=1e-6)


@schedules
def test_what_each_prediction_type_is(schedule):
    x0, eps, t, xt = batch(schedule)
    signal, noise_std = (a[t].reshape(-1, 1, 1, 1) for a in (schedule.signal, schedule.noise_std))
    close = dict(rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(from_x0("epsilon", x0, xt, t, schedule), eps, **close)
    v = signal * eps - noise_std * x0
    torch.testing.assert_close(from_x0("v_prediction", x0, xt, t, schedule), v, **close)
    leaf = xt.clone().requires_grad_()
    Normal(signal * x0, noise_std).log_prob(leaf).sum().backward()
    torch.testing.assert_close(from_x0("score", x0, xt, t, schedule), leaf.grad, **close)
    mean = posterior(x0, xt, t, schedule)[0]
    # Ho et al. 2020, eq. 10: the mean written with eps
    alpha, beta = (a[t].reshape(-1, 1, 1, 1) for a in (schedule.alpha, schedule.beta))
    torch.testing.assert_close(mean, (xt - beta / noise_std * eps) / alpha.sqrt(), **close)


@schedules
def test_each_picture_of_a_batch_has_its_own_t(schedule):
    x0, _, t, xt = batch(schedule)
    for prediction_type in TYPES:
        together = from_x0(prediction_type, x0, xt, t, schedule)
        for i in (0, 1, 5):
            alone = from_x0(prediction_type, x0[i : i + 1], xt[i : i + 1], int(t[i]), schedule)
            assert torch.equal(together[i : i + 1], alone)


def test_the_posterior_of_normal_data_leads_back_to_it():
    """For x_0 ~ N(0, 1) every x_t is N(0, 1): the posterior averaged over x_0 must keep that."""
    schedule = NoiseSchedule(linear_betas(100))
    weight_x0, weight_xt, variance = (a[1:] for a in posterior_terms(schedule))
    signal = schedule.signal[1:]
    total = weight_x0**2 + weight_xt**2 + 2 * weight_x0 * weight_xt * signal + variance
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_step_or_prediction_type_that_does_not_exist_is_refused():
    schedule = NoiseSchedule(linear_betas(10))
    x = torch.zeros(2, 1, 4, 4)
    for t in (0, 11, torch.tensor([1, 0])):
        for call in (
            lambda t: posterior(x, x, t, schedule),
            lambda t: to_x0("epsilon", x, x, t, schedule),
            lambda t: from_x0("epsilon", x, x, t, schedule),
        ):
            with pytest.raises(ValueError, match="to T = 10|the steps 1, 2, ..., T"):
                call(t)
    for convert in (to_x0, from_x0):
        with pytest.raises(ValueError, match="epsilon, sample, v_prediction, score, mean"):
            convert("noise", x, x, 1, schedule)


def test_float32_loses_little_even_at_the_ends():
    schedule = NoiseSchedule(linear_betas(1000))
    x0, eps, t, xt = batch(schedule, dtype=torch.float32)
    exact = posterior(x0.double(), xt.double(), t, schedule)[0]
    assert (posterior(x0, xt, t, schedule)[0] - exact).abs().max() < 1e-6
    assert math.isclose(schedule.noise_std[1].item(), math.sqrt(1e-4), rel_tol=1e-9)
