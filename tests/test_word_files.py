"""learned_embeds.safetensors: diffusers opens ours, we open its; what is no word is refused."""

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from course_utils.built import add_word, text_to_image, vector_of
from course_utils.diffusers_format import WORD_VECTORS, load_word, save_pipeline, save_word
from tests.test_pipeline import seeded, small_pipeline

PROMPT = "a small <pip> and a red cat"


def learned(vectors=1):
    """A model with a word, as after a training."""
    model = small_pipeline()
    rows = add_word(model, "<pip>", vector_of(model, "cat").repeat(vectors, 1))
    rows.data += torch.randn(rows.shape, generator=seeded(4))
    return model


@pytest.mark.parametrize("vectors", [1, 3])
def test_diffusers_opens_it_and_draws_the_same_picture(vectors, tmp_path):
    model = learned(vectors)
    path = save_word(tmp_path, model, "<pip>", made_by="a test")
    assert path.name == WORD_VECTORS
    assert {name: tuple(t.shape) for name, t in load_file(path).items()} == {"<pip>": (vectors, 32)}
    save_pipeline(tmp_path / "model", small_pipeline())
    theirs = StableDiffusionPipeline.from_pretrained(tmp_path / "model")
    theirs.set_progress_bar_config(disable=True)
    theirs.load_textual_inversion(tmp_path)
    z = torch.randn(1, 4, 4, 4, generator=seeded())
    how = dict(latents=z, num_inference_steps=2, guidance_scale=4.0, output_type="pt")
    wanted = theirs(PROMPT, **how).images
    again = small_pipeline()
    load_word(tmp_path, again)
    how = dict(steps=2, latents=z, guidance=4.0, sampler="ddim")
    for pipe in (model, again):
        drawn = (text_to_image(pipe, PROMPT, None, **how) + 1) / 2
        assert ((drawn - wanted) * 255).abs().max() <= 1
    plain = (text_to_image(again, "a small cat and a red cat", None, **how) + 1) / 2
    assert ((plain - wanted) * 255).abs().max() > 3


def test_other_programs_files_are_read(tmp_path):
    vectors = torch.randn(2, 32, generator=seeded())
    save_file({"emb_params": vectors.half()}, tmp_path / "style.safetensors")
    with pytest.raises(ValueError, match="does not say its word: give one"):
        load_word(tmp_path, small_pipeline())
    model = small_pipeline()
    rows = load_word(tmp_path / "style.safetensors", model, "<style>")
    assert torch.equal(rows, vectors.half().float()) and rows.requires_grad
    assert model.tokenizer.split("<style>") == ["<style>", "<style>_1"]
    save_file({"<one>": vectors[0].clone()}, tmp_path / "one.safetensors")  # as early ones were
    assert load_word(tmp_path / "one.safetensors", model).shape == (1, 32)


@pytest.mark.parametrize(
    "tensors, says",
    [
        ({"<a>": torch.zeros(1, 768)}, "vectors are K x 32.*768"),
        ({"cat-toy": torch.zeros(1, 32)}, "angle brackets"),
        ({"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)}, "Diffusion XL"),
        ({"unet.a.to_q.lora_A.weight": torch.zeros(1, 2), "b": torch.zeros(1)}, "is a LoRA"),
        ({"decoder.up.a": torch.zeros(1), "decoder.up.b": torch.zeros(1)}, "is a VAE alone"),
        ({"x": torch.zeros(1, 2), "y": torch.zeros(1)}, "is something else. A new word is wanted"),
        ({}, "is something else"),
    ],
)
def test_what_is_no_word_is_refused_with_what_it_is(tensors, says, tmp_path):
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=says):
        load_word(tmp_path / "a.safetensors", small_pipeline())


def test_missing_damaged_and_pickled_files(tmp_path):
    model = learned()
    with pytest.raises(ValueError, match="has no new word '<pop>'; it has .'<pip>'"):
        save_word(tmp_path, model, "<pop>")
    with pytest.raises(FileNotFoundError, match="holds no learned_embeds"):
        load_word(tmp_path, small_pipeline())
    raw = save_word(tmp_path, model, "<pip>").read_bytes()
    (tmp_path / WORD_VECTORS).write_bytes(raw[:-3])
    with pytest.raises(ValueError, match="damaged or only half there"):
        load_word(tmp_path, small_pipeline())
    (tmp_path / "a.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match="can run any code"):
        load_word(tmp_path / "a.pt", small_pipeline())
    with pytest.raises(ValueError, match="vocabulary already"):
        save_word(tmp_path, model, "<pip>")
        load_word(tmp_path, model)
