"""Whole models in diffusers' layout: diffusers draws the same pictures with them."""

import json
import os
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, PNDMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from course_utils import ROOT, diffusers_format
from course_utils.built import get_timesteps, text_to_image
from course_utils.built.schedule import (
    NoiseSchedule,
    cosine_betas,
    linear_betas,
    scaled_linear_betas,
    sigmoid_betas,
)
from course_utils.built.tokenizer import Tokenizer
from course_utils.built.unet import UNet
from course_utils.diffusers_format import config_files, configs, load_pipeline, save_pipeline
from tests.test_pipeline import CAPTIONS, seeded, small_pipeline

EMOJI = dict(prediction_type="v_prediction", spacing="trailing", betas=cosine_betas)
STABLE = dict(prediction_type="epsilon", spacing="stable_diffusion", betas=scaled_linear_betas)
both = pytest.mark.parametrize("settings", [EMOJI, STABLE], ids=["emoji", "Stable Diffusion"])


def theirs(folder):
    """diffusers' pipeline of a folder, by the plain line, silent."""
    pipe = StableDiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def their_pictures(pipe, latents, steps, guidance, **options):
    drawn = pipe(
        CAPTIONS[: len(latents)],
        latents=latents,
        num_inference_steps=steps,
        guidance_scale=guidance,
        output_type="np",
        **options,
    ).images
    return torch.from_numpy(drawn).permute(0, 3, 1, 2)


def uint8(pictures):
    return (pictures * 255).round()


@both
@pytest.mark.parametrize("half", [False, True])
def test_diffusers_draws_the_same_picture_from_our_folder(settings, half, tmp_path):
    pipe = small_pipeline(**settings)
    if half:
        pipe.to(dtype=torch.float16)
    save_pipeline(tmp_path, pipe)
    ours, other = load_pipeline(tmp_path), theirs(tmp_path)
    latents = torch.randn(2, 4, 4, 4, generator=seeded(4))
    negative = ["a house", ""]
    wanted = their_pictures(other, latents, 20, 4.0, negative_prompt=negative)
    drawn = text_to_image(
        ours, CAPTIONS[:2], None, latents=latents, guidance=4.0, sampler="ddim", negative=negative
    )
    assert (uint8(wanted) - uint8((drawn + 1) / 2)).abs().max() <= 1
    assert wanted.std() > 0.05 and (wanted[0] - wanted[1]).abs().max() > 0.02


PLAIN_LINE = """
import sys
import numpy
import torch
from diffusers import StableDiffusionPipeline
pipe = StableDiffusionPipeline.from_pretrained(sys.argv[1])
z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
how = dict(latents=z, num_inference_steps=4, guidance_scale=3.0, output_type="np")
numpy.save(sys.argv[2], pipe("a red heart", **how).images)
"""
SHIPPED = ROOT / "data" / "checkpoints" / "emoji"


def drawn_by_the_plain_line(where, **environment):
    """What diffusers draws of the shipped folder, in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", PLAIN_LINE, SHIPPED, where / "drawn.npy"],
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | environment,
        check=True,
    )
    return torch.from_numpy(np.load(where / "drawn.npy")).permute(0, 3, 1, 2)


def drawn_by_us():
    z = torch.randn(1, 4, 16, 16, generator=seeded())
    pipe = load_pipeline(SHIPPED)
    drawn = text_to_image(pipe, "a red heart", None, 4, latents=z, guidance=3.0, sampler="ddim")
    return (drawn + 1) / 2


def test_the_shipped_folder_opens_with_the_plain_line_and_draws_the_same(tmp_path):
    """Its weights are in half precision; no dtype is named, as a newcomer writes it."""
    wanted = drawn_by_the_plain_line(tmp_path)
    assert (uint8(wanted) - uint8(drawn_by_us())).abs().max() <= 1 and wanted.std() > 0.05


@pytest.mark.full
def test_the_plain_line_works_on_the_oldest_versions_that_are_allowed(tmp_path):
    """Installed for this test alone, with what fits them of huggingface_hub and tokenizers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = " ".join(project["optional-dependencies"]["dev"])
    oldest = [
        f"{name}=={re.search(f'{name}>=([0-9.]+)', asked)[1]}"
        for name in ("diffusers", "transformers")
    ]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", tmp_path / "old"]
    subprocess.run([*pip, *oldest, "huggingface_hub==1.5.0", "tokenizers==0.22.2"], check=True)
    wanted = drawn_by_the_plain_line(tmp_path, PYTHONPATH=str(tmp_path / "old"))
    assert (uint8(wanted) - uint8(drawn_by_us())).abs().max() <= 1 and wanted.std() > 0.05


