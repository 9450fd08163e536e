"""The sprites' CLIP as it is shipped, and its captions."""

import json

import pytest
import torch
from safetensors import safe_open

from course_utils.built.clip import CLIPText
from course_utils.built.tokenizer import Tokenizer, learn_merges
from course_utils.data import sprites
from course_utils.evaluation import sprite_clip
from tools.train import sprites_clip

CAT = sprites.Sprite("cat", "blue", "small", "crown", "left")


@pytest.fixture(scope="module")
def shipped():
    return sprite_clip.load()


def test_captions_say_what_they_are_asked_to_say():
    assert sprite_clip.caption(CAT, {"kind"}) == "a cat"
    assert sprite_clip.caption(CAT, ["facing", "extra"]) == "a thing wearing a crown, facing left"
    plain = CAT._replace(extra="none")
    assert sprite_clip.caption(plain, {"extra", "colour"}) == "a plain blue thing"
    assert sprite_clip.caption(CAT, sprites.WORDS) == sprites.caption(CAT)
    short = sprite_clip.short_captions(CAT)
    assert len(short) == len(set(short)) == 30
    assert len(sprite_clip.full_captions(CAT)) == sprites.TEMPLATES
    assert sprite_clip.prompts("size") == ["a small thing", "a big thing"]
    with pytest.raises(ValueError, match="no \\['hat'\\]"):
        sprite_clip.caption(CAT, {"hat"})


def test_shipped_model_names_and_finds_held_out_sprites(shipped):
    tokenizer, model = shipped
    found = sprite_clip.quality(model, tokenizer)
    assert min(found.values()) >= 0.95
    with safe_open(sprite_clip.FOLDER / "text_encoder" / "model.safetensors", "pt") as file:
        said = dict(part.split(" ") for part in file.metadata()["measured"].split(", ")[1:])
    assert {name: pytest.approx(value, abs=0.02) for name, value in found.items()} == {
        name: float(value) for name, value in said.items()
    }
    # A model that was not trained finds next to nothing.
    torch.manual_seed(0)
    blank = sprite_clip.quality(sprite_clip.build(len(tokenizer.vocab)).eval(), tokenizer)
    assert blank["kind"] < 0.5 and blank["caption"] < 0.05


def test_shipped_tokenizer_is_what_the_captions_give(shipped):
    everyone = [s for s in sprites.all_sprites() if not sprites.is_held_out(s)]
    captions = [c for s in everyone for c in sprite_clip.full_captions(s)]
    captions += [c for s in everyone for c in sprite_clip.short_captions(s)]
    assert Tokenizer(learn_merges(captions, 10_000)).vocab == shipped[0].vocab


def test_no_caption_is_cut_and_the_config_builds_the_encoder(shipped):
    tokenizer, model = shipped
    for sprite in sprites.all_sprites()[::7]:
        for caption in sprite_clip.full_captions(sprite):
            assert len(tokenizer.split(caption)) <= sprite_clip.LENGTH - 2
    config = json.loads((sprite_clip.FOLDER / "text_encoder" / "config.json").read_text())
    CLIPText(**config).load_state_dict(model.text.state_dict())


def test_files_hold_the_whole_model(shipped, tmp_path):
    tokenizer, model = shipped
    sprite_clip.save(tmp_path, tokenizer, model, steps=1)
    again = sprite_clip.load(tmp_path)[1].state_dict()
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, again[name])


def test_the_trainer_draws_captions_of_the_right_pictures():
    """With a loss that returns its ids, each row must be one of its own picture's captions."""
    n = 50
    full = torch.arange(n)[:, None, None] * 10 + torch.arange(4)[None, :, None]
    short = full + 1000
    seen = {}

    def model(images, ids):
        seen["ids"] = ids
        return ids.sum()

    generator = torch.Generator().manual_seed(0)
    sprites_clip.loss_of(sprites_clip.SETTINGS, model, torch.zeros(n), full, short, generator)
    ids = seen["ids"][:, 0]
    assert torch.equal(ids % 1000 // 10, torch.arange(n))
    assert 0.2 < (ids >= 1000).float().mean() < 0.6
    assert ids.unique().numel() == n and (ids % 10).unique().numel() == 4
