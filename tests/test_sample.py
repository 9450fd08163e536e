"""Samplers: closed forms, flows that are known exactly, and what they refuse."""

import math
from itertools import pairwise

import pytest
import torch

from course_utils.built.forward import forward_jump
from course_utils.built.parameterization import from_x0, to_x0
from course_utils.built.posterior import posterior
from course_utils.built.sample import SAMPLERS, Sampling, sample
from course_utils.built.samplers import (
    ddim_step,
    ddpm_step,
    dpmpp_2m_step,
    euler_step,
    heun_step,
    step_betas,
)
from course_utils.built.schedule import NoiseSchedule, cosine_betas, linear_betas
from course_utils.built.timesteps import karras_timesteps, trailing_timesteps
from tests.exact_world import SCHEDULE, SPACINGS, mixture, seeded, start

samplers = pytest.mark.parametrize("sampler", SAMPLERS)
spacings = pytest.mark.parametrize("timesteps", SPACINGS.values(), ids=SPACINGS)


def counted(denoise):
    def wrapped(x, t):
        wrapped.times.append(t)
        return denoise(x, t)

    wrapped.times = []
    return wrapped


def test_ddim_with_eta_1_is_ddpm():
    """The weights of x and x0 and the variance, for every t; and for long steps too."""
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    steps = [(t, t - 1) for t in range(1, 1001)] + [(1000, 500), (500, 7), (9, 0), (1000, 0)]
    for x, x0, noise in ((one, zero, zero), (zero, one, zero), (zero, zero, one)):
        for t, s in steps:
            ddpm = ddpm_step(x, x0, t, s, SCHEDULE, noise)
            ddim = ddim_step(x, x0, t, s, SCHEDULE, 1.0, noise)
            torch.testing.assert_close(ddim, ddpm, rtol=1e-9, atol=1e-9)
    for t in (1, 2, 500, 1000):
        mean, variance = posterior(zero, one, t, SCHEDULE)
        torch.testing.assert_close(ddim_step(one, zero, t, t - 1, SCHEDULE, 1.0), mean)
        drawn = ddim_step(zero, zero, t, t - 1, SCHEDULE, 1.0, one)
        torch.testing.assert_close(drawn**2, variance, rtol=1e-9, atol=1e-12)


@spacings
def test_ddim_with_eta_0_is_euler_on_the_ode(timesteps):
    """With y = x / sqrt(alpha_bar), dy / dsigma = eps, and DDIM goes along a straight line."""
    y = start() / SCHEDULE.signal[timesteps[0]]
    for t, s in pairwise(timesteps):
        sigma, after = (SCHEDULE.noise_std[[t, s]] / SCHEDULE.signal[[t, s]]).tolist()
        y = y + (after - sigma) * mixture()(SCHEDULE.signal[t] * y, t)
    for sampler in ("ddim", "euler"):
        found = sample(mixture(), start(), SCHEDULE, timesteps, sampler)
        torch.testing.assert_close(found, SCHEDULE.signal[timesteps[-1]] * y, rtol=1e-9, atol=1e-9)


def test_ddpm_at_every_timestep_is_the_loop_of_posteriors():
    schedule = NoiseSchedule(cosine_betas(50))
    denoise, x, generator = mixture(schedule=schedule), start().float(), seeded(5)
    for t in range(50, 0, -1):
        mean, spread = posterior(
            to_x0("epsilon", denoise(x, t).float(), x, t, schedule), x, t, schedule
        )
        x = mean + spread.sqrt() * torch.randn(x.shape, generator=generator)
    found = sample(
        lambda x, t: denoise(x, t).float(),
        start().float(),
        schedule,
        trailing_timesteps(50, 50),
        generator=seeded(5),
    )
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-5)


def normal_world(T):
    """A schedule as DDPM's with T steps, the exact network of x0 ~ N(0.4, 0.5^2), and its flow."""
    schedule = NoiseSchedule(linear_betas(T) * 1000 / T)

    def flow(x, t, s):
        """Where the ODE takes x from t to s: as many standard deviations from the mean."""
        signal, variance = schedule.signal, schedule.alpha_bar * 0.25 + 1 - schedule.alpha_bar
        away = (x - signal[t] * 0.4) / variance[t].sqrt()
        return signal[s] * 0.4 + variance[s].sqrt() * away

    return schedule, mixture(schedule=schedule, spread=0.5, centres=(0.4, 0.4)), flow


