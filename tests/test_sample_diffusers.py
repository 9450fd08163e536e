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

from course_utils.built.paths import even_path, leading_path, linspace_path
from course_utils.built.sample import sample
from tests.exact_world import PATHS, SCHEDULE, mixture, seeded, start

KINDS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")
kinds = pytest.mark.parametrize("kind", KINDS)
paths = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def theirs(scheduler, path, **settings):
    """A diffusers scheduler that walks our times to 0, with our numbers in float64."""
    found = scheduler(trained_betas=SCHEDULE.beta[1:].numpy(), **settings)
    found.alphas_cumprod = SCHEDULE.alpha_bar[1:]
    found.one = torch.ones((), dtype=torch.float64)
    found.set_timesteps(timesteps=[t - 1 for t in path[:-1]])
    if scheduler is not DDPMScheduler:  # its sigmas are the same, in float32
        sigma = (SCHEDULE.noise_std / SCHEDULE.signal)[path]
        if scheduler is HeunDiscreteScheduler:
            sigma = torch.cat([sigma[:1], sigma[1:-1].repeat_interleave(2), sigma[-1:]])
        torch.testing.assert_close(found.sigmas.double(), sigma, rtol=1e-3, atol=1e-6)
        found.sigmas = sigma
    return found


def walk(scheduler, denoise, x, path, last=None, **arguments):
    """The result of a diffusers scheduler; one that says so walks y = x / signal."""
    in_sigma = isinstance(scheduler, EulerDiscreteScheduler | HeunDiscreteScheduler)
    x = x / SCHEDULE.signal[path[0]] if in_sigma else x
    for time in scheduler.timesteps[:last]:
        seen = scheduler.scale_model_input(x, time).double()
        value = denoise(seen, round(time.item()) + 1)
        x = scheduler.step(value, time, x, **arguments).prev_sample.double()
    return x


@paths
@kinds
@pytest.mark.parametrize("variance, name", [("beta-tilde", "fixed_small"), ("beta", "fixed_large")])
def test_ddpm_is_diffusers(path, kind, variance, name):
    settings = dict(prediction_type=KINDS[kind], clip_sample=False, variance_type=name)
    scheduler = theirs(DDPMScheduler, path, **settings)
    last = None
    if variance == "beta" and path[-2] > 1:
        # diffusers adds noise in a last stride from t > 1 to 0; we never do. Compare before it.
        path, last = path[:-1], -1
    wanted = walk(scheduler, mixture(kind), start(), path, last, generator=seeded(3))
    found = sample(
        mixture(kind), start(), SCHEDULE, path, kind=kind, generator=seeded(3), variance=variance
    )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@kinds
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("clamp", [False, True])
@pytest.mark.parametrize(
    "path, settings",
    [
        (leading_path(1000, 20), dict()),
        (leading_path(1000, 20, 1, 1), dict(steps_offset=1, set_alpha_to_one=False)),
        (even_path(1000, 20), dict(timestep_spacing="trailing")),
        (even_path(1000, 1000), dict(timestep_spacing="trailing")),
    ],
    ids=["leading", "Stable Diffusion", "trailing", "every time"],
)
def test_ddim_is_diffusers(path, settings, eta, clamp, kind):
    scheduler = DDIMScheduler(
        trained_betas=SCHEDULE.beta[1:].numpy(),
        prediction_type=KINDS[kind],
        clip_sample=clamp,
        **settings,
    )
    scheduler.alphas_cumprod = SCHEDULE.alpha_bar[1:]
    scheduler.final_alpha_cumprod = SCHEDULE.alpha_bar[path[-1]]
    scheduler.set_timesteps(len(path) - 1)
    assert (scheduler.timesteps + 1).tolist() == path[:-1]
    arguments = dict(eta=eta, generator=seeded(3), use_clipped_model_output=clamp)
    wanted = walk(scheduler, mixture(kind), start(), path, **arguments)
    found = sample(
        mixture(kind), start(), SCHEDULE, path, "ddim", kind, eta, seeded(3), clamp=clamp
    )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert not clamp or path[-1] > 0 or found.abs().max() <= 1


@paths
@kinds
@pytest.mark.parametrize(
    "sampler, scheduler", [("euler", EulerDiscreteScheduler), ("heun", HeunDiscreteScheduler)]
)
def test_euler_and_heun_are_diffusers(path, kind, sampler, scheduler):
    if (sampler, kind) == ("heun", "x0"):
        kind = "eps"  # diffusers' Heun does not know x0
    wanted = walk(
        theirs(scheduler, path, prediction_type=KINDS[kind]), mixture(kind), start(), path
    )
    found = sample(mixture(kind), start(), SCHEDULE, path, sampler, kind)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@paths
@kinds
def test_dpmpp_2m_is_diffusers(path, kind):
    settings = dict(prediction_type=KINDS[kind], lower_order_final=False)
    scheduler = theirs(DPMSolverMultistepScheduler, path, **settings)
    wanted = walk(scheduler, mixture(kind), start(), path)
    found = sample(mixture(kind), start(), SCHEDULE, path, "dpmpp_2m", kind)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_paths_are_diffusers_spacings():
    for steps in (2, 3, 7, 20, 50, 999):
        for spacing, path in (
            ("leading", leading_path(1000, steps)),
            ("linspace", linspace_path(1000, steps)),
            ("trailing", even_path(1000, steps)),
        ):
            scheduler = DDPMScheduler(timestep_spacing=spacing)
            scheduler.set_timesteps(steps)
            assert (scheduler.timesteps + 1).tolist() == path[:-1]
