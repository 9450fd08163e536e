"""Schedules and the forward process against diffusers and against the papers' formulas."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from course_utils.built.forward import forward_jump, forward_step
from course_utils.built.schedule import (
    NoiseSchedule,
    at,
    cosine_betas,
    linear_betas,
    quadratic_betas,
    scaled_linear_betas,
    sigmoid_betas,
)

ALL = [linear_betas, quadratic_betas, scaled_linear_betas, sigmoid_betas, cosine_betas]
all_schedules = pytest.mark.parametrize("betas", ALL, ids=lambda f: f.__name__)
SD = {"beta_start": 0.00085, "beta_end": 0.012}


@pytest.mark.parametrize("T", [1, 7, 200, 1000])
@pytest.mark.parametrize(
    "betas, name, ends",
    [
        (linear_betas, "linear", {}),
        (quadratic_betas, "scaled_linear", {}),
        (scaled_linear_betas, "scaled_linear", SD),
        (sigmoid_betas, "sigmoid", {}),
        (cosine_betas, "squaredcos_cap_v2", {}),
    ],
    ids=["linear", "quadratic", "scaled_linear", "sigmoid", "cosine"],
)
def test_betas_and_alpha_bar_are_those_of_diffusers(betas, name, ends, T):
    theirs = DDPMScheduler(num_train_timesteps=T, beta_schedule=name, **ends)
    ours = NoiseSchedule(betas(T))
    assert ours.T == T
    np.testing.assert_allclose(ours.beta[1:], theirs.betas, rtol=1e-5)
    np.testing.assert_allclose(ours.alpha_bar[1:], theirs.alphas_cumprod, rtol=2e-4)


@all_schedules
def test_arrays_are_float64_with_a_clean_picture_at_0(betas):
    schedule = NoiseSchedule(betas(50))
    for name in ("beta", "alpha", "alpha_bar", "signal", "noise_std", "log_snr"):
        values = getattr(schedule, name)
        assert values.shape == (51,) and values.dtype == torch.float64
    assert schedule.beta[0] == 0 and schedule.alpha_bar[0] == 1 and schedule.signal[0] == 1
    assert schedule.noise_std[0] == 0 and schedule.log_snr[0] == math.inf
    assert (schedule.log_snr.diff()[1:] < 0).all()
    np.testing.assert_allclose(schedule.signal**2 + schedule.noise_std**2, 1.0)
    np.testing.assert_allclose(
        schedule.log_snr[1:], torch.logit(schedule.alpha_bar[1:]), rtol=1e-12
    )


@all_schedules
def test_alpha_bar_is_the_product_of_the_alphas(betas):
    schedule = NoiseSchedule(betas(200))
    expected = [math.prod(1 - float(b) for b in betas(200)[:t]) for t in range(201)]
    np.testing.assert_allclose(schedule.alpha_bar, expected, rtol=1e-12)


def test_cosine_follows_the_paper_until_its_betas_are_capped():
    """Nichol and Dhariwal 2021, eq. 17: alpha_bar_t = f(t) / f(0)."""
    T = 1000
    f = np.cos((np.arange(T + 1) / T + 0.008) / 1.008 * np.pi / 2) ** 2
    schedule = NoiseSchedule(cosine_betas(T))
    uncapped = schedule.beta < 0.999
    assert uncapped.sum() == T and not uncapped[-1]  # only the last beta is capped
    np.testing.assert_allclose(schedule.alpha_bar[uncapped], (f / f[0])[uncapped], rtol=1e-9)
    assert schedule.beta[-1] == 0.999


def test_signal_left_at_T_with_linear_betas():
    """The closed form: log alpha_bar_T = sum of log(1 - beta), here summed by numpy."""
    for T, amplitude in [(200, 0.36), (1000, 0.006)]:
        expected = np.exp(0.5 * np.log1p(-np.linspace(1e-4, 0.02, T)).sum())
        left = NoiseSchedule(linear_betas(T)).signal[-1].item()
        assert left == pytest.approx(expected, rel=1e-12)
        assert left == pytest.approx(amplitude, rel=0.06)


@pytest.mark.parametrize("T", [0, -3, 2.5, 10.0, "10", None])
@all_schedules
def test_a_T_that_is_no_number_of_steps_is_refused(betas, T):
    with pytest.raises(ValueError, match="steps"):
        betas(T)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_a_beta_outside_0_to_1_is_refused(wrong):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        NoiseSchedule([0.1, wrong, 0.2])


@pytest.mark.parametrize("wrong", [[], [[0.1, 0.2]], 0.1])
def test_betas_of_a_wrong_shape_are_refused(wrong):
    with pytest.raises(ValueError, match="T >= 1 numbers"):
        NoiseSchedule(wrong)


def test_at_picks_one_value_for_each_picture_in_its_type():
    values = NoiseSchedule(linear_betas(100)).alpha_bar
    t = torch.tensor([0, 3, 100, 57])
    for like in (torch.zeros(4, 3, 8, 8), torch.zeros(4, 2, dtype=torch.bfloat16), torch.zeros(4)):
        picked = at(values, t, like)
        assert picked.dtype == like.dtype and picked.shape == (4, *[1] * (like.ndim - 1))
        assert torch.equal(picked.flatten(), values[t].to(like.dtype))
    assert at(values, 5, torch.zeros(4, 3, 8, 8)).shape == (1, 1, 1, 1)
    assert torch.equal(at(values, t.to(torch.uint8), like), at(values, t, like))


@pytest.mark.parametrize("t", [-1, 101, torch.tensor([3, 101]), 0.5, torch.tensor([1.0])])
def test_at_refuses_a_t_that_is_no_step(t):
    with pytest.raises(ValueError, match="^t "):
        at(NoiseSchedule(linear_betas(100)).beta, t, torch.zeros(2, 1, 4, 4))


def test_at_refuses_whole_number_pictures():
    with pytest.raises(ValueError, match="float"):
        at(NoiseSchedule(linear_betas(10)).beta, 1, torch.zeros(2, 1, 4, 4, dtype=torch.uint8))


def test_at_works_where_there_is_no_float64():
    """The meta device stands in for MPS: the values must get there as float32."""
    like = torch.zeros(2, 1, 4, 4, device="meta")
    picked = at(NoiseSchedule(linear_betas(10)).beta, torch.tensor([1, 2]), like)
    assert picked.device.type == "meta" and picked.dtype == torch.float32


@pytest.mark.gpu
def test_pictures_and_steps_may_both_be_on_a_gpu():
    schedule, t = NoiseSchedule(linear_betas(10)), torch.tensor([1, 10])
    x0, eps = torch.ones(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.5)
    there = forward_jump(x0.cuda(), eps.cuda(), t.cuda(), schedule)
    torch.testing.assert_close(there.cpu(), forward_jump(x0, eps, t, schedule))


def test_forward_jump_is_diffusers_add_noise():
    generator = torch.Generator().manual_seed(0)
    x0, eps = (torch.randn(16, 3, 8, 8, generator=generator) for _ in range(2))
    t = torch.randint(1, 1001, (16,), generator=generator)
    theirs = DDPMScheduler(num_train_timesteps=1000).add_noise(x0, eps, t - 1)
    ours = forward_jump(x0, eps, t, NoiseSchedule(linear_betas(1000)))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_forward_jump_to_0_is_the_picture_and_each_t_is_its_own():
    generator = torch.Generator().manual_seed(1)
    x0, eps = (torch.randn(5, 1, 4, 4, generator=generator) for _ in range(2))
    schedule = NoiseSchedule(cosine_betas(50))
    assert torch.equal(forward_jump(x0, eps, 0, schedule), x0)
    t = torch.tensor([50, 1, 0, 7, 33])
    together = forward_jump(x0, eps, t, schedule)
    for i in range(5):
        alone = forward_jump(x0[i : i + 1], eps[i : i + 1], int(t[i]), schedule)
        assert torch.equal(together[i : i + 1], alone)


@all_schedules
def test_the_steps_and_the_jump_have_one_mean_and_variance(betas):
    """By algebra, not by chance: push mean and variance through forward_step exactly."""
    schedule = NoiseSchedule(betas(300))
    mean, variance = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for t in range(1, 301):
        mean = forward_step(mean, zero, t, schedule)
        variance = (
            forward_step(one, zero, t, schedule) ** 2 * variance
            + forward_step(zero, one, t, schedule) ** 2
        )
        torch.testing.assert_close(mean, forward_jump(one, zero, t, schedule))
        torch.testing.assert_close(variance, forward_jump(zero, one, t, schedule) ** 2)


def test_forward_step_is_the_normal_of_the_paper():
    schedule = NoiseSchedule(linear_betas(10))
    x = torch.full((200_000,), 0.7, dtype=torch.float64)
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    moved = forward_step(x, eps, 10, schedule)
    assert moved.mean().item() == pytest.approx(math.sqrt(0.98) * 0.7, abs=5 * 0.1414 / 447)
    assert moved.var().item() == pytest.approx(0.02, rel=5 * math.sqrt(2 / 200_000))
    assert torch.equal(forward_step(x, eps, 0, schedule), x)
    for t in (-1, 11):
        with pytest.raises(ValueError, match="from 0 to T = 10"):
            forward_step(x, eps, t, schedule)
