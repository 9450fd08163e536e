"""The classifiers of drawn emoji: what they read, what they refuse, and who is a copy."""

import hashlib
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from course_utils.data import datasets, emoji
from course_utils.evaluation import emoji_classifiers, scores
from course_utils.io.tensors import load_checkpoint
from tools.train import emoji_classifiers as tool


@pytest.fixture(scope="module")
def some():
    """200 drawings of ranked concepts, of all styles, some of them held out."""
    images, found, held_out = tool.drawings()
    chosen = torch.randperm(len(found), generator=torch.Generator().manual_seed(1))[:200]
    assert held_out[chosen].any()
    return images[chosen], [found[i] for i in chosen]


def test_what_is_ranked_is_what_can_be_held_out():
    ranked = emoji_classifiers.known()
    assert len(ranked) == len(set(ranked)) == 1656
    assert {d.concept for d in datasets.emoji(16, "held_out")[2]} <= set(ranked)
    common = {
        n for n, c in emoji.concepts().items() if {"noto", "fluent", "twemoji"} <= {*c.styles}
    }
    assert len(common) == 1594 and common <= set(ranked)


def test_names_are_bags_of_words():
    numbers = emoji_classifiers.vocabulary()
    assert emoji_classifiers.words("Cat's eye #1") == ["cat", "s", "eye", "#1"]
    ids = emoji_classifiers.bags(["red apple", "apple", "Apple (RED)"], numbers)
    assert ids.shape == (3, 2) and ids[1, 1] == 0 and set(ids[0].tolist()) == set(ids[2].tolist())
    every = [name for c in emoji.concepts().values() for name in c.names]
    assert (emoji_classifiers.bags(every, numbers).amax(1) > 0).all()
    with pytest.raises(ValueError, match=r"no word of \['xyzzy'\]"):
        emoji_classifiers.bags(["red apple", "xyzzy"], numbers)
    bags = {
        tuple(sorted(row))
        for row in emoji_classifiers.bags(emoji_classifiers.known(), numbers).tolist()
    }
    assert len(bags) >= 1655  # a curving arrow has a twin with the same words


def test_shipped_judges_read_real_drawings(some):
    images, drawings = some
    found = emoji_classifiers.score(images, drawings)
    assert found["style"] > 0.93 and found["concept"] > 0.93 and found["top_five"] > 0.98
    soft = emoji_classifiers.score(tool.blurred(images), drawings)
    assert soft["style"] > 0.9 and soft["top_five"] > 0.97


def test_the_judges_fail_where_there_is_nothing_to_read(some):
    images, drawings = some
    for kind, pictures in tool.damaged(images, torch.Generator().manual_seed(0)).items():
        found = emoji_classifiers.score(pictures, drawings)
        assert found["top_five"] < 0.6, kind
    noise = emoji_classifiers.score(pictures, drawings)
    assert noise["style"] < 0.5 and noise["top_five"] < 0.03  # chance: 0.25 and 0.003
    others = emoji_classifiers.score(images, drawings[1:] + drawings[:1])
    assert others["style"] < 0.5 and others["top_five"] < 0.03


def test_scores_are_counted_from_what_is_read(some):
    images, drawings = some
    images, drawings = images[:20], drawings[:20]
    styles, ranking = emoji_classifiers.read(images)
    assert ranking.sort(1).values.equal(torch.arange(1656).expand(20, -1))
    seen = [emoji.STYLES[i] for i in styles]
    best = [[emoji_classifiers.known()[i] for i in row[:5]] for row in ranking.tolist()]
    style = sum(name == d.style for name, d in zip(seen, drawings, strict=True)) / 20
    first = sum(names[0] == d.concept for names, d in zip(best, drawings, strict=True)) / 20
    five = sum(d.concept in names for names, d in zip(best, drawings, strict=True)) / 20
    assert emoji_classifiers.score(images, drawings) == {
        "style": style,
        "concept": first,
        "top_five": five,
    }
    wrong = [emoji.Emoji("noto", "red apple", "")] * 20
    assert emoji_classifiers.score(images, wrong)["style"] == seen.count("noto") / 20


