"""Folders in diffusers' layout: diffusers opens them and computes the same; damage is named."""

import json

import pytest
import torch
from diffusers import AutoencoderKL as TheirVAE
from torch import nn

from course_utils import diffusers_format
from course_utils.built.vae import AutoencoderKL

SETTINGS = {"latent_channels": 3, "widths": (8, 16, 24), "layers_per_block": 1, "groups": 4}


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    vae = AutoencoderKL(**SETTINGS, scaling_factor=0.7)
    for parameter in vae.parameters():
        nn.init.normal_(parameter, 0.02, 0.1)
    diffusers_format.save_vae(tmp_path, vae, made_by="a test")
    return tmp_path, vae.eval()


@torch.no_grad()
def test_diffusers_opens_the_folder_and_computes_the_same(saved):
    folder, ours = saved
    other = TheirVAE.from_pretrained(folder).eval()
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    expected = other.encode(x).latent_dist
    torch.testing.assert_close(ours.encode(x).mean, expected.mean, atol=1e-5, rtol=1e-4)
    z = torch.randn(expected.mean.shape)
    torch.testing.assert_close(ours.decode(z), other.decode(z).sample, atol=1e-5, rtol=1e-4)
    assert other.config.scaling_factor == 0.7


@torch.no_grad()
def test_a_folder_that_diffusers_wrote_is_read(saved, tmp_path):
    folder, ours = saved
    TheirVAE.from_pretrained(folder).save_pretrained(tmp_path / "theirs")
    again = diffusers_format.load_vae(tmp_path / "theirs").eval()
    x = torch.rand(1, 3, 8, 16) * 2 - 1
    torch.testing.assert_close(again.to_latents(x), ours.to_latents(x))


def test_half_precision_is_read_as_single(saved, tmp_path):
    _, ours = saved
    diffusers_format.save_vae(tmp_path / "half", ours.half())
    assert {p.dtype for p in diffusers_format.load_vae(tmp_path / "half").parameters()} == {
        torch.float32
    }


@pytest.mark.parametrize("name", ["config.json", diffusers_format.WEIGHTS])
def test_a_damaged_file_is_named_with_what_to_do(saved, name):
    folder, _ = saved
    raw = (folder / name).read_bytes()
    (folder / name).write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ValueError, match="damaged or only half there .*Fetch it again"):
        diffusers_format.load_vae(folder)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks {name}"):
        diffusers_format.load_vae(folder)


@pytest.mark.parametrize("changed", [{"latent_channels": 5}, {"block_out_channels": [8, 16]}])
def test_weights_of_another_model_are_named(saved, changed):
    folder, _ = saved
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changed))
    with pytest.raises(ValueError, match="weights of another model: .* the first is '"):
        diffusers_format.load_vae(folder)
    del config["norm_num_groups"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="KeyError: 'norm_num_groups'"):
        diffusers_format.load_vae(folder)
