"""The long training run of lesson 11's network: cut off, it goes on as if nothing had happened."""

import pytest
import torch
from safetensors import safe_open

from course_utils import sprites
from tools import train_sprite_unet


@pytest.fixture
def data(monkeypatch, tmp_path):
    encoder = tmp_path / "text_encoder" / "model.safetensors"
    encoder.parent.mkdir()
    encoder.write_bytes(b"some weights")
    monkeypatch.setattr(train_sprite_unet.sprite_clip, "FOLDER", tmp_path)
    monkeypatch.setattr(train_sprite_unet, "CHECKPOINT", tmp_path / "sprite_unet.safetensors")
    monkeypatch.setattr(train_sprite_unet, "BATCH", 2)
    monkeypatch.setattr(train_sprite_unet, "STEPS", 2)
    monkeypatch.setattr(train_sprite_unet, "LEGS", (1e-3, 5e-4))
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(6, 3, 16, 16, generator=generator) * 2 - 1
    return images, torch.randn(6, 5, 64, generator=generator), torch.zeros(5, 64)


def test_a_run_that_was_cut_off_goes_on_where_it_was(data, tmp_path):
    whole = train_sprite_unet.Run()
    losses = [whole.leg(*data) for _ in range(2)]

    first, state = train_sprite_unet.Run(), tmp_path / "state.safetensors"
    assert first.leg(*data) == losses[0]
    first.save(state)
    second = train_sprite_unet.Run()
    second.go_on(state)
    assert second.legs == 1 and second.seconds == first.seconds > 0
    assert second.leg(*data) == losses[1]
    for a, b in zip(whole.ema.model.parameters(), second.ema.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_is_written_is_the_average_in_half_precision(data):
    run = train_sprite_unet.Run()
    run.leg(*data)
    train_sprite_unet.write(run)
    found = train_sprite_unet.load(train_sprite_unet.CHECKPOINT)
    for a, b in zip(run.ema.model.parameters(), found.parameters(), strict=True):
        assert torch.equal(a.half().float(), b)
    with safe_open(train_sprite_unet.CHECKPOINT, "pt") as opened:
        notes = opened.metadata()
    assert notes["kind"] == "x0" and notes["steps"] == "2 of 4"
    assert train_sprite_unet.CHECKPOINT.stat().st_size < 5_000_000


def test_captions_leave_out_one_wording_and_differ():
    generator = torch.Generator().manual_seed(0)
    sprite = sprites.Sprite("potion", "red", "small", "crown", "left")
    told = train_sprite_unet.captions(sprite, generator)
    assert len(told) == len(set(told)) == train_sprite_unet.FULL + train_sprite_unet.SHORT
    assert sprites.caption(sprite, train_sprite_unet.FULL) not in told
