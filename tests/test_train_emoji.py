"""The emoji model's training stages, small: what each writes, and that it goes on where it was."""

import csv
import shutil
from dataclasses import replace

import pytest
import torch
from transformers import CLIPTextModel

from course_utils import diffusers_format
from course_utils.built import text_to_image
from course_utils.data import datasets, emoji
from tools.train import emoji_captions, emoji_text, emoji_unet, emoji_vae, loop

FEW = {"batch_size": 4, "every": 2}
SMALL = {
    "vae": dict(latent_channels=2, widths=(8, 8), layers_per_block=1, groups=2),
    "text": dict(width=16, layers=1, heads=2),
    "unet": dict(widths=(16, 16), attend=(False, True), layers_per_block=1, heads=2, groups=4),
}
VAE = replace(emoji_vae.SETTINGS, network=SMALL["vae"], **FEW)
TEXT = replace(emoji_text.SETTINGS, network=SMALL["text"], side=16, **FEW)
UNET = replace(emoji_unet.SETTINGS, network=SMALL["unet"], **FEW)
STAGES = {emoji_vae: VAE, emoji_text: TEXT, emoji_unet: UNET}


@pytest.fixture
def small(places, monkeypatch):
    """A few drawings, as noise of 16 x 16 pixels, and folders of its own."""
    some = {style: emoji.drawings(style)[:10] for style in emoji.STYLES}
    monkeypatch.setattr(emoji, "drawings", some.get)
    drawings = [d for style in emoji.STYLES for d in some[style]]
    captions = [emoji.captions(d) for d in drawings]
    images = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    monkeypatch.setattr(datasets, "emoji", lambda size, part="train": (images, captions, drawings))
    monkeypatch.setattr(emoji_captions, "MERGES", 40)
    monkeypatch.setattr(emoji_unet, "prompts", lambda: ["a cat, noto", "a dog"])
    return places


def trained(stage, steps, resume=False, **more):
    settings = replace(STAGES[stage], steps=steps, **more)
    stage.train(loop.resumed(settings) if resume else settings, resume=resume)


def folder(places, part):
    return places / "checkpoints" / "emoji" / part


def curve(places, part):
    return [*csv.DictReader((folder(places, part) / "curve.csv").open())]


def weights(places, stage):
    part, load = {
        emoji_vae: ("vae", diffusers_format.load_vae),
        emoji_text: ("text_encoder", diffusers_format.load_text_encoder),
        emoji_unet: ("unet", diffusers_format.load_unet),
    }[stage]
    return load(folder(places, part)).state_dict()


def test_three_stages_make_a_folder_that_draws(small):
    for stage in STAGES:
        trained(stage, 3)
    their_text = CLIPTextModel.from_pretrained(folder(small, "text_encoder"))
    assert their_text.config.hidden_size == 16
    for part in ("vae", "text_encoder", "unet"):
        assert [row["step"] for row in curve(small, part)] == ["2", "3"]
    assert all(0 < float(row["psnr_held_out"]) < 60 for row in curve(small, "vae"))
    pipe = diffusers_format.load_pipeline(folder(small, ""))
    drawn = text_to_image(pipe, "a cat, noto", torch.Generator().manual_seed(0), steps=2, size=8)
    assert drawn.shape == (1, 3, 8, 8) and drawn.isfinite().all()
    left = {path.name for path in (small / "downloads").iterdir()}
    assert left == {"emoji_vae.png", "emoji_unet.png"}
    with torch.no_grad():
        noise = torch.randn(40, 2, 8, 8, generator=torch.Generator().manual_seed(1))
        spread = pipe.vae.to_latents(datasets.emoji(64)[0], noise).std().item()
    assert 0.9 < spread < 1.1  # what the scale is for


@pytest.mark.parametrize(
    "stage, more",
    [(emoji_vae, {}), (emoji_vae, {"decoder": True}), (emoji_text, {}), (emoji_unet, {})],
)
def test_a_run_that_was_cut_off_goes_on_number_for_number(small, monkeypatch, stage, more):
    for before in (emoji_vae, emoji_text):
        trained(before, 2)
    shutil.copytree(small / "checkpoints", small / "kept")
    trained(stage, 6, **more)
    whole = weights(small, stage)
    shutil.rmtree(small / "checkpoints")
    shutil.copytree(small / "kept", small / "checkpoints")

    def cut_off(saved, *given):
        if saved.step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, "write", cut_off)
        with pytest.raises(KeyboardInterrupt):
            trained(stage, 6, **more)
    trained(stage, 0, resume=True)
    again = weights(small, stage)
    assert all(torch.equal(again[name], weight) for name, weight in whole.items())


def test_it_can_begin_with_the_weights_that_are_there(small, monkeypatch):
    for stage in STAGES:
        trained(stage, 2)
        there, begun = weights(small, stage), []

        def noted(settings, model, *others, begun=begun, **how):
            part = model.text if hasattr(model, "text") else model
            begun.append({name: weight.clone() for name, weight in part.state_dict().items()})
            return iter(())

        with monkeypatch.context() as patch:
            patch.setattr(loop, "fit", noted)
            trained(stage, 1, from_weights=True)
        assert all(torch.equal(begun[0][name], weight) for name, weight in there.items())


def test_a_decoder_that_goes_on_alone_leaves_the_latents_as_they_were(small):
    trained(emoji_vae, 2)
    before = diffusers_format.load_vae(folder(small, "vae"))
    trained(emoji_vae, 2, decoder=True)
    after = diffusers_format.load_vae(folder(small, "vae"))
    assert after.scaling_factor == before.scaling_factor
    weights = after.state_dict()
    for name, weight in before.state_dict().items():
        belongs_to_encoder = name.startswith(("encoder.", "quant_conv."))
        assert torch.equal(weights[name], weight) == belongs_to_encoder, name
    assert [row["step"] for row in curve(small, "vae")] == ["2", "2"]


def test_captions_are_drawn_from_the_drawing_s_own():
    drawings = emoji.drawings("noto")[:6]
    tokenizer = emoji_captions.learn_tokenizer(drawings)
    styled, plain = emoji_captions.caption_ids(tokenizer, drawings)
    assert styled.shape == (6, emoji_captions.ROWS, emoji_captions.LENGTH)
    generator = torch.Generator().manual_seed(0)
    said = set()
    for _ in range(60):
        for row, drawing in zip(
            emoji_captions.draw_captions(styled, plain, generator), drawings, strict=True
        ):
            text = tokenizer.decode(row).replace(" ,", ",")
            own = emoji.captions(drawing) + emoji.plain_captions(drawing)
            assert text.replace(" ", "") in {caption.replace(" ", "") for caption in own}
            said.add("noto" in text)
    assert said == {True, False}