@both
def test_a_folder_that_diffusers_saved_is_read_and_draws_the_same(settings, tmp_path):
    pipe = small_pipeline(**settings)
    save_pipeline(tmp_path / "ours", pipe)
    theirs(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    again = load_pipeline(tmp_path / "theirs")
    assert (again.prediction_type, again.spacing, again.size) == (
        pipe.prediction_type,
        pipe.spacing,
        pipe.size,
    )
    torch.testing.assert_close(again.schedule.beta, pipe.schedule.beta)
    first, second = (text_to_image(p, CAPTIONS, seeded(), steps=3) for p in (pipe, again))
    torch.testing.assert_close(first, second)


def test_ids_and_padding_are_those_of_transformers(tmp_path):
    from transformers import CLIPTokenizer

    texts = [*CAPTIONS, "", "It's a CAT, naïve!", "cat " * 40]
    for pad in ("<|endoftext|>", "!"):
        ours = Tokenizer(small_pipeline().tokenizer.merges, 12, pad)
        diffusers_format.save_tokenizer(tmp_path / pad[0], ours)
        reference = CLIPTokenizer.from_pretrained(tmp_path / pad[0])
        ids = reference(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        with pytest.warns(UserWarning, match="cut"):
            assert torch.equal(
                diffusers_format.load_tokenizer(tmp_path / pad[0]).encode(texts), ids
            )


@pytest.mark.parametrize(
    "betas, name",
    [
        (linear_betas, "linear"),
        (scaled_linear_betas, "scaled_linear"),
        (cosine_betas, "squaredcos_cap_v2"),
        (sigmoid_betas, "linear"),  # diffusers' DDIM has no such name: one by one
    ],
)
@pytest.mark.parametrize("spacing", ["stable_diffusion", "leading", "trailing", "linspace"])
def test_schedules_and_spacings_are_diffusers(betas, name, spacing, tmp_path):
    schedule = NoiseSchedule(betas(1000))
    diffusers_format.save_scheduler(tmp_path, schedule, "v_prediction", spacing)
    reference = DDIMScheduler.from_pretrained(tmp_path)
    assert reference.config.beta_schedule == name
    torch.testing.assert_close(reference.betas.double(), schedule.beta[1:], rtol=2e-3, atol=1e-6)
    again, prediction_type, found = diffusers_format.load_scheduler(tmp_path)
    assert (prediction_type, found) == ("v_prediction", spacing)
    torch.testing.assert_close(again.beta, schedule.beta, rtol=1e-8, atol=0)
    reference.set_timesteps(20)
    timesteps = get_timesteps(small_pipeline(spacing=spacing), 20)
    assert (reference.timesteps + 1).tolist() == timesteps[:-1]
    last = reference.alphas_cumprod[0] if timesteps[-1] else 1
    assert reference.final_alpha_cumprod == last


def test_the_published_scheduler_is_read(tmp_path):
    """Stable Diffusion 1.x comes with PNDM's settings, of which ours are the same."""
    PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
    ).save_pretrained(tmp_path)
    schedule, prediction_type, spacing = diffusers_format.load_scheduler(tmp_path)
    assert (prediction_type, spacing) == ("epsilon", "stable_diffusion")
    torch.testing.assert_close(schedule.beta[1:], scaled_linear_betas(1000))


@pytest.mark.parametrize(
    "changed, says",
    [
        (dict(beta_schedule="sigmoid"), "no schedule of betas 'sigmoid'"),
        (dict(rescale_betas_zero_snr=True), "rescale_betas_zero_snr"),
        (dict(clip_sample=True), "clip_sample"),
        (dict(steps_offset=3), "offset 3"),
        (dict(prediction_type="flow"), "'flow'"),
        (dict(beta_start=None), "damaged"),
    ],
)
def test_other_schedulers_are_refused(changed, says, tmp_path):
    diffusers_format.save_scheduler(tmp_path, NoiseSchedule(scaled_linear_betas(1000)))
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(ValueError, match=says):
        diffusers_format.load_scheduler(tmp_path)


FILES = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/tokenizer_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("model")
    save_pipeline(found, small_pipeline())
    assert {str(p.relative_to(found)) for p in found.glob("**/*") if p.is_file()} >= {*FILES}
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_damaged_file_is_named_with_what_to_do(folder, name):
    raw = (folder / name).read_bytes()
    try:
        (folder / name).write_bytes(raw[: len(raw) // 2])
        with pytest.raises(ValueError, match="damaged or only half there .*Fetch it again"):
            load_pipeline(folder)
        (folder / name).unlink()
        with pytest.raises(FileNotFoundError, match=f"lacks {name.split('/')[-1]}.*Fetch it again"):
            load_pipeline(folder)
    finally:
        (folder / name).write_bytes(raw)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_pipeline(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "part, changed, says",
    [
        ("unet", dict(use_linear_projection=True), "no part of Stable Diffusion 1.x"),
        ("unet", dict(in_channels=9), "for inpainting"),
        ("unet", dict(time_cond_proj_dim=256), "time_cond_proj_dim"),
        ("unet", dict(block_out_channels=[32, 32]), "weights of another model"),
        ("text_encoder", dict(hidden_act="relu"), "'relu'"),
        ("text_encoder", dict(intermediate_size=64), "intermediate_size"),
        ("vae", dict(shift_factor=0.1), "shift_factor"),
        (".", dict(_class_name="StableDiffusionXLPipeline"), "StableDiffusionXLPipeline"),
    ],
)
def test_other_networks_are_refused_with_what_they_are(folder, part, changed, says):
    path = folder / part / ("model_index.json" if part == "." else "config.json")
    before = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(before) | changed))
        with pytest.raises(ValueError, match=says):
            load_pipeline(folder)
    finally:
        path.write_text(before)


def test_a_tokenizer_of_another_kind_is_refused(tmp_path):
    config_files.write_json(tmp_path / "tokenizer_config.json", {})
    config_files.write_json(
        tmp_path / "tokenizer.json", {"model": {"vocab": {"a": 0}, "merges": []}}
    )
    with pytest.raises(ValueError, match="like CLIP's"):
        diffusers_format.load_tokenizer(tmp_path)


def test_settings_are_read_off_the_networks():
    settings = dict(channels=3, widths=[16, 32], attend=[False, True], layers_per_block=2, heads=2)
    settings |= dict(cross_attention_dim=24, groups=4, patch=1, scale_shift=True)
    assert configs.unet_settings(UNet(**settings)) == settings
    with pytest.raises(ValueError, match="patch=1"):
        configs.unet_config(UNet(**settings | dict(patch=2)), 8)


def test_types_and_devices_are_as_asked(folder):
    pipe = load_pipeline(folder, dtype=torch.bfloat16)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        assert {p.dtype for p in part.parameters()} == {torch.bfloat16}
        assert not any(p.is_meta for p in part.parameters())


def test_half_and_sharded_files_are_found(folder, tmp_path):
    """The endings in which weights are published; half precision is read where it is asked for."""
    weights = load_file(folder / "vae" / diffusers_format.WEIGHTS)
    (tmp_path / "config.json").write_text((folder / "vae" / "config.json").read_text())
    stem = "diffusion_pytorch_model"
    halved = {name: (tensor / 2).half() for name, tensor in weights.items()}
    save_file(halved, tmp_path / f"{stem}.fp16.safetensors")
    found = diffusers_format.load_vae(tmp_path).post_quant_conv.bias
    wanted = weights["post_quant_conv.bias"]
    torch.testing.assert_close(found, wanted / 2, rtol=1e-3, atol=1e-4)
    names = sorted(weights)
    file_of = {n: f"{stem}-0000{1 + i % 2}-of-00002.safetensors" for i, n in enumerate(names)}
    for file in set(file_of.values()):
        save_file({n: weights[n] for n in names if file_of[n] == file}, tmp_path / file)
    index = tmp_path / f"{stem}.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": file_of}))
    assert torch.equal(diffusers_format.load_vae(tmp_path).post_quant_conv.bias, wanted)
    half = diffusers_format.load_vae(tmp_path, torch.float16).post_quant_conv.bias
    torch.testing.assert_close(half, (wanted / 2).half())
    (tmp_path / file_of[names[0]]).unlink()
    with pytest.raises(FileNotFoundError, match="00001-of-00002"):
        diffusers_format.load_vae(tmp_path)
    index.write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        diffusers_format.load_vae(tmp_path)


