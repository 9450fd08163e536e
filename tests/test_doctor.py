"""The doctor finds each marked bug of the clinic by its own test, and raises no other alarm."""

import dataclasses

import pytest
import torch
from torch import nn

from course_utils import diffusers_format
from course_utils.built import DigitUNet, NoiseSchedule, UNet, linear_betas
from course_utils.built.diffusion import diffusion_loss
from course_utils.built.ema import EMA
from course_utils.built.guidance import classifier_free_guidance, drop_cond
from course_utils.built.sample import sample
from course_utils.built.timesteps import trailing_timesteps
from course_utils.built.train import train
from course_utils.checks import clinic, doctor
from course_utils.data import datasets, sprites
from course_utils.evaluation import scores, sprite_clip
from course_utils.io import tensors

FOUND_BY = {
    "root_forgotten": "variance of x_t",
    "uniform_noise": "shape of the noise",
    "data_in_0_1": "range of the data",
    "t_off_by_one": "t at training",
    "t_in_0_1": "waves of t",
    "activation_last": "last layer",
    "layer_made_anew": "same twice",
    "noise_in_last_step": "last step",
    "guidance_sign": "guidance",
    "ema_not_updated": "EMA",
    "null_not_trained": "null conditioning",
    "nan_in_half": "half precision",
}
MARKED = [f.name for f in dataclasses.fields(clinic.Bugs)][:12]


def ill(findings):
    return {finding.test for finding in findings if finding.well is False}


def examined(bugs, steps=0):
    """The doctor's findings on the clinic's code, after a training of so many steps."""
    torch.manual_seed(0)
    images, labels = datasets.mnist()
    images, labels = clinic.prepare(bugs, images[:512]), labels[:512]
    schedule = clinic.schedule_of(bugs)
    model = clinic.Network(bugs, DigitUNet(width=16, deep=32))
    loss, ema = clinic.loss_of(bugs, schedule), EMA(model, decay=0.9)
    update = clinic.update_of(bugs)
    generator = torch.Generator().manual_seed(0)
    for _ in train(model, loss, (images, labels), steps, generator, 32, 3e-3) if steps else ():
        update(ema, model)
    sampler = clinic.sampler_of(bugs, schedule, labels)
    options = dict(schedule=schedule, guide=clinic.guide_of(bugs), null=10, ema=ema.model)
    return doctor.diagnose(model, loss, sampler, (images, labels), **options)


def test_code_without_a_bug_is_well_and_all_is_looked_at():
    findings = examined(clinic.Bugs(), steps=40)
    assert all(finding.well for finding in findings), doctor.report(findings)
    assert [finding.test for finding in findings if finding.well] and len(findings) == 12


@pytest.mark.parametrize("bug", MARKED)
def test_each_marked_bug_is_found_by_its_test(bug):
    steps = 40 if bug == "ema_not_updated" else 0
    findings = examined(clinic.Bugs(**{bug: True}), steps)
    wanted = {FOUND_BY[bug]}
    if bug == "uniform_noise":  # its variance is 1/12
        wanted.add("variance of x_t")
    assert ill(findings) == wanted, doctor.report(findings)


def test_guidance_that_is_applied_twice_is_found():
    def twice(uncond, cond, w):
        return classifier_free_guidance(uncond, classifier_free_guidance(uncond, cond, w), w)

    patient = doctor.Patient(nn.Identity(), None, None, (), None, twice, None, None)
    assert doctor.guidance(patient).well is False


def course_sampler(schedule, cond, prediction_type):
    def sampler(model, x, generator):
        def denoise(x, t):
            return model(x, torch.full((len(x),), t - 1), cond[: len(x)])

        timesteps = trailing_timesteps(schedule.T, 5)
        return sample(denoise, x, schedule, timesteps, "ddpm", prediction_type, generator=generator)

    return sampler


