"""The sprites' scores: the groups of captions, and rows that are measured once."""

import csv

import pytest
import torch

from course_utils import datasets, sprites
from course_utils.built.unet import UNet
from tools import score_sprites, train_sprite_unet


def test_groups_are_what_they_say():
    seen, unseen = (set(datasets.sprites(part)[2]) for part in ("train", "held_out"))
    told = {i: set() for i in range(sprites.WORDINGS)}
    for sprite in sprites.all_sprites():
        for wording, captions in told.items():
            captions.add(sprites.caption(sprite, wording))
    old = set().union(*(told[i] for i in range(train_sprite_unet.FULL)))
    for name, among, captions in (
        ("seen", seen, old),
        ("held out", unseen, old),
        ("new wording", seen, told[train_sprite_unet.FULL]),
    ):
        found = score_sprites.group(name, 110)
        assert len(found) == 110 and found == score_sprites.group(name, 110)
        assert all(sprite in among and caption in captions for sprite, caption in found)
    assert not old & told[train_sprite_unet.FULL]


def test_rows_are_measured_once(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model = UNet(**train_sprite_unet.NETWORK, context_width=64).eval()
    monkeypatch.setattr(train_sprite_unet, "load", lambda path: model)
    weights, file = tmp_path / "some.safetensors", tmp_path / "scores.csv"
    weights.write_bytes(b"some weights")
    asked = ["--checkpoint", str(weights), "--file", str(file), "--pictures", "2", "--steps", "1"]
    score_sprites.main(*asked, "--seeds", "1")
    once = file.read_text()
    score_sprites.main(*asked, "--seeds", "1")
    assert file.read_text() == once
    rows = list(csv.DictReader(once.splitlines()))
    assert [row["captions"] for row in rows] == ["seen", "held out", "new wording"]
    assert all(float(row["rejected"]) == 1 for row in rows)  # an untrained network draws noise


def test_the_same_seed_draws_the_same_pictures():
    torch.manual_seed(0)
    model = UNet(**train_sprite_unet.NETWORK, context_width=64).eval()
    first, again, other = (
        score_sprites.draw(model, ["a potion", ""], 2.0, 1, seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    with pytest.raises(ValueError, match="1 to 1000"):
        score_sprites.draw(model, ["a potion"], 2.0, 0, 0)
