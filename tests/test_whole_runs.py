"""Whole denoising runs with the schedule of Stable Diffusion 1.x, as diffusers makes them.

tests/test_sample_diffusers.py compares single samplers exactly; here the two pipelines' U-Nets,
guidance and schedulers work together, as they are, in single precision.
"""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    UNet2DConditionModel,
)

from course_utils import diffusers_format
from course_utils.built import get_timesteps, sample_latents
from course_utils.built.attention import Attention
from course_utils.built.schedule import scaled_linear_betas
from tests.test_pipeline import CAPTIONS, seeded, small_pipeline

STABLE = dict(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
    timestep_spacing="leading", steps_offset=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    pipe = small_pipeline("epsilon", "stable_diffusion", betas=scaled_linear_betas)
    folder = tmp_path_factory.mktemp("unet")
    diffusers_format.save_unet(folder, pipe.unet, 4)
    return pipe, UNet2DConditionModel.from_pretrained(folder).eval()


@torch.no_grad()
def their_run(unet, scheduler, x, cond, null, w, steps):
    scheduler.set_timesteps(steps)
    x = x * scheduler.init_noise_sigma
    for time in scheduler.timesteps:
        seen = scheduler.scale_model_input(torch.cat([x, x]), time)
        without, given = unet(seen, time, torch.cat([null, cond])).sample.chunk(2)
        x = scheduler.step(without + w * (given - without), time, x).prev_sample
    return x


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("steps", [20, 50])
@pytest.mark.parametrize(
    "sampler, scheduler, settings",
    [
        ("ddim", DDIMScheduler, dict(set_alpha_to_one=False, clip_sample=False)),
        ("euler", EulerDiscreteScheduler, dict()),
        ("dpmpp_2m", DPMSolverMultistepScheduler, dict()),
    ],
)
def test_latents_of_a_whole_run_are_those_of_diffusers(models, sampler, scheduler, settings, steps):
    pipe, unet = models
    x = torch.randn(2, 4, 4, 4, generator=seeded(5))
    cond = pipe.encode_prompt(CAPTIONS[:2])
    null = pipe.encode_prompt("").expand_as(cond)
    scheduler = scheduler(**STABLE, **settings)
    wanted = their_run(unet, scheduler, x, cond, null, 5.0, steps)
    timesteps = [round(time.item()) + 1 for time in scheduler.timesteps]
    if sampler != "dpmpp_2m":  # diffusers lays "leading" timesteps in another way for this one
        assert timesteps == get_timesteps(pipe, steps)[:-1]
    timesteps += [1 if sampler == "ddim" else 0]  # the others end at the clean picture
    found = sample_latents(pipe, x, timesteps, CAPTIONS[:2], sampler=sampler, guidance=5.0)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert (wanted - x).std() > 0.1


@torch.no_grad()
def test_attention_of_512_by_512_pixels_never_holds_its_scores():
    """4096 positions of latents 64 x 64: the scores of 8 heads would take 512 MiB."""
    layer, x = Attention(16, heads=8), torch.randn(1, 4096, 16)
    with torch.profiler.profile(profile_memory=True) as profile:
        layer(x)
    largest = max(event.cpu_memory_usage for event in profile.key_averages())
    assert 4096 * 16 * 4 <= largest < 20 * 2**20
    with torch.profiler.profile(profile_memory=True) as profile:
        layer(x[:, :1024], return_maps=True)
    assert max(e.cpu_memory_usage for e in profile.key_averages()) >= 8 * 1024 * 1024 * 4
