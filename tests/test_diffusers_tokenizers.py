"""Tokenizers as other versions of transformers and other people write them."""

import json

import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from course_utils import ROOT, diffusers_format
from course_utils.built import text_to_image
from course_utils.built.textual_inversion import EnlargedEmbedding, EnlargedTokenizer
from course_utils.diffusers_format import load_pipeline, save_pipeline
from tests.test_pipeline import seeded, small_pipeline

WORDS = ["<cat-toy>", "<cat-toy>_1", "<Møde>"]
TEXTS = [
    "a red cat",
    "a red <cat-toy>_1",
    "<CAT-TOY>_1, two blue dogs <møde>!",
    "x<Møde>y and <møde><MØDE>",
    "a < red > cat-toy _1",
]


def edit(path, **changed):
    """Change a JSON file; a key that becomes ... is taken out."""
    content = json.loads(path.read_text()) | changed if path.is_file() else changed
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


def bare(folder):
    """A tokenizer's folder with the least that is read."""
    diffusers_format.save_tokenizer(folder, small_pipeline().tokenizer)
    (folder / "special_tokens_map.json").unlink()
    return folder


@pytest.fixture
def saved(tmp_path):
    save_pipeline(tmp_path / "model", small_pipeline())
    return tmp_path / "model"


@pytest.mark.parametrize("said", [int(1e30), 1e30, None, ..., 512])
def test_a_length_that_is_no_limit_is_that_of_the_text_encoder(saved, said):
    wanted = load_pipeline(saved).encode_prompt(["a red cat"])
    edit(saved / "tokenizer" / "tokenizer_config.json", model_max_length=said)
    pipe = load_pipeline(saved)
    assert pipe.tokenizer.length == 16
    assert torch.equal(pipe.encode_prompt(["a red cat"]), wanted)
    alone = diffusers_format.load_tokenizer(saved / "tokenizer").length
    assert alone == (512 if said == 512 else 77)


@pytest.mark.parametrize(
    "config, special, pad",
    [
        (dict(pad_token=None), {}, "<|endoftext|>"),
        (dict(pad_token=...), {}, "<|endoftext|>"),
        (dict(pad_token=None), dict(pad_token="!"), "!"),
        (dict(pad_token=...), dict(pad_token=dict(content="!", lstrip=False)), "!"),
        (dict(pad_token=dict(content="!", __type="AddedToken")), {}, "!"),
    ],
)
def test_the_token_that_fills_up_is_found_as_transformers_finds_it(config, special, pad, tmp_path):
    folder = bare(tmp_path)
    edit(folder / "tokenizer_config.json", **config)
    if special:
        edit(folder / "special_tokens_map.json", **special)
    ours = diffusers_format.load_tokenizer(folder)
    theirs = CLIPTokenizer.from_pretrained(folder)
    theirs.pad_token = theirs.pad_token or pad  # null: transformers cannot fill up at all
    assert ours.pad == ours.vocab[pad] == theirs.pad_token_id
    wanted = theirs(TEXTS[0], padding="max_length", max_length=16, return_tensors="pt")
    assert torch.equal(ours.encode(TEXTS[0]), wanted.input_ids)


@pytest.mark.parametrize("model", ["emoji", "sprite_clip"])
def test_the_shipped_tokenizers_open_with_the_plain_line(model):
    folder = ROOT / "data" / "checkpoints" / model / "tokenizer"
    theirs = CLIPTokenizer.from_pretrained(folder)
    wanted = theirs(TEXTS[:1], padding="max_length", truncation=True, return_tensors="pt").input_ids
    assert torch.equal(diffusers_format.load_tokenizer(folder).encode(TEXTS[:1]), wanted)


def by_transformers(folder):
    """With transformers' own saver: everything in tokenizer.json."""
    theirs = CLIPTokenizer.from_pretrained(bare(folder))
    theirs.add_tokens(WORDS)
    for path in folder.iterdir():
        path.unlink()
    theirs.save_pretrained(folder)


def by_added_tokens(folder):
    """As before transformers 4.34."""
    first = len(diffusers_format.load_tokenizer(bare(folder)).vocab)
    edit(folder / "added_tokens.json", **{w: first + i for i, w in enumerate(WORDS)})


def by_decoder(folder):
    """As since 4.34, where the special tokens stand among the added ones."""
    plain = diffusers_format.load_tokenizer(bare(folder)).vocab
    ids = {w: plain[w] for w in ("<|startoftext|>", "<|endoftext|>")}
    ids |= {w: len(plain) + i for i, w in enumerate(WORDS)}
    decoder = {str(i): {"content": w, "special": i < len(plain)} for w, i in ids.items()}
    edit(folder / "tokenizer_config.json", added_tokens_decoder=decoder)


