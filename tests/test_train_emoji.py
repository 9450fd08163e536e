"""The emoji model's training scripts, small: what each writes, and that it goes on where it was."""

import csv

import pytest
import torch
from transformers import CLIPTextModel

from course_utils import datasets, emoji, layout
from course_utils.built.vae import AutoencoderKL
from tools import emoji_text, long_run, train_emoji, train_emoji_clip, train_emoji_unet

VAE = {"latent": 3, "widths": (8, 8), "blocks": 1, "groups": 2}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A few drawings, small networks, and a folder of its own with an untrained VAE."""
    some = {style: emoji.drawings(style)[:10] for style in emoji.STYLES}
    monkeypatch.setattr(emoji, "drawings", some.get)
    drawings = [d for style in emoji.STYLES for d in some[style]]
    captions = [emoji.captions(d) for d in drawings]

    def pictures(size, part="train"):
        generator = torch.Generator().manual_seed(size)
        return torch.rand(40, 3, size, size, generator=generator) * 2 - 1, captions, drawings

    monkeypatch.setattr(datasets, "emoji", pictures)
    monkeypatch.setattr(emoji_text, "MERGES", 40)
    for tool, values in {
        train_emoji_clip: {"WIDTH": 16, "LAYERS": 1, "HEADS": 2, "SIDE": 16},
        train_emoji_unet: {
            "NETWORK": {"widths": (16, 16), "attend": (False, True), "blocks": 1, "heads": 2}
            | {"groups": 4},
            "PREVIEW": tmp_path / "preview.png",
        },
    }.items():
        common = {"FOLDER": tmp_path, "BATCH": 8, "EVERY": 2}
        state = {"STATE": tmp_path / f"{tool.__name__}.safetensors"}
        for name, value in (values | common | state).items():
            monkeypatch.setattr(tool, name, value)
    monkeypatch.setattr(train_emoji_unet, "prompts", lambda: ["a cat, noto", "a dog"])
    torch.manual_seed(0)
    layout.save_vae(tmp_path / "vae", AutoencoderKL(**VAE, scale=0.8))
    return tmp_path


def curve(folder):
    return [*csv.DictReader((folder / "curve.csv").open())]


def test_clip_then_unet_make_a_folder_that_draws(small):
    train_emoji_clip.main("--steps", "3")
    assert CLIPTextModel.from_pretrained(small / "text_encoder").config.hidden_size == 16
    train_emoji_unet.main("--steps", "3")
    for part in ("text_encoder", "unet"):
        assert [row["step"] for row in curve(small / part)] == ["2", "3"]
        assert not list(small.glob("*.safetensors"))
    pipe = layout.load_pipeline(small)
    drawn = pipe.text_to_image("a cat, noto", torch.Generator().manual_seed(0), steps=2, size=8)
    assert drawn.shape == (1, 3, 8, 8) and drawn.isfinite().all()
    assert (small / "preview.png").stat().st_size > 100


def test_a_unet_run_that_was_cut_off_goes_on_number_for_number(small, monkeypatch):
    train_emoji_clip.main("--steps", "2")
    train_emoji_unet.main("--steps", "4")
    whole = layout.load_unet(small / "unet").state_dict()
    write = train_emoji_unet.write

    def cut_off(*given):
        write(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(train_emoji_unet, "write", cut_off)
    with pytest.raises(KeyboardInterrupt):
        train_emoji_unet.main("--steps", "4")
    monkeypatch.setattr(train_emoji_unet, "write", write)
    train_emoji_unet.main("--steps", "4")
    again = layout.load_unet(small / "unet").state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in whole.items())


def test_it_can_begin_with_the_weights_that_are_there(small, monkeypatch):
    train_emoji_clip.main("--steps", "2")
    train_emoji_unet.main("--steps", "2")
    there, begun = layout.load_unet(small / "unet").state_dict(), []
    monkeypatch.setattr(train_emoji_unet, "write", lambda *given: None)
    run = long_run.long_run

    def noted(state, model, *others):
        begun.append({name: weight.clone() for name, weight in model.state_dict().items()})
        return run(state, model, *others)

    monkeypatch.setattr(long_run, "long_run", noted)
    train_emoji_unet.main("--steps", "1", "--go-on")
    assert all(torch.equal(begun[0][name], weight) for name, weight in there.items())


def test_minutes_become_steps_and_a_run_that_was_cut_off_keeps_its_own(small):
    train_emoji_clip.main("--steps", "2")
    train_emoji_unet.main("--minutes", "0.02")
    assert int(curve(small / "unet")[-1]["step"]) >= 1
    asked = long_run.arguments("Train.", ["--minutes", "5"], 7)
    state = small / "state.safetensors"
    model, generator = torch.nn.Linear(1, 1), torch.Generator()
    long_run.save_run(state, None, generator, {"model": model}, steps=123, done=5, seconds=1.0)
    assert long_run.planned(asked, state) == 123


def test_the_stages_share_the_minutes_and_go_on_at_the_one_cut_off(small, monkeypatch, tmp_path):
    asked = []
    for stage, _ in train_emoji.STAGES:
        monkeypatch.setattr(stage, "STATE", tmp_path / f"{stage.__name__}.state")
        monkeypatch.setattr(stage, "main", lambda *given, stage=stage: asked.append((stage, given)))
    train_emoji.main("--minutes", "60")
    assert [stage for stage, _ in asked] == [stage for stage, _ in train_emoji.STAGES]
    minutes = [float(given[1]) for _, given in asked]
    assert all(given[0] == "--minutes" for _, given in asked)
    assert 45 < sum(minutes) < 55 and min(minutes) > 2  # the rest is for all that is not a step
    train_emoji_clip.STATE.touch()
    asked.clear()
    train_emoji.main()
    assert asked == [(train_emoji_clip, ()), (train_emoji_unet, ())]


def test_captions_are_drawn_from_the_drawing_s_own():
    drawings = emoji.drawings("noto")[:6]
    tokenizer = emoji_text.learn_tokenizer(drawings)
    styled, plain = emoji_text.caption_ids(tokenizer, drawings)
    assert styled.shape == (6, emoji_text.ROWS, emoji_text.LENGTH)
    generator = torch.Generator().manual_seed(0)
    said = set()
    for _ in range(60):
        for row, drawing in zip(
            emoji_text.draw_captions(styled, plain, generator), drawings, strict=True
        ):
            text = tokenizer.decode(row).replace(" ,", ",")
            own = emoji.captions(drawing) + emoji.plain_captions(drawing)
            assert text.replace(" ", "") in {caption.replace(" ", "") for caption in own}
            said.add("noto" in text)
    assert said == {True, False}
