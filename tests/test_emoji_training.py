"""How the emoji's classifiers, VAE and text encoder are trained: what pictures go through."""

import colorsys
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from course_utils import diffusers_format
from course_utils.built.clip import CLIPText
from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL
from course_utils.data import datasets, emoji_edits
from tools import score_prompts
from tools.train import (
    emoji_styles,
    emoji_text,
    emoji_things,
    emoji_unet,
    emoji_vae,
    loop,
)

NETWORK = dict(latent_channels=4, widths=(8, 8, 8), layers_per_block=1, groups=1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_layers_are_the_picture_when_they_are_laid_on_white():
    images = datasets.emoji(64, styles=["fluent"])[0][:40]
    x = emoji_things.layers(images, 1).float()
    laid = x[:, :3] + 1 - x[:, 3:]
    off = (laid * 2 - 1 - images).abs()
    assert off.mean() < 0.01 and off.flatten(1).quantile(0.99) < 0.1


def test_hues_are_turned_alike_and_what_is_grey_stays_grey():
    """Rodrigues' rotation keeps red + green + blue, and turns every hue by the same angle."""
    grey = torch.full((64, 3, 4, 4), 0.5)
    cover = torch.ones(64, 1, 4, 4)
    made = emoji_things.painted(grey, cover, generator())
    torch.testing.assert_close(made, made[:, :1].expand_as(made), atol=1e-5, rtol=0)
    red = torch.tensor([0.6, 0.3, 0.3]).view(1, 3, 1, 1).expand(64, 3, 4, 4)
    hues = [
        colorsys.rgb_to_hsv(*x[:, 0, 0].tolist())[0]
        for x in emoji_things.painted(red, cover, generator())
    ]
    assert len({round(h, 1) for h in hues}) > 7


@pytest.mark.parametrize("module, side", [(emoji_things, 32), (emoji_styles, 64)])
def test_changed_pictures_keep_their_shape_and_their_seed(module, side):
    layers = emoji_things.layers(datasets.emoji(64, styles=["noto"])[0][:8], 64 // side)
    made = module.varied(layers, generator())
    assert made.shape == (8, 3, side, side) and made.dtype == torch.float32
    assert torch.equal(made, module.varied(layers, generator()))
    assert not torch.equal(made, module.varied(layers, generator(1)))


def test_even_channels_change_nothing_but_the_latents_scale():
    torch.manual_seed(0)
    model = AutoencoderKL(3, 4, (8, 8, 8), 1, 1).eval()
    x = torch.rand(6, 3, 32, 32, generator=generator()) * 2 - 1
    with torch.no_grad():
        before, noise = model.encode(x), torch.randn(6, 4, 8, 8, generator=generator())
        drawn = model.decode(before.sample(noise))
        emoji_vae.even_channels(model, x)
        after = model.encode(x)
        torch.testing.assert_close(model.decode(after.sample(noise)), drawn, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after.mean.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(after.mean.std((0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)


def test_every_caption_fits_into_the_tokens_and_says_something():
    images, texts = emoji_text.examples(0, 1)
    assert images.shape == (len(texts), 3, 32, 32) and images.dtype == torch.uint8
    few = texts[::50]
    tokenizer = emoji_text.learn_tokenizer(few)
    ids = tokenizer.encode([text for group in few for text in group])
    end = ids[0, -1]
    assert ids.shape[1] == emoji_text.LENGTH
    assert (ids[:, -1] == end).all() and (ids[:, 1] != end).all()


def test_what_is_read_at_32_pixels_is_what_is_trained_on():
    images = datasets.emoji(64, "held_out")[0][:4]
    _, cover = emoji_edits.unblended(images)
    assert emoji_things.layers(images).shape == (4, 4, 32, 32)
    torch.testing.assert_close(
        emoji_things.layers(images)[:, 3:].float().mean((1, 2, 3)),
        cover.mean((1, 2, 3)),
        atol=1e-3,
        rtol=0,
    )


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Runs of two steps, whose files go into a folder of their own."""
    monkeypatch.setattr(loop, "DOWNLOADS", tmp_path)
    monkeypatch.setattr(loop, "CHECKPOINTS", tmp_path)
    for module in (emoji_text, emoji_vae, emoji_unet):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    return tmp_path


def short(settings, **changes):
    return replace(settings, steps=2, batch_size=8, every=1, **changes)


def header(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


@pytest.mark.parametrize("module, name", [(emoji_things, "things"), (emoji_styles, "styles")])
def test_a_classifier_is_written_with_what_it_reads(elsewhere, monkeypatch, module, name):
    monkeypatch.setattr(module, "measure", lambda model: {"plain": 0.25})
    if module is emoji_things:
        images, drawings = emoji_things.ranked("train")
        numbers = emoji_things.numbers([d.concept for d in drawings[:20]])
        few = (emoji_things.layers(images[:20]), numbers, torch.ones(20, dtype=torch.bool))
        monkeypatch.setattr(module, "data", lambda: few)
    module.train(short(module.SETTINGS))
    (path,) = elsewhere.glob("emoji_classifier_*.safetensors")
    notes = header(path)
    assert name in path.name and notes["plain"] == "0.25" and notes["step"] == "2"
    assert notes["made_by"] == f"python -m tools.train emoji {name} --steps 2"


def test_the_text_encoder_is_written_as_diffusers_reads_it(elsewhere, monkeypatch):
    small, texts = torch.zeros(16, 3, 32, 32, dtype=torch.uint8), [["a red car", "car"] * 3] * 16
    monkeypatch.setattr(emoji_text, "examples", lambda seed, rounds: (small, texts))
    monkeypatch.setattr(emoji_text, "quality", lambda *_: {"concept": 0.5})
    emoji_text.train(short(emoji_text.SETTINGS, merges=20))
    tokenizer = diffusers_format.load_tokenizer(elsewhere / "tokenizer")
    text = diffusers_format.load_text_encoder(elsewhere / "text_encoder")
    assert text(tokenizer.encode(["a red car"]))[0].shape == (1, 32, 128)


def test_a_vae_is_finished_with_even_channels(elsewhere, monkeypatch):
    few = datasets.emoji(64, styles=["fluent"])[0][:24]
    monkeypatch.setattr(emoji_vae, "unseen", lambda: {"held_out": few})
    body = emoji_styles.StyleClassifier().eval()
    monkeypatch.setattr(emoji_vae.emoji_styles, "classifier", lambda: body)
    pictures = ((few + 1) * 127.5).byte()
    monkeypatch.setattr(emoji_vae.emoji_examples, "examples", lambda *_, **__: (pictures, None))
    monkeypatch.setattr(emoji_vae.datasets, "emoji", lambda *_: (few, None, None))
    emoji_vae.train(short(emoji_vae.SETTINGS, network=dict(NETWORK)))
    begun = diffusers_format.load_vae(elsewhere / "vae").state_dict()
    with torch.no_grad():
        std = diffusers_format.load_vae(elsewhere / "vae").encode(few).mean.std((0, 2, 3))
    torch.testing.assert_close(std, torch.ones(4), atol=0.02, rtol=0)
    emoji_vae.train(short(emoji_vae.FINISH))
    done = diffusers_format.load_vae(elsewhere / "vae").state_dict()
    same = {name.split(".")[0] for name in done if torch.equal(done[name], begun[name])}
    moved = {name.split(".")[0] for name in done if not torch.equal(done[name], begun[name])}
    assert moved == {"post_quant_conv", "decoder"} and {"encoder", "quant_conv"} <= same
    assert (elsewhere / "emoji_vae.png").exists() and (elsewhere / "emoji_finish.png").exists()


def test_unet_and_text_encoder_are_trained_together_and_scored(elsewhere, monkeypatch):
    tokenizer = emoji_text.learn_tokenizer([["a red car", "a cat and a dog"]], 20)
    text = CLIPText(len(tokenizer.vocab), length=32, width=16, layers=1, heads=2)
    diffusers_format.save_tokenizer(elsewhere / "tokenizer", tokenizer)
    diffusers_format.save_text_encoder(elsewhere / "text_encoder", text)
    diffusers_format.save_vae(elsewhere / "vae", AutoencoderKL(**NETWORK))
    begun = {name: weight.clone() for name, weight in text.state_dict().items()}
    pictures = (torch.zeros(16, 3, 64, 64, dtype=torch.uint8), ["shown"] * 16)
    monkeypatch.setattr(emoji_unet.emoji_examples, "examples", lambda *_, **__: pictures)
    monkeypatch.setattr(emoji_unet.emoji_captions, "caption", lambda *_: "a red cat")
    few = score_prompts.prompts()[::40]
    monkeypatch.setattr(score_prompts, "prompts", lambda: few)
    network = dict(widths=(8, 8, 8), attend=(False, False, True), layers_per_block=1)
    network |= dict(heads=2, groups=4)
    emoji_unet.train(short(emoji_unet.SETTINGS, network=network))
    pipe = diffusers_format.load_pipeline(elsewhere)
    moved = pipe.text_encoder.state_dict()
    assert not torch.equal(moved["token_embedding.weight"], begun["token_embedding.weight"])
    first = (elsewhere / "unet" / "curve.csv").read_text().splitlines()[0]
    assert first == "step,seconds,loss,thing,colour,background,style,all"
    assert header(elsewhere / "unet" / "diffusion_pytorch_model.safetensors")["step"] == "2"
    emoji_unet.train(short(emoji_unet.FURTHER, network=network))
    assert len((elsewhere / "unet" / "curve.csv").read_text().splitlines()) == 5


def test_muon_trains_the_matrices_and_the_text_encoder_moves_at_its_own_rate():
    settings = emoji_unet.SETTINGS
    unet = UNet(4, **settings.network, cross_attention_dim=16)
    model = emoji_unet.Drawer(torch.nn.Linear(1, 1), unet)
    matrices, others, text = settings.groups(model, 1e-3)
    assert matrices["lr"] == others["lr"] == 1e-3 and text["lr"] == pytest.approx(3e-4)
    assert matrices["muon"] and not others.get("muon") and not text.get("muon")
    inside, outside = ({*map(id, group["params"])} for group in (matrices, others))
    assert inside | outside == {*map(id, unet.parameters())} and not inside & outside
    assert id(unet.mid_block.resnets[0].conv1.weight) in inside
    assert {id(unet.conv_in.weight), id(unet.conv_out.weight)} <= outside
    assert all(weight.ndim > 1 for weight in matrices["params"])