def course_findings(model, schedule, prediction_type, images, cond, null, chance=0.1):
    def loss(model, x0, cond, generator):
        cond = drop_cond(cond, null, chance, generator)
        return diffusion_loss(model, x0, cond, generator, schedule, prediction_type)

    sampler = course_sampler(schedule, cond, prediction_type)
    options = dict(schedule=schedule, guide=classifier_free_guidance, null=null)
    return doctor.diagnose(model.float(), loss, sampler, (images, cond), **options)


def test_no_alarm_on_the_digits_checkpoint():
    model = tensors.load_checkpoint(scores.CHECKPOINTS / "digit_unet.safetensors", DigitUNet())
    images, labels = datasets.mnist()
    schedule = NoiseSchedule(linear_betas(1000))
    findings = course_findings(model, schedule, "sample", images[:512], labels[:512], 10)
    assert ill(findings) == set(), doctor.report(findings)


def test_no_alarm_on_the_sprites_checkpoint():
    network = dict(channels=3, widths=(32, 96), attend=(True, True), layers_per_block=1, heads=4)
    network |= dict(patch=2, groups=2, cross_attention_dim=64)
    path = scores.CHECKPOINTS / "sprite_unet.safetensors"
    model = tensors.load_checkpoint(path, UNet(**network))
    images, _, drawn = datasets.sprites("held_out")
    tokenizer, clip = sprite_clip.load()
    with torch.no_grad():
        captions = [sprites.caption(sprite, 0) for sprite in drawn[:64]]
        cond, null = (clip.text(tokenizer.encode(text))[0] for text in (captions, [""]))
    schedule = NoiseSchedule(linear_betas(1000))
    findings = course_findings(model, schedule, "sample", images[:64], cond, null[0])
    assert ill(findings) == set(), doctor.report(findings)


@pytest.fixture(scope="module")
def emoji():
    """The emoji model, latents, and text embeddings."""
    pipe = diffusers_format.load_pipeline(scores.CHECKPOINTS / "emoji")
    images, captions, _ = datasets.emoji(64, "held_out")
    texts = [text if isinstance(text, str) else text[0] for text in captions[:32]]
    with torch.no_grad():
        return pipe, pipe.to_latents(images[:32]), pipe.encode_prompt(texts), pipe.encode_prompt("")


def test_no_alarm_on_the_emoji_checkpoint(emoji):
    pipe, latents, cond, null = emoji
    findings = course_findings(
        pipe.unet, pipe.schedule, pipe.prediction_type, latents, cond, null[0]
    )
    assert ill(findings) == set(), doctor.report(findings)


@pytest.mark.filterwarnings("ignore")
def test_no_alarm_on_diffusers_pipeline_with_the_emoji_model(emoji):
    diffusers = pytest.importorskip("diffusers")
    ours, latents, cond, null = emoji
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(scores.CHECKPOINTS / "emoji")

    class Theirs(nn.Module):
        def __init__(self):
            super().__init__()
            self.unet = theirs.unet

        def forward(self, x, t, cond):
            return self.unet(x, t, encoder_hidden_states=cond).sample

    def loss(model, x0, cond, generator):
        cond = drop_cond(cond, null[0], 0.1, generator)
        t = torch.randint(0, 1000, (len(x0),), generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        xt = theirs.scheduler.add_noise(x0, eps, t)
        if theirs.scheduler.config.prediction_type == "v_prediction":
            eps = theirs.scheduler.get_velocity(x0, eps, t)
        return ((model(xt, t, cond) - eps) ** 2).mean()

    def sampler(model, x, generator):
        theirs.scheduler.set_timesteps(5)
        for t in theirs.scheduler.timesteps:
            out = model(x, t.expand(len(x)), cond[: len(x)])
            x = theirs.scheduler.step(out, t, x, generator=generator).prev_sample
        return x

    options = dict(schedule=ours.schedule, guide=classifier_free_guidance, null=null[0])
    findings = doctor.diagnose(Theirs().eval(), loss, sampler, (latents, cond), **options)
    assert ill(findings) == set(), doctor.report(findings)
