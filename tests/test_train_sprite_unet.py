"""The long training run of lesson 11's network: what it hears, and what it writes."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from course_utils.data import sprites
from course_utils.evaluation import sprite_classifier, sprite_clip
from tools.score import sprites as score_sprites
from tools.train import sprites_unet
from tools.train.sprites_unet import SETTINGS

SHIPPED = sprite_clip.FOLDER.parent / "sprite_unet.safetensors"


@pytest.fixture
def data(places, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(6, 3, 16, 16, generator=generator) * 2 - 1
    contexts = torch.randn(6, 5, 64, generator=generator)
    monkeypatch.setattr(sprites_unet, "dataset", lambda settings: (images, contexts))
    monkeypatch.setattr(sprites_unet, "encode", lambda texts: torch.zeros(len(texts), 5, 64))
    return places / "checkpoints" / "sprite_unet.safetensors"


def test_what_is_written_is_the_average_in_half_precision(data, monkeypatch):
    averages, half = [], sprites_unet.loop.Saved.half

    def noted(saved):
        averages.append(saved.model)
        return half(saved)

    monkeypatch.setattr(sprites_unet.loop.Saved, "half", noted)
    sprites_unet.train(replace(SETTINGS, batch_size=2, steps=5))
    found = sprites_unet.load(data)
    for a, b in zip(averages[-1].parameters(), found.parameters(), strict=True):
        assert torch.equal(a.half().float(), b)
    with safe_open(data, "pt") as opened:
        notes = opened.metadata()
    assert notes["prediction_type"] == "sample" and json.loads(notes["settings"])["restarts"] == [
        *SETTINGS.restarts
    ]
    assert data.stat().st_size < 5_000_000


def test_captions_leave_out_one_wording_and_differ():
    generator = torch.Generator().manual_seed(0)
    sprite = sprites.Sprite("potion", "red", "small", "crown", "left")
    texts = sprites_unet.captions(SETTINGS, sprite, generator)
    assert len(texts) == len(set(texts)) == SETTINGS.full + SETTINGS.short
    assert sprites.caption(sprite, SETTINGS.full) not in texts


def test_the_shipped_weights_belong_to_the_shipped_text_encoder():
    encoder = sprite_clip.FOLDER / "text_encoder" / "model.safetensors"
    with safe_open(SHIPPED, "pt") as opened:
        notes = opened.metadata()
    assert notes["text_encoder"].endswith(hashlib.sha256(encoder.read_bytes()).hexdigest())


def test_the_shipped_weights_draw_combinations_that_were_held_out():
    wanted, captions = zip(*score_sprites.group("held out", 12), strict=True)
    drawn = score_sprites.draw(sprites_unet.load(), list(captions), 2.0, steps=10, seed=5)
    assert sprite_classifier.score(drawn, wanted)["all"] >= 0.8
