"""Stable Diffusion 1.x at its own size, with random weights: minutes, 8 GB; `make test-full`."""

import gc
import shutil

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from course_utils import ROOT
from course_utils.built import text_to_image
from course_utils.built.schedule import NoiseSchedule, scaled_linear_betas
from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.built.tokenizer import load_tokenizer
from course_utils.diffusers_format import load_pipeline, names, published, save_pipeline
from tests.test_pipeline import seeded

pytestmark = pytest.mark.full
PROMPT, STEPS = "a photograph of an astronaut riding a horse", 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random Stable Diffusion, in half precision on the disk: 2.1 GB."""
    torch.manual_seed(0)
    parts = {name: part.to_empty(device="cpu") for name, part in published.networks().items()}
    for part in parts.values():
        for module in part.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        part.half()
    tokenizer = load_tokenizer(ROOT / "data" / "clip")
    schedule = NoiseSchedule(scaled_linear_betas(1000))
    pipe = StableDiffusion(tokenizer, parts["text"], parts["unet"], parts["vae"], schedule)
    found = tmp_path_factory.mktemp("full")
    save_pipeline(found / "folder", pipe)
    tensors = {}
    for name, part in parts.items():
        tensors |= {names.renamed(n, names.ORIGINAL[name]): t for n, t in part.state_dict().items()}
    save_file(tensors, found / "original.safetensors")
    del pipe, parts, tensors
    gc.collect()
    yield found
    shutil.rmtree(found)


@torch.no_grad()
def test_the_same_picture_as_diffusers_at_512_by_512(folder):
    latents = torch.randn(1, 4, 64, 64, generator=seeded())
    pipe = load_pipeline(folder / "folder")
    states = pipe.encode_prompt(PROMPT)
    drawn = text_to_image(pipe, PROMPT, None, latents=latents, steps=STEPS, sampler="ddim")
    counts = [sum(p.numel() for p in m.parameters()) for m in (pipe.unet, pipe.vae)]
    assert counts == [859_520_964, 83_653_863]
    del pipe
    gc.collect()
    other = StableDiffusionPipeline.from_pretrained(folder / "folder").to(torch.float32)
    other.set_progress_bar_config(disable=True)
    ids = other.tokenizer(PROMPT, padding="max_length", return_tensors="pt").input_ids
    torch.testing.assert_close(states, other.text_encoder(ids)[0], rtol=1e-4, atol=1e-4)
    wanted = other(PROMPT, latents=latents, num_inference_steps=STEPS, output_type="np").images
    wanted = torch.from_numpy(wanted).permute(0, 3, 1, 2)
    assert wanted.shape == (1, 3, 512, 512) and wanted.std() > 0.01
    assert ((wanted * 255).round() - ((drawn + 1) * 127.5).round()).abs().max() <= 1


@torch.no_grad()
def test_the_original_file_gives_the_same_networks_in_half_the_memory(folder):
    first, second = (
        load_pipeline(folder / name, dtype=torch.float16)
        for name in ("folder", "original.safetensors")
    )
    for part in ("unet", "vae", "text_encoder"):
        a, b = getattr(first, part).state_dict(), getattr(second, part).state_dict()
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert first.tokenizer.vocab == second.tokenizer.vocab
