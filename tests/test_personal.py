"""What lesson 15 ships and measures: what learns in each way, what is written, what is scored."""

import csv
import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from torch.nn.functional import max_pool2d

from course_utils.built import Tokenizer, networks
from course_utils.data import creature, emoji_edits, fifth_artist
from course_utils.diffusers_format import load_lora
from course_utils.io import tensors
from tests.test_pipeline import small_pipeline
from tools.score import __main__ as score
from tools.score import personal as score_personal
from tools.train import personal

RUNS = {name: replace(run, batch_size=2) for name, run in score_personal.RUNS.items()}


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """A small random model for pictures of 64 x 64, two steps a picture, and files elsewhere."""
    monkeypatch.setattr(personal, "load", lambda: small_pipeline(size=64))
    monkeypatch.setattr(personal, "PERSONAL", tmp_path)
    for module in (personal, score_personal):
        monkeypatch.setattr(module, "DRAWN", dict(steps=2, guidance=2.0))
    return tmp_path


def short(settings, **changes):
    return replace(settings, **dict(steps=2, batch_size=2) | changes)


@pytest.mark.parametrize(
    "run", ["word", "lora_4_0.003", "lora_prior", "dreambooth", "dreambooth_prior"]
)
def test_in_each_way_nothing_but_its_own_weights_learns(run):
    settings, model = short(RUNS[run], prior=min(4, RUNS[run].prior)), personal.load()
    before = [(name, p, p.clone()) for name, p in networks(model).named_parameters()]
    loras, found = personal.taught(settings, model)
    moved = [name for name, p, old in before if not torch.equal(p, old)]
    assert found["numbers"] > 0 and found["loss"] > 0
    if "dreambooth" in run:
        assert moved and all(name.startswith("unet.") for name in moved)
    else:
        assert not moved
    if loras:
        assert all(name.startswith("unet.") for name in loras)
        assert any(lora.B.weight.abs().sum() > 0 for lora in loras.values())
    if run == "word":
        assert found["numbers"] == model.text_encoder.token_embedding.embedding_dim


def test_what_may_change_is_said_in_the_caption():
    drawings = creature.drawings()
    images, captions = personal.on_backgrounds(drawings, [personal.NAME] * 5, 2)
    assert len(images) == len(captions) == 20
    assert torch.equal(images[5:10], drawings) and {*captions[:10]} == {personal.NAME}
    for image, caption, old in zip(
        images[10:], captions[10:], drawings.repeat(2, 1, 1, 1), strict=True
    ):
        assert caption.startswith(personal.NAME) and caption.endswith(" background")
        colour = emoji_edits.BACKGROUNDS[caption.split()[-2]]
        corner = torch.tensor(colour) * 2 - 1
        torch.testing.assert_close(image[:, 0, 0], corner)
        middle = max_pool2d(old.amin(0)[None], 5, 1, 2)[0] < 0.8  # not the rim
        assert middle.sum() > 300
        torch.testing.assert_close(image[:, middle], old[:, middle], atol=1e-5, rtol=0)
    assert len({*captions[10:]}) == 10


def test_prompts_of_the_prior_are_those_that_it_learns_with(monkeypatch):
    seen, encode = [], Tokenizer.encode
    monkeypatch.setattr(
        Tokenizer, "encode", lambda self, texts: seen.append(texts) or encode(self, texts)
    )
    settings = short(personal.CREATURE, prior=3, prior_prompts=("a dog", "a cat"))
    personal.taught(settings, personal.load())
    assert seen[-1] == ["a dog", "a cat", "a dog"] and seen[-2] == [personal.NAME] * 3
    personal.taught(replace(settings, prior_caption="a cow"), personal.load())
    assert seen[-1] == ["a cow"] * 3


