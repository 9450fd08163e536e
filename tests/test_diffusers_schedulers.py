"""Schedulers of published models: which model they belong to, and which times they take."""

import inspect
import json

import diffusers
import pytest
import torch

from course_utils import diffusers_format
from course_utils.built import get_timesteps
from course_utils.built.schedule import scaled_linear_betas
from course_utils.diffusers_format import schedules
from tests.test_pipeline import small_pipeline

STABLE = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
SD = "stable_diffusion"
LEADING = dict(timestep_spacing="leading", steps_offset=1)


def write(folder, name, **said):
    """A scheduler's file by diffusers itself, then changed: a key that is ... is taken out."""
    their = getattr(diffusers, name)
    known = inspect.signature(their.__init__).parameters
    scheduler = their(**STABLE | {k: v for k, v in said.items() if k in known and v is not ...})
    scheduler.save_pretrained(folder)
    path = folder / "scheduler_config.json"
    content = json.loads(path.read_text()) | said
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))
    return scheduler


FORMS = [
    ("EulerDiscreteScheduler", LEADING | dict(set_alpha_to_one=...), SD),
    ("EulerDiscreteScheduler", LEADING | dict(set_alpha_to_one=True, clip_sample=True), SD),
    ("EulerDiscreteScheduler", dict(timestep_spacing=...), "linspace"),
    (
        "EulerAncestralDiscreteScheduler",
        dict(timestep_spacing="trailing", steps_offset=1),
        "trailing",
    ),
    (
        "EulerAncestralDiscreteScheduler",
        dict(timestep_spacing="trailing", set_alpha_to_one=False, clip_sample=True),
        "trailing",
    ),
    ("LCMScheduler", LEADING | dict(set_alpha_to_one=True), SD),
    ("LCMScheduler", dict(timestep_spacing=..., set_alpha_to_one=...), "leading"),
    ("DPMSolverMultistepScheduler", dict(use_karras_sigmas=True), "linspace"),
    ("DPMSolverMultistepScheduler", LEADING | dict(set_alpha_to_one=False), SD),
    ("UniPCMultistepScheduler", LEADING | dict(solver_order=2, clip_sample=False), SD),
    ("LMSDiscreteScheduler", dict(timestep_spacing=..., thresholding=True), "linspace"),
    ("HeunDiscreteScheduler", LEADING | dict(rescale_betas_zero_snr=True), SD),
    ("DDPMScheduler", dict(timestep_spacing=..., steps_offset=..., clip_sample=False), "leading"),
    ("PNDMScheduler", LEADING | dict(set_alpha_to_one=True, skip_prk_steps=True), SD),
    ("DDIMScheduler", LEADING | dict(set_alpha_to_one=False, clip_sample=False), SD),
]


@pytest.mark.parametrize("name, said, wanted", FORMS)
def test_every_scheduler_of_stable_diffusion_is_read(name, said, wanted, tmp_path):
    write(tmp_path, name, **said)
    schedule, kind, spacing = diffusers_format.load_scheduler(tmp_path)
    assert (kind, spacing) == ("epsilon", wanted)
    torch.testing.assert_close(schedule.beta[1:], scaled_linear_betas(1000))


@pytest.mark.parametrize(
    "name",
    ["EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler"],
)
@pytest.mark.parametrize(
    "said", [LEADING, dict(timestep_spacing="trailing"), dict(timestep_spacing="linspace")]
)
def test_the_path_has_the_times_of_diffusers(name, said, tmp_path):
    """Theirs may lie between two times: ours are the nearest; Heun's stand twice there."""
    theirs = write(tmp_path, name, **said)
    theirs.set_timesteps(20)
    times = sorted({float(t) for t in theirs.timesteps}, reverse=True)
    spacing = diffusers_format.load_scheduler(tmp_path)[2]
    path = get_timesteps(small_pipeline(spacing=spacing), 20)
    found = torch.tensor(path[: len(times)], dtype=torch.float64) - 1
    torch.testing.assert_close(found, torch.tensor(times).double(), atol=0.51, rtol=0)


@pytest.mark.parametrize(
    "name, said, says",
    [
        ("EulerDiscreteScheduler", dict(rescale_betas_zero_snr=True), "rescale_betas_zero_snr"),
        ("DDPMScheduler", dict(thresholding=True, clip_sample=False), "thresholding"),
        ("EulerDiscreteScheduler", dict(timestep_spacing="sideways"), "'sideways'"),
        ("DPMSolverMultistepScheduler", dict(use_flow_sigmas=True), "flow matching"),
    ],
)
def test_what_changes_the_model_is_refused(name, said, says, tmp_path):
    write(tmp_path, name, **said)
    with pytest.raises(ValueError, match=says):
        diffusers_format.load_scheduler(tmp_path)


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler"])
def test_schedulers_without_betas_are_named(name, tmp_path):
    getattr(diffusers, name)().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"{name}. has no betas.*no part of Stable Diffusion 1.x"):
        diffusers_format.load_scheduler(tmp_path)


def test_defaults_and_meaningless_keys_are_those_of_diffusers():
    """Of every scheduler that Stable Diffusion's pipeline takes, and LCM's and TCD's."""
    from diffusers.schedulers import KarrasDiffusionSchedulers

    names = {s.name for s in KarrasDiffusionSchedulers} | {"LCMScheduler", "TCDScheduler"}
    assert len(names) > 12
    for name in names - {"EDMEulerScheduler"}:
        known = inspect.signature(getattr(diffusers, name).__init__).parameters
        if "timestep_spacing" in known:
            leading = known["timestep_spacing"].default == "leading"
            assert leading == (name in schedules.LEADING)
        for key, ignoring in schedules.IGNORED_BY.items():
            assert (key in known) == (name not in ignoring), (name, key)
