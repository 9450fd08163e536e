"""The comparison of latents: networks of the sizes asked for, trained for a time, a row each."""

import csv

import pytest
import torch

from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL
from course_utils.data import datasets
from tools.score import __main__ as score
from tools.score import latents as compare_latents


@pytest.mark.parametrize("latents", compare_latents.LATENTS)
def test_networks_have_the_latents_asked_for(latents):
    vae_made, unet_made = compare_latents.networks(latents)
    side, _, channels = map(int, latents.split("x"))
    with torch.device("meta"):
        vae = AutoencoderKL(**vae_made)
        unet = UNet(vae.latent_channels, **unet_made, cross_attention_dim=128)
        mean = vae.encode(torch.zeros(1, 3, 64, 64)).mean
        assert mean.shape == (1, channels, side, side)
        at_0, context = torch.zeros(1, dtype=torch.long), torch.zeros(1, 32, 128)
        assert unet(mean, at_0, context).shape == mean.shape


@pytest.mark.parametrize("latents", ["4x4x12", "32x32x4", "8x16x4", "8x8", "8x8x0", "many"])
def test_other_grids_are_refused(latents):
    with pytest.raises(ValueError, match="8x8 and 16x16"):
        compare_latents.networks(latents)


def test_each_size_gets_a_row_once(places, monkeypatch):
    images, captions, drawings = datasets.emoji(64)
    some = (images[:40], captions[:40], drawings[:40])
    monkeypatch.setattr(datasets, "emoji", lambda size, part="train": some)
    file = places / "latents.csv"
    asked = (
        "latents",
        "--file",
        str(file),
        "--latents",
        "8x8x3",
        "16x16x2",
        "--vae-minutes",
        "1e-4",
        "--unet-minutes",
        "1e-4",
    )
    score.main(*asked, "--pictures", "4")
    with file.open() as file:
        rows = [*csv.DictReader(file)]
    assert [row["latents"] for row in rows] == ["8x8x3", "16x16x2"]
    for row in rows:
        assert row["vae_steps"] == row["unet_steps"] == "1"
        assert 0 < float(row["psnr_held_out"]) < 15  # nothing has been learned
        assert -1 <= float(row["similarity"]) <= 1 and 0 <= float(row["style"]) <= 1
    monkeypatch.setattr(compare_latents, "measure", lambda *_: pytest.fail("measured again"))
    score.main(*asked, "--pictures", "4")