@pytest.mark.parametrize("classifier", [emoji_classifiers.read, emoji_classifiers.nearest_training])
def test_what_is_no_picture_is_refused(classifier):
    for wrong in (torch.zeros(2, 3, 32, 32), torch.zeros(3, 64, 64), torch.zeros(1, 1, 64, 64)):
        with pytest.raises(ValueError, match="N x 3 x 64 x 64"):
            classifier(wrong)
    with pytest.raises(ValueError, match="uint8"):
        classifier(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    with pytest.raises(ValueError, match="nan"):
        classifier(torch.full((1, 3, 64, 64), torch.nan))


def test_wrong_lists_are_refused():
    x = torch.zeros(2, 3, 64, 64)
    with pytest.raises(ValueError, match="2 pictures for 1 emoji"):
        emoji_classifiers.score(x, [emoji.Emoji("noto", "red apple", "")])
    with pytest.raises(ValueError, match="'flag: japan' is not ranked"):
        emoji_classifiers.score(x, [emoji.Emoji("noto", "flag: japan", "")] * 2)


def test_copies_and_their_distances():
    images, drawings = emoji_classifiers.training_drawings()
    chosen = [5, 2000, 5000]
    nearest, distance = emoji_classifiers.nearest_training(images[chosen])
    assert distance.tolist() == [0, 0, 0] and nearest == [drawings[i] for i in chosen]
    lifted = images[chosen] * 0.9  # by a twentieth of the range and less
    nearest, distance = emoji_classifiers.nearest_training(lifted)
    seen = emoji_classifiers.small(images)
    every = (emoji_classifiers.small(lifted)[:, None] - seen).flatten(2).square().mean(2).sqrt()
    torch.testing.assert_close(distance, every.amin(1), atol=1e-5, rtol=0)
    assert (distance < emoji_classifiers.COPY).all()
    unlike = emoji_classifiers.nearest_training(-images[chosen])[1]
    assert (unlike > emoji_classifiers.COPY).all()
    pair = emoji_classifiers.distance(torch.ones(1, 3, 64, 64), -torch.ones(1, 3, 64, 64))
    assert pair.tolist() == [2]


def test_another_file_is_refused(tmp_path, monkeypatch):
    images = torch.zeros(1, 3, 64, 64)
    for name in emoji_classifiers.SHA256:
        shutil.copy(scores.CHECKPOINTS / f"{name}.safetensors", tmp_path)
    monkeypatch.setattr(scores, "CHECKPOINTS", tmp_path)
    emoji_classifiers._classifier.cache_clear()
    try:
        emoji_classifiers.read(images)
        path = tmp_path / "emoji_classifier_style.safetensors"
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
        emoji_classifiers._classifier.cache_clear()
        with pytest.raises(ValueError, match="emoji_classifier_style.*git checkout"):
            emoji_classifiers.read(images)
        path.unlink()
        with pytest.raises(FileNotFoundError, match="emoji_classifier_style"):
            emoji_classifiers.read(images)
    finally:
        emoji_classifiers._classifier.cache_clear()


def test_files_are_small_and_say_how_they_were_made():
    paths = [scores.CHECKPOINTS / f"{name}.safetensors" for name in emoji_classifiers.SHA256]
    assert sum(path.stat().st_size for path in paths) < 6e6
    for path in paths:
        with safe_open(path, "pt") as file:
            notes = file.metadata()
        assert notes["made_by"] == "tools/train"
        assert "held out, as they are: " in notes["measured"] and int(notes["steps"]) > 1000


def test_pictures_are_varied_a_little_and_white_stays_white(some):
    images = some[0][:50]
    found = tool.varied(tool.CONCEPT, images, torch.Generator().manual_seed(0))
    assert found.equal(tool.varied(tool.CONCEPT, images, torch.Generator().manual_seed(0)))
    difference = (found - images).flatten(1).square().mean(1).sqrt()
    assert (difference > 0.02).all() and difference.mean() < 0.5
    white, generator = torch.ones(4, 3, 64, 64), torch.Generator().manual_seed(0)
    white = tool.moved(tool.CONCEPT, white, generator)
    assert (tool.recoloured(tool.CONCEPT, white, generator) - 1).abs().max() < 1e-5


def test_training_learns_to_name_drawings_and_writes_what_reads_well(places, monkeypatch, capsys):
    images, found, held_out = tool.drawings()
    some, read = (images[:32], found[:32], held_out[:32]), []
    monkeypatch.setattr(tool, "drawings", lambda: some)

    def measured(model):
        read.append(tool.accuracies(model, *some[:2]))
        return {"held out, as they are": read[-1]}

    monkeypatch.setattr(tool, "measure", measured)
    small, path = replace(tool.CONCEPT, batch_size=32, steps=40, wanted=0.5), places / "checkpoints"
    tool.train(replace(small, without_held_out=True))
    tool.train(replace(small, steps=1, wanted=1.1))
    assert not [*path.iterdir()] and "nothing was written" in capsys.readouterr().out
    tool.train(small)
    assert read[-1]["top_five"] > 0.5
    path /= "emoji_classifier_concept.safetensors"
    assert hashlib.sha256(path.read_bytes()).hexdigest() in capsys.readouterr().out
    model = load_checkpoint(path, emoji_classifiers.ConceptClassifier()).eval()
    assert tool.accuracies(model.float(), *some[:2]) == read[-1]
