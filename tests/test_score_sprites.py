"""The sprites' scores: the groups of captions, and rows that are measured once."""

import csv

import pytest
import torch

from course_utils.built.unet import UNet
from course_utils.data import datasets, sprites
from tools.score import __main__ as score
from tools.score import sprites as score_sprites
from tools.train import sprites_unet
from tools.train.sprites_unet import SETTINGS


def test_groups_are_what_they_say():
    seen, unseen = (set(datasets.sprites(part)[2]) for part in ("train", "held_out"))
    called = {i: set() for i in range(sprites.TEMPLATES)}
    for sprite in sprites.all_sprites():
        for template, captions in called.items():
            captions.add(sprites.caption(sprite, template))
    old = set().union(*(called[i] for i in range(SETTINGS.full)))
    for name, among, captions in (
        ("seen", seen, old),
        ("held out", unseen, old),
        ("new template", seen, called[SETTINGS.full]),
    ):
        found = score_sprites.group(name, 110)
        assert len(found) == 110 and found == score_sprites.group(name, 110)
        assert all(sprite in among and caption in captions for sprite, caption in found)
    assert not old & called[SETTINGS.full]


def test_rows_are_measured_once(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model = UNet(**SETTINGS.network).eval()
    monkeypatch.setattr(sprites_unet, "load", lambda path: model)
    weights, file = tmp_path / "some.safetensors", tmp_path / "scores.csv"
    weights.write_bytes(b"some weights")
    asked = ["--checkpoint", str(weights), "--file", str(file), "--pictures", "2", "--steps", "1"]
    score.main("sprites", *asked, "--seeds", "1")
    once = file.read_text()
    score.main("sprites", *asked, "--seeds", "1")
    assert file.read_text() == once
    rows = list(csv.DictReader(once.splitlines()))
    assert [row["captions"] for row in rows] == ["seen", "held out", "new template"]
    assert all(float(row["rejected"]) == 1 for row in rows)  # an untrained network draws noise


def test_the_same_seed_draws_the_same_pictures():
    torch.manual_seed(0)
    model = UNet(**SETTINGS.network).eval()
    first, again, other = (
        score_sprites.draw(model, ["a potion", ""], 2.0, 1, seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    with pytest.raises(ValueError, match="1 to T = 1000"):
        score_sprites.draw(model, ["a potion"], 2.0, 0, 0)
