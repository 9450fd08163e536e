"""The emoji's scores: the groups, what real drawings and copies score, rows measured once."""

import csv

import pytest
import torch
from torch import nn

from course_utils import diffusers_format
from course_utils.data import datasets, emoji
from course_utils.evaluation import emoji_classifiers, scores
from tools.score import __main__ as score
from tools.score import emoji as score_emoji
from tools.score.table import digest


class StandIn:
    """Draws by heart, from captions: the drawing itself, or the one in another style."""

    def __init__(self, cheat: bool = False):
        self.unet, self.cheat, self.calls = nn.Identity(), cheat, []
        images, captions, drawings = datasets.emoji(64, "all")
        self.images = {(d.style, d.concept): x for d, x in zip(drawings, images, strict=True)}
        self.drawing_of = {lines[0]: d for d, lines in zip(drawings, captions, strict=True)}

    def to(self, device):
        return self

    def text_to_image(self, prompts, generator, **how):
        self.calls.append((prompts, generator.initial_seed(), how))
        for _ in range(how["steps"]):
            self.unet(torch.zeros(2 * len(prompts), 8, 8, 8))
        return torch.stack([self.draw(self.drawing_of[prompt]) for prompt in prompts])

    def draw(self, d):
        if not self.cheat:
            return self.images[d.style, d.concept]
        others = [s for s in emoji.STYLES if s != d.style and (s, d.concept) in self.images]
        return self.images[others[0], d.concept]


@pytest.fixture(autouse=True)
def stand_ins_draw(monkeypatch):
    monkeypatch.setattr(score_emoji, "text_to_image", StandIn.text_to_image)


@pytest.fixture(scope="module")
def honest():
    return StandIn()


@pytest.fixture(scope="module")
def cheat():
    return StandIn(cheat=True)


@pytest.fixture
def file(tmp_path, monkeypatch, honest):
    """A place for rows, and a model folder that loads as the stand-in."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "unet.safetensors").write_bytes(b"some weights")
    monkeypatch.setattr(diffusers_format, "load_pipeline", lambda folder, precision: honest)
    honest.calls.clear()
    return tmp_path / "emoji.csv"


def rows(file, *arguments):
    where = ["--checkpoint", str(file.parent / "model"), "--file", str(file)]
    score.main("emoji", *where, *arguments)
    with file.open(newline="") as lines:
        return [*csv.DictReader(lines)]


def test_groups_are_what_they_say():
    train, unseen, every = (set(datasets.emoji(16, p)[2]) for p in ("train", "held_out", "all"))
    seen = score_emoji.group("seen")
    assert len(seen) == len(set(seen)) == 500 and set(seen) <= train
    held_out = score_emoji.group("held out")
    assert len(held_out) == 664 and set(held_out) == unseen
    new = score_emoji.group("never drawn")
    assert len(set(new)) == len(new) and not set(new) & every
    assert (
        sum(d.style == "blob" and len(emoji.concepts()[d.concept].styles) == 3 for d in new) > 400
    )
    assert score_emoji.group("seen", 7) == seen[:7]
    assert {d.concept for d in (*seen, *held_out, *new)} <= set(emoji_classifiers.known())


def test_real_drawings_score_as_real_drawings(honest):
    asked = score_emoji.group("held out", 60)
    pictures = score_emoji.draw(honest, asked, 0, steps=0)
    found = score_emoji.score(pictures, asked)
    assert set(found) == set(score_emoji.FOUND)
    for name in score_emoji.READ:
        assert found[name] == found[f"{name}_real"] > 0.9 and found[f"{name}_ratio"] == 1
    assert found["to_own"] == 0 and found["own_nearer"] > 0.9  # but for twins of a drawing
    assert found["copies"] == found["real_copies"] < 0.2
    assert found["to_others"] == found["real_to_others"] > 0.2


def test_copies_of_another_style_are_found_out(cheat):
    asked = [d for d in score_emoji.group("held out", 60) if not d.concept.startswith("letter")]
    pictures = score_emoji.draw(cheat, asked, 0, steps=0)
    found = score_emoji.score(pictures, asked)
    assert found["copies"] == 1 and found["to_others"] == 0 and found["own_nearer"] == 0
    assert found["style"] < 0.2 and found["top_five"] > 0.9 and found["to_own"] > 0.2
    assert found["style_ratio"] == pytest.approx(found["style"] / found["style_real"])


def test_what_was_never_drawn_has_no_real_figures():
    asked = score_emoji.group("never drawn", 5)
    found = score_emoji.score(torch.rand(5, 3, 64, 64), asked)
    assert found["style_real"] is found["own_nearer"] is None and found["copies"] == 0
    assert found["to_others"] > 0.2 and set(found) == set(score_emoji.FOUND)


def test_rows_are_measured_once(file, honest):
    asked = ["--pictures", "3", "--steps", "2", "--seeds", "2", "--guidance", "3"]
    found = rows(file, *asked)
    assert [(r["captions"], r["guidance"], r["seed"]) for r in found] == [
        (group, "3.0", seed) for group in ("seen", "held out") for seed in ("0", "1")
    ]
    assert all(r["nfe"] == "4" and r["interval"] == "" for r in found)
    assert all(r["to_own"] == "0.0000" and r["style_ratio"] == "1.0000" for r in found)
    prompts, seed, how = honest.calls[1]
    assert seed == 1 and how == {"steps": 2, "guidance": 3.0, "sampler": "dpmpp_2m"}
    assert prompts == [emoji.captions(d)[0] for d in score_emoji.group("seen", 3)]
    once, calls = file.read_text(), len(honest.calls)
    rows(file, *asked)
    assert file.read_text() == once and len(honest.calls) == calls
    found = rows(file, *asked, "--interval", "200 800")
    assert len(found) == 8 and honest.calls[-1][2]["interval"] == (200, 800)
    assert found[-1]["interval"] == "200 800"
    (file.parent / "model" / "unet.safetensors").write_bytes(b"other weights")
    assert len(rows(file, *asked)) == 12


def test_what_was_never_drawn_is_a_row_too(file, monkeypatch):
    monkeypatch.setattr(
        score_emoji, "draw", lambda model, asked, *_, **__: torch.rand(2, 3, 64, 64)
    )
    (row,) = rows(file, "--groups", "never drawn", "--pictures", "2", "--seeds", "1")
    assert row["style_real"] == row["own_nearer"] == "" and float(row["style"]) <= 1


def test_the_scoreboard_leaves_the_file_out(file, monkeypatch):
    rows(file, "--pictures", "2", "--seeds", "1", "--steps", "1")
    monkeypatch.setattr(scores, "MEASURED", file.parent)
    assert len(scores.table().splitlines()) == 2


def test_the_scores_in_the_course_are_those_of_its_model():
    with (scores.MEASURED / "emoji.csv").open(newline="") as lines:
        digests = {row["sha256"] for row in csv.DictReader(lines)}
    assert digests == {digest(score_emoji.CHECKPOINT)}
