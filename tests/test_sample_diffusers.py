"""Each sampler gives the numbers of diffusers' scheduler, in float64, on the same network."""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)

from course_utils.built.sample import sample
from course_utils.built.timesteps import leading_timesteps, linspace_timesteps, trailing_timesteps
from tests.exact_world import SCHEDULE, SPACINGS, mixture, seeded, start

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")
prediction_types = pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
spacings = pytest.mark.parametrize("timesteps", SPACINGS.values(), ids=SPACINGS)


def theirs(scheduler, timesteps, **settings):
    """A diffusers scheduler with our timesteps to 0, with our numbers in float64."""
    found = scheduler(trained_betas=SCHEDULE.beta[1:].numpy(), **settings)
    found.alphas_cumprod = SCHEDULE.alpha_bar[1:]
    found.one = torch.ones((), dtype=torch.float64)
    found.set_timesteps(timesteps=[t - 1 for t in timesteps[:-1]])
    if scheduler is not DDPMScheduler:  # its sigmas are the same, in float32
        sigma = (SCHEDULE.noise_std / SCHEDULE.signal)[timesteps]
        if scheduler is HeunDiscreteScheduler:
            sigma = torch.cat([sigma[:1], sigma[1:-1].repeat_interleave(2), sigma[-1:]])
        torch.testing.assert_close(found.sigmas.double(), sigma, rtol=1e-3, atol=1e-6)
        found.sigmas = sigma
    return found


def their_loop(scheduler, denoise, x, timesteps, last=None, **arguments):
    """The result of a diffusers scheduler; those that count in sigma move y = x / signal."""
    in_sigma = isinstance(scheduler, EulerDiscreteScheduler | HeunDiscreteScheduler)
    x = x / SCHEDULE.signal[timesteps[0]] if in_sigma else x
    for time in scheduler.timesteps[:last]:
        seen = scheduler.scale_model_input(x, time).double()
        value = denoise(seen, round(time.item()) + 1)
        x = scheduler.step(value, time, x, **arguments).prev_sample.double()
    return x


@spacings
@prediction_types
@pytest.mark.parametrize("variance, name", [("beta-tilde", "fixed_small"), ("beta", "fixed_large")])
def test_ddpm_is_diffusers(timesteps, prediction_type, variance, name):
    settings = dict(prediction_type=prediction_type, clip_sample=False, variance_type=name)
    scheduler = theirs(DDPMScheduler, timesteps, **settings)
    last = None
    if variance == "beta" and timesteps[-2] > 1:
        # diffusers adds noise in a last step from t > 1 to 0; we never do. Compare before it.
        timesteps, last = timesteps[:-1], -1
    wanted = their_loop(
        scheduler, mixture(prediction_type), start(), timesteps, last, generator=seeded(3)
    )
    found = sample(
        mixture(prediction_type),
        start(),
        SCHEDULE,
        timesteps,
        prediction_type=prediction_type,
        generator=seeded(3),
        variance=variance,
    )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@prediction_types
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("clamp", [False, True])
@pytest.mark.parametrize(
    "timesteps, settings",
    [
        (leading_timesteps(1000, 20), dict()),
        (leading_timesteps(1000, 20, 1, 1), dict(steps_offset=1, set_alpha_to_one=False)),
        (trailing_timesteps(1000, 20), dict(timestep_spacing="trailing")),
        (trailing_timesteps(1000, 1000), dict(timestep_spacing="trailing")),
    ],
    ids=["leading", "Stable Diffusion", "trailing", "every time"],
)
def test_ddim_is_diffusers(timesteps, settings, eta, clamp, prediction_type):
    scheduler = DDIMScheduler(
        trained_betas=SCHEDULE.beta[1:].numpy(),
        prediction_type=prediction_type,
        clip_sample=clamp,
        **settings,
    )
    scheduler.alphas_cumprod = SCHEDULE.alpha_bar[1:]
    scheduler.final_alpha_cumprod = SCHEDULE.alpha_bar[timesteps[-1]]
    scheduler.set_timesteps(len(timesteps) - 1)
    assert (scheduler.timesteps + 1).tolist() == timesteps[:-1]
    arguments = dict(eta=eta, generator=seeded(3), use_clipped_model_output=clamp)
    wanted = their_loop(scheduler, mixture(prediction_type), start(), timesteps, **arguments)
    found = sample(
        mixture(prediction_type),
        start(),
        SCHEDULE,
        timesteps,
        "ddim",
        prediction_type,
        eta=eta,
        generator=seeded(3),
        clamp=clamp,
    )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert not clamp or timesteps[-1] > 0 or found.abs().max() <= 1


@spacings
@prediction_types
@pytest.mark.parametrize(
    "sampler, scheduler", [("euler", EulerDiscreteScheduler), ("heun", HeunDiscreteScheduler)]
)
def test_euler_and_heun_are_diffusers(timesteps, prediction_type, sampler, scheduler):
    if (sampler, prediction_type) == ("heun", "sample"):
        prediction_type = "epsilon"  # diffusers' Heun does not know x0
    wanted = their_loop(
        theirs(scheduler, timesteps, prediction_type=prediction_type),
        mixture(prediction_type),
        start(),
        timesteps,
    )
    found = sample(mixture(prediction_type), start(), SCHEDULE, timesteps, sampler, prediction_type)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@spacings
@prediction_types
def test_dpmpp_2m_is_diffusers(timesteps, prediction_type):
    settings = dict(prediction_type=prediction_type, lower_order_final=False)
    scheduler = theirs(DPMSolverMultistepScheduler, timesteps, **settings)
    wanted = their_loop(scheduler, mixture(prediction_type), start(), timesteps)
    found = sample(
        mixture(prediction_type), start(), SCHEDULE, timesteps, "dpmpp_2m", prediction_type
    )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_timesteps_are_diffusers_spacings():
    for steps in (2, 3, 7, 20, 50, 999):
        for spacing, timesteps in (
            ("leading", leading_timesteps(1000, steps)),
            ("linspace", linspace_timesteps(1000, steps)),
            ("trailing", trailing_timesteps(1000, steps)),
        ):
            scheduler = DDPMScheduler(timestep_spacing=spacing)
            scheduler.set_timesteps(steps)
            assert (scheduler.timesteps + 1).tolist() == timesteps[:-1]