def test_the_old_names_of_published_files_are_read(folder, tmp_path):
    renames = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = load_file(folder / "vae" / diffusers_format.WEIGHTS)
    old = {}
    for name, tensor in weights.items():
        for new, before in renames.items():
            name = name.replace(f".{new}.", f".{before}.")
        old[name] = tensor
    assert len(old.keys() - weights.keys()) == 16
    save_file(old, tmp_path / diffusers_format.WEIGHTS)
    (tmp_path / "config.json").write_text((folder / "vae" / "config.json").read_text())
    wanted = diffusers_format.load_vae(folder / "vae").state_dict()
    assert all(
        torch.equal(t, wanted[n])
        for n, t in diffusers_format.load_vae(tmp_path).state_dict().items()
    )
    text = load_file(folder / "text_encoder" / "model.safetensors")
    text["text_model.embeddings.position_ids"] = torch.arange(16)[None]
    save_file(text, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "text_encoder" / "config.json").read_text())
    wanted = diffusers_format.load_text_encoder(folder / "text_encoder").state_dict()
    found = diffusers_format.load_text_encoder(tmp_path).state_dict()
    assert all(torch.equal(t, wanted[n]) for n, t in found.items())
    text["something_else"] = torch.zeros(1)
    save_file(text, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="1 tensors differ .* 'text_model.something_else'"):
        diffusers_format.load_text_encoder(tmp_path)


@pytest.mark.parametrize(
    "name, content, says",
    [
        ("diffusion_pytorch_model.bin", b"PK\x03\x04", "can run any code"),
        ("diffusion_pytorch_model.bin", b"whatever", "can run any code"),
        ("diffusion_pytorch_model.safetensors", b"\x80\x02}q", "can run any code"),
        ("diffusion_pytorch_model.safetensors", b"version https://git-lfs.github", "git lfs pull"),
        ("diffusion_pytorch_model.safetensors", b"<html>", "damaged"),
    ],
)
def test_what_is_no_safetensors_file_is_not_opened(folder, name, content, says, tmp_path):
    (tmp_path / "config.json").write_text((folder / "vae" / "config.json").read_text())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=says):
        diffusers_format.load_vae(tmp_path)