def by_us(folder):
    plain = small_pipeline().tokenizer
    ids = {word: len(plain.vocab) + i for i, word in enumerate(WORDS)}
    diffusers_format.save_tokenizer(folder, EnlargedTokenizer(plain, ids))


@pytest.mark.parametrize("write", [by_transformers, by_added_tokens, by_decoder, by_us])
def test_added_words_have_their_ids(write, tmp_path):
    """In each form of file; a word of several vectors is written out here, as for transformers."""
    write(tmp_path)
    ours = diffusers_format.load_tokenizer(tmp_path)
    theirs = CLIPTokenizer.from_pretrained(tmp_path)
    first = len(small_pipeline().tokenizer.vocab)
    assert list(ours.vocab.values()) == list(range(first + 3)) and len(theirs) == first + 3
    options = dict(padding="max_length", max_length=16, return_tensors="pt")
    assert torch.equal(ours.encode(TEXTS), theirs(TEXTS, **options).input_ids)
    assert first + 2 in ours.encode("a <Møde> cat")
    assert ours.decode(ours.encode("a <MØDE> cat")[0]) == "a <møde> cat"


def enlarged():
    """A pipeline whose text encoder has learned words, as textual inversion leaves it."""
    pipe = small_pipeline()
    first = len(pipe.tokenizer.vocab)
    ids = {word: first + i for i, word in enumerate(WORDS)}
    pipe.tokenizer = EnlargedTokenizer(pipe.tokenizer, ids)
    new = torch.randn(3, 32, generator=seeded(5))
    table = pipe.text_encoder.token_embedding
    pipe.text_encoder.token_embedding = EnlargedEmbedding(table, new)
    return pipe


def test_a_model_with_learned_words_is_read_saved_and_draws_as_diffusers_does(tmp_path):
    """A word with two vectors stands for both, as in diffusers."""
    save_pipeline(tmp_path / "ours", enlarged())
    theirs = StableDiffusionPipeline.from_pretrained(tmp_path / "ours")
    theirs.set_progress_bar_config(disable=True)
    theirs.save_pretrained(tmp_path / "theirs")
    z = torch.randn(1, 4, 4, 4, generator=seeded())
    prompt = "a red <cat-toy> and <Møde>"
    how = dict(latents=z, num_inference_steps=3, guidance_scale=4.0, output_type="pt")
    wanted = theirs(prompt, **how).images
    plain = theirs("a red cat and", **how).images
    for name in ("ours", "theirs"):
        pipe = load_pipeline(tmp_path / name)
        how = dict(steps=3, latents=z, guidance=4.0, sampler="ddim")
        drawn = (text_to_image(pipe, prompt, None, **how) + 1) / 2
        assert ((drawn - wanted) * 255).abs().max() <= 1
    assert (wanted - plain).abs().max() > 0.02
    config = json.loads((tmp_path / "ours" / "text_encoder" / "config.json").read_text())
    assert config["eos_token_id"] == pipe.tokenizer.end  # not the last of all


def test_a_word_without_a_vector_is_named(saved):
    first = len(small_pipeline().tokenizer.vocab)
    edit(saved / "tokenizer" / "added_tokens.json", **{"<cat-toy>": first})
    with pytest.raises(ValueError, match=r"\['<cat-toy>'\] were added.*no vectors.*added_tokens"):
        load_pipeline(saved)


def test_vectors_that_no_word_reaches_are_left_out(tmp_path):
    """Some programs round their number up, to 64 or so."""
    pipe = small_pipeline()
    wanted = pipe.encode_prompt(["a red cat"])
    pipe.text_encoder = enlarged().text_encoder
    save_pipeline(tmp_path, pipe)
    again = load_pipeline(tmp_path)
    assert len(again.text_encoder.token_embedding.weight) == len(pipe.tokenizer.vocab)
    assert torch.equal(again.encode_prompt(["a red cat"]), wanted)


@pytest.mark.parametrize("ids", [{"<a>": 5000}, {"a</w>": 3}, {"<a>": "many"}])
def test_ids_that_cannot_be_are_refused(ids, tmp_path):
    edit(bare(tmp_path) / "added_tokens.json", **ids)
    with pytest.raises(ValueError, match="damaged or only half there .its tokenizer"):
        diffusers_format.load_tokenizer(tmp_path)
