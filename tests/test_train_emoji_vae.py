"""The VAE's training script, small: what it writes, and that a run that was cut off goes on."""

import csv
import shutil

import pytest
import torch

from course_utils import datasets, layout
from tools import train_emoji_vae as tool


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A small network, a few small pictures, and files of its own."""
    images = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    parts = {"train": images, "held_out": images[:20]}
    monkeypatch.setattr(datasets, "emoji", lambda size, part="train": (parts[part], [], []))
    monkeypatch.setattr(tool, "NETWORK", {"latent": 2, "widths": (8, 8), "blocks": 1, "groups": 2})
    for name, value in {
        "STATE": tmp_path / "state.safetensors",
        "PREVIEW": tmp_path / "preview.png",
        "FOLDER": tmp_path / "vae",
        "BATCH": 4,
        "EVERY": 2,
    }.items():
        monkeypatch.setattr(tool, name, value)
    return tmp_path


def curve(folder):
    return [*csv.DictReader((folder / "vae" / "curve.csv").open())]


def test_it_writes_a_folder_that_loads_with_its_curve_and_a_picture(small):
    tool.main("--steps", "5")
    vae = layout.load_vae(small / "vae")
    some = datasets.emoji(64)[0]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        noise = torch.randn(40, 2, 4, 4, generator=generator)
        spread = vae.to_latents(some, noise).std().item()
    assert 0.9 < spread < 1.1  # what the scale is for
    assert [row["step"] for row in curve(small)] == ["2", "4", "5"]
    assert all(0 < float(row["psnr_held_out"]) < 60 for row in curve(small))
    assert (small / "preview.png").stat().st_size > 100
    assert not (small / "state.safetensors").exists()


@pytest.mark.parametrize("flags", [(), ("--decoder",)])
def test_a_run_that_was_cut_off_goes_on_number_for_number(small, monkeypatch, flags):
    tool.main("--steps", "2")
    shutil.copytree(small / "vae", small / "before")
    tool.main(*flags, "--steps", "6")
    whole, lines = layout.load_vae(small / "vae").state_dict(), curve(small)
    shutil.rmtree(small / "vae")
    shutil.copytree(small / "before", small / "vae")
    write = tool.write

    def cut_off(model, images, unseen, counts):
        write(model, images, unseen, counts)
        if counts["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(tool, "write", cut_off)
    with pytest.raises(KeyboardInterrupt):
        tool.main(*flags, "--steps", "6")
    monkeypatch.setattr(tool, "write", write)
    tool.main(*flags, "--steps", "6")
    again = layout.load_vae(small / "vae").state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in whole.items())
    keep = ("step", "loss", "psnr_held_out")
    assert [[r[k] for k in keep] for r in curve(small)] == [[r[k] for k in keep] for r in lines]


def test_a_decoder_that_goes_on_alone_leaves_the_latents_as_they_were(small):
    tool.main("--steps", "2")
    before = layout.load_vae(small / "vae")
    tool.main("--decoder", "--steps", "2")
    after = layout.load_vae(small / "vae")
    assert after.scale == before.scale
    weights = after.state_dict()
    for name, weight in before.state_dict().items():
        belongs_to_encoder = name.startswith(("encoder.", "quant."))
        assert torch.equal(weights[name], weight) == belongs_to_encoder, name
    assert [row["step"] for row in curve(small)] == ["2", "2"]