@pytest.mark.parametrize(
    "sampler, order", [("ddim", 1), ("euler", 1), ("heun", 2), ("dpmpp_2m", 2)]
)
def test_order_of_convergence(sampler, order):
    """On normal data the flow is known. Twice the steps: half the error, or a quarter of it."""
    T = 8192
    schedule, denoise, flow = normal_world(T)
    errors = []
    for steps in (64, 128, 256):
        timesteps = trailing_timesteps(T, 2 * steps)[: steps + 1]  # from T to the middle
        assert timesteps[-1] == T // 2
        found = sample(denoise, start(), schedule, timesteps, sampler)
        errors.append((found - flow(start(), T, T // 2)).abs().max().item())
    for before, after in pairwise(errors):
        assert math.log2(before / after) == pytest.approx(order, abs=0.15)


def test_ddpm_keeps_a_normal_distribution():
    """With the exact network, 100 steps give nearly the data's mean and std."""
    schedule, denoise, _ = normal_world(1000)
    x = torch.randn(20_000, generator=seeded(1), dtype=torch.float64)
    found = sample(denoise, x, schedule, karras_timesteps(schedule, 100), generator=seeded(2))
    assert found.mean().item() == pytest.approx(0.4, abs=0.02)
    assert found.std().item() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("steps", [1, 2, 10])
@samplers
def test_nfe(sampler, steps):
    denoise = counted(mixture())
    sample(denoise, start(), SCHEDULE, trailing_timesteps(1000, steps), sampler, generator=seeded())
    assert len(denoise.times) == (2 * steps - 1 if sampler == "heun" else steps)
    assert min(denoise.times) >= 1 and max(denoise.times) == 1000


@samplers
def test_one_step_to_0_is_the_estimate_of_x0(sampler):
    denoise = mixture("sample")
    found = sample(denoise, start(), SCHEDULE, [1000, 0], sampler, "sample", generator=seeded())
    torch.testing.assert_close(found, denoise(start(), 1000), rtol=1e-6, atol=1e-6)


@samplers
def test_the_start_is_kept_and_no_gradient_is_recorded(sampler):
    x = start(shape=())
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    found = sample(lambda x, t: weight * x, x, SCHEDULE, [9, 4, 1], sampler, generator=seeded())
    assert torch.equal(x, start(shape=())) and found.shape == x.shape
    assert not found.requires_grad


def test_callback_sees_every_step():
    seen = []
    timesteps = trailing_timesteps(1000, 4)
    found = sample(
        mixture(),
        start(),
        SCHEDULE,
        timesteps,
        "ddim",
        callback=lambda t, x, x0: seen.append((t, x, x0)),
    )
    assert [t for t, _, _ in seen] == timesteps[1:]
    assert torch.equal(seen[-1][1], found)
    torch.testing.assert_close(
        seen[0][2], to_x0("epsilon", mixture()(start(), 1000), start(), 1000, SCHEDULE)
    )


def test_clamp_keeps_estimates_in_range():
    estimates = []
    for sampler in SAMPLERS:
        found = sample(
            lambda x, t: torch.full_like(x, 3.0),
            start(),
            SCHEDULE,
            [1000, 500, 0],
            sampler,
            "sample",
            generator=seeded(),
            clamp=True,
            callback=lambda t, x, x0: estimates.append(x0),
        )
        assert found.abs().max() <= 1 + 1e-12
    assert torch.stack(estimates).abs().max() <= 1


def test_a_network_that_knows_the_truth_is_led_to_it():
    """For one known picture every sampler, by all timesteps to 0, ends at it."""
    x0 = start(1, (1, 8, 8), scale=0.4)
    x = forward_jump(x0, torch.randn(x0.shape, generator=seeded(1)).double(), 1000, SCHEDULE)
    for sampler in SAMPLERS:
        for timesteps in (trailing_timesteps(1000, 7), karras_timesteps(SCHEDULE, 7), [1000, 3, 0]):
            found = sample(
                lambda x, t: x0, x, SCHEDULE, timesteps, sampler, "sample", generator=seeded()
            )
            torch.testing.assert_close(found, x0)


BAD = [
    (dict(sampler="ancestral"), "sampler is one of ddpm, ddim, euler, heun, dpmpp_2m"),
    (dict(timesteps=[]), "start and an end"),
    (dict(timesteps=[1000]), "start and an end"),
    (dict(timesteps=[0, 500, 1000]), "descend"),
    (dict(timesteps=[1000, 500, 500, 0]), "descend"),
    (dict(timesteps=[1001, 0]), "whole numbers in 0..T = 1000"),
    (dict(timesteps=[1000, -1]), "whole numbers in 0..T = 1000"),
    (dict(timesteps=[1000, 0.5]), "whole numbers in 0..T = 1000"),
    (dict(sampler="ddpm", generator=None), "give generator=torch.Generator"),
    (dict(sampler="ddpm", generator=0), "generator=torch.Generator.*, not 0"),
    (dict(sampler="ddim", eta=0.5, generator=None), "generator"),
    (dict(eta=1.5), "eta lies between"),
    (dict(eta=-0.1), "eta lies between"),
    (dict(eta=float("nan")), "eta lies between"),
    (dict(sampler="ddpm", variance="small"), "beta-tilde"),
    (dict(prediction_type="noise"), "epsilon, sample, v_prediction, score, mean"),
    (dict(sampler="dpmpp_2m", timesteps=[1000, 500]), "single steps can't use it: take ddim"),
    (dict(sampler="dpmpp_2m", timesteps=[3, 2]), "single steps can't use it: take ddim"),
    (dict(denoise=lambda x, t: x[:1]), "made"),
    (dict(denoise=lambda x, t: x[:, 0]), "made"),
    (dict(x=torch.zeros(2, 1, 4, 4, dtype=torch.uint8)), "floats"),
]


@pytest.mark.parametrize("wrong, says", BAD, ids=[f"{b[1][:20]}-{i}" for i, b in enumerate(BAD)])
def test_impossible_requests_are_explained(wrong, says):
    right = dict(
        denoise=lambda x, t: x,
        x=start(),
        schedule=SCHEDULE,
        timesteps=[1000, 500, 0],
        sampler="ddim",
        generator=seeded(),
    )
    with pytest.raises(ValueError, match=says):
        sample(**(right | wrong))


def test_step_betas_multiply_up():
    beta, beta_tilde = step_betas(30, 10, SCHEDULE)
    assert 1 - beta == pytest.approx(SCHEDULE.alpha[11:31].prod().item())
    assert 0 < beta_tilde < beta
    assert step_betas(30, 0, SCHEDULE)[1] == 0


def test_euler_in_another_form():
    """The slope is the noise: y + (sigma' - sigma) eps."""
    x, x0 = start(), start(scale=0.5)
    eps = from_x0("epsilon", x0, x, 600, SCHEDULE)
    torch.testing.assert_close(
        euler_step(x, x0, 600, 200, SCHEDULE), forward_jump(x0, eps, 200, SCHEDULE)
    )


def test_the_table_of_samplers_leads_to_their_steps():
    """Each entry's step, between the same two timesteps, is the function of its name."""
    x, x0, last = start(), start(scale=0.5), (start(scale=0.6), 800)
    fresh = torch.randn(x.shape, generator=seeded(3), dtype=x.dtype)

    def estimate(x, t):
        return mixture("sample")(x, t)

    wanted = {
        "ddpm": ddpm_step(x, x0, 600, 200, SCHEDULE, fresh, "beta"),
        "ddim": ddim_step(x, x0, 600, 200, SCHEDULE, 0.5, fresh),
        "euler": euler_step(x, x0, 600, 200, SCHEDULE),
        "heun": heun_step(x, x0, 600, 200, SCHEDULE, estimate),
        "dpmpp_2m": dpmpp_2m_step(x, x0, 600, 200, SCHEDULE, last),
    }
    assert SAMPLERS.keys() == wanted.keys()
    for name, step in SAMPLERS.items():
        run = Sampling(SCHEDULE, estimate, seeded(3), 0.5, "beta", last)
        torch.testing.assert_close(step(run, x, x0, 600, 200), wanted[name], msg=name)


@pytest.mark.parametrize("timesteps", [[1000, 0], [1000, 1]])
def test_a_single_step_to_the_picture_is_for_dpmpp_2m_too(timesteps):
    """Stable Diffusion's timesteps end at 1, and a strength may leave one step of them."""
    found = sample(mixture(), start(), SCHEDULE, timesteps, "dpmpp_2m")
    wanted = sample(mixture(), start(), SCHEDULE, timesteps, "ddim")
    torch.testing.assert_close(found, wanted)


def test_a_sampler_of_ones_own_in_the_table_is_used(monkeypatch):
    monkeypatch.setitem(SAMPLERS, "jump", lambda run, x, x0, t, s: x0)
    found = sample(mixture("sample"), start(), SCHEDULE, [1000, 500], "jump", "sample")
    assert torch.equal(found, mixture("sample")(start(), 1000))