def test_the_creature_is_named_and_the_style_is_not():
    images, captions = personal.pictures("creature")
    assert torch.equal(images, creature.drawings()) and {*captions} == {personal.CLASS}
    images, captions = personal.pictures("style")
    assert images.shape == (fifth_artist.LEARNED, 3, 64, 64)
    assert not any("style" in caption or "fxemoji" in caption for caption in captions)
    assert images.min() >= -1 and images.max() <= 1


@pytest.mark.parametrize("settings", [personal.CREATURE, personal.STYLE])
def test_a_lora_is_written_that_opens_on_a_fresh_model(small, settings, capsys):
    personal.train(short(settings, prior=min(4, settings.prior)))
    model, stage = personal.load(), settings.name.removeprefix("personal_")
    loras = load_lora(small / stage, model)
    assert {lora.rank for lora in loras.values()} == {settings.rank}
    assert any(lora.B.weight.abs().sum() > 0 for lora in loras.values())
    (path,) = (small / stage).iterdir()
    with safe_open(path, "pt") as file:
        notes = file.metadata()
        assert file.get_tensor([*file.keys()][0]).dtype == torch.float16
    assert notes["made_by"] == f"python -m tools.train personal {stage} --steps 2"
    assert float(notes["distance"]) > 0 and int(notes["numbers"]) > 0


def test_of_dreambooth_latents_are_written_and_no_weights(small):
    personal.train(short(personal.PLAIN_DREAMBOOTH))
    drawn, notes = tensors.read_tensors(small / personal.DREAMBOOTH)
    prompts = json.loads(notes["prompts"])
    assert {*drawn} == {*personal.DREAMBOOTH_RUNS, "wrong_caption_guided"} and len(prompts) == 6
    assert all(len(latents) == (12 if "wrong" in name else 6) for name, latents in drawn.items())
    assert all(latents.shape[1:] == (4, 8, 8) for latents in drawn.values())
    assert not torch.equal(drawn["without_prior"], drawn["with_prior"])
    with pytest.raises(AssertionError):
        torch.testing.assert_close(drawn["with_prior"][:1], drawn["wrong_caption"][:1])


def test_short_runs_are_begun_anew():
    for how in (dict(minutes=1.0), dict(resume=True)):
        with pytest.raises(SystemExit, match="begin them anew"):
            personal.train(personal.CREATURE, **how)


def test_distances_are_zero_where_pictures_are_the_same():
    drawings = creature.drawings()
    assert personal.nearest(drawings, drawings).max() == 0
    assert personal.nearest(-drawings, drawings).min() > 0.5
    assert score_personal.diversity(drawings[:1].expand(3, -1, -1, -1)) == 0
    pair = torch.stack([torch.ones(3, 64, 64), torch.zeros(3, 64, 64)])
    assert score_personal.diversity(pair) == pytest.approx(1)


def test_each_run_and_seed_becomes_one_row(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(score_personal, "RUNS", {name: short(run) for name, run in RUNS.items()})
    monkeypatch.setattr(score_personal, "KEPT", 4)
    file = tmp_path / "personal.csv"
    for _ in range(2):  # the second time there is nothing left to do
        for only in ("none", "word", "style"):
            score.main("personal", "--only", only, "--seeds", "1", "--file", str(file))
    rows = [*csv.DictReader(file.open(newline=""))]
    assert [row["run"] for row in rows] == ["none", "word", "style"]
    assert [row["numbers"] for row in rows[:2]] == ["0", "32"]
    assert rows[2]["diversity"] == "" and float(rows[2]["distance"]) > 0
    assert all(0 <= float(row["thing"]) <= 1 for row in rows)
    with pytest.raises(SystemExit, match="no run 'lora_2'"):
        score.main("personal", "--only", "lora_2", "--file", str(file))
    assert {*score_personal.GROUPS["main"]} < {*score_personal.RUNS}


def test_drawings_depend_on_the_seed_alone():
    first, again = (personal.nearness(short(RUNS["none"]), personal.load(), 5) for _ in range(2))
    assert first == again
