"""Sprites differ, are whole, are read back; what is no sprite is rejected; bad input is named."""

import hashlib
import itertools
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from course_utils import ROOT
from course_utils.data import datasets, sprite_templates, sprites
from course_utils.data.sprites import Sprite
from course_utils.evaluation import sprite_classifier

ALL = sprites.all_sprites()
INDICES = torch.tensor(
    [[words.index(x) for words, x in zip(sprites.WORDS.values(), s, strict=True)] for s in ALL]
)
WHITE = 255


@pytest.fixture(scope="module")
def images():
    return datasets.sprites("all")[0]


def noise(images, spread, seed=0):
    return spread * torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))


# what there is


def test_there_are_as_many_as_the_words_combine_to():
    counts = [len(words) for words in sprites.WORDS.values()]
    assert counts[0] >= 8 and counts[1] >= 8 and counts[2:] == [2, 4, 2]
    assert len(ALL) == len(set(ALL)) == np.prod(counts)
    assert sprites.WORDS == {
        "kind": sprites.KINDS,
        "colour": sprites.COLOURS,
        "size": sprites.SIZES,
        "extra": sprites.EXTRAS,
        "facing": sprites.FACINGS,
    }


def test_no_two_attribute_sets_draw_the_same_picture():
    pictures = {sprites.draw(sprite).tobytes() for sprite in ALL}
    assert len(pictures) == len(ALL)


def test_sprites_differ_clearly():
    # The classifier's margin: a third of the way from one to another is 4 grey levels a value
    # or more.
    nearest = sprite_classifier._squares_between().min(dim=1).values
    assert (nearest.min() / 768).sqrt() > 0.05


def test_pictures_are_16_by_16_on_white():
    for sprite in ALL:
        picture = sprites.draw(sprite)
        assert picture.shape == (16, 16, 3) and picture.dtype == np.uint8
        assert (picture[-1] == WHITE).all() and (picture[:, 0] == WHITE).all()
        assert (picture[:, -1] == WHITE).all()


def test_every_drawing_is_a_rectangle_of_known_letters():
    drawings = sprite_templates.KINDS | sprite_templates.EXTRAS
    for name, by_size in drawings.items():
        assert set(by_size) == set(sprites.SIZES), name
        for size, drawing in by_size.items():
            lines = drawing.split()
            assert len({len(line) for line in lines}) == 1, (name, size)
            assert set("".join(lines)) <= set(sprite_templates.PAINT) | set("ohs"), (name, size)


@pytest.mark.parametrize("kind", sprites.KINDS)
def test_big_figures_cover_much_more_than_small_ones(kind):
    covered = [
        (sprites.draw(Sprite(kind, "blue", size)) != WHITE).any(axis=2).sum()
        for size in ("small", "big")
    ]
    assert covered[1] > 1.4 * covered[0]


def stands_in(part, picture):
    """Whether the drawing `part`, dots left out, is somewhere in the picture, whole."""
    lines = [[sprite_templates.PAINT[letter] for letter in line] for line in part.split()]
    wanted, solid = np.array(lines), np.array([[x != "." for x in line] for line in part.split()])
    windows = np.lib.stride_tricks.sliding_window_view(picture, (*solid.shape, 3))
    return any((w[0][solid] == wanted[solid]).all() for row in windows for w in row)


@pytest.mark.parametrize("extra", sprite_templates.EXTRAS)
def test_an_extra_is_whole_on_every_kind_and_size_and_on_no_other_sprite(extra):
    for kind, colour, size, worn in itertools.product(
        sprites.KINDS, ("yellow", "cyan"), sprites.SIZES, sprites.EXTRAS
    ):
        picture = sprites.draw(Sprite(kind, colour, size, worn))
        assert stands_in(sprite_templates.EXTRAS[extra][size], picture) == (worn == extra)


def test_facing_left_is_the_mirror_image():
    for sprite in ALL:
        other = sprite._replace(facing="right" if sprite.facing == "left" else "left")
        np.testing.assert_array_equal(sprites.draw(sprite), sprites.draw(other)[:, ::-1])


def test_the_colour_changes_no_outline():
    for kind, size, extra in itertools.product(sprites.KINDS, sprites.SIZES, sprites.EXTRAS):
        outlines = {
            (sprites.draw(Sprite(kind, colour, size, extra)) == sprite_templates.PAINT["#"])
            .all(axis=2)
            .tobytes()
            for colour in sprites.COLOURS
        }
        assert len(outlines) == 1


def test_all_are_drawn_in_under_two_seconds():
    for function in (sprites.pictures, sprites._letters, sprites._paint):
        function.cache_clear()
    start = time.process_time()
    datasets.sprites("all")
    assert time.process_time() - start < 2


def test_another_process_draws_the_same():
    command = (
        "import hashlib; from course_utils.data.sprites import pictures;"
        "print(hashlib.sha256(pictures().numpy().tobytes()).hexdigest())"
    )
    run = [sys.executable, "-c", command]
    found = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found.strip() == hashlib.sha256(sprites.pictures().numpy().tobytes()).hexdigest()


# the data set and what is held out


def test_the_parts_make_the_whole(images):
    parts = {part: datasets.sprites(part) for part in ("train", "held_out", "all")}
    for pictures, contexts, found in parts.values():
        assert pictures.shape == (len(found), 3, 16, 16) and pictures.dtype == torch.float32
        assert contexts.shape == (len(found), sprites.CONTEXT_WIDTH)
        assert contexts.dtype == torch.float32
        assert pictures.min() >= -1 and pictures.max() == 1
    assert set(parts["train"][2]).isdisjoint(parts["held_out"][2])
    assert set(parts["train"][2]) | set(parts["held_out"][2]) == set(parts["all"][2]) == set(ALL)
    for part in ("train", "held_out"):
        pictures, contexts, found = parts[part]
        for i in (0, len(found) // 2, len(found) - 1):
            drawn = ((pictures[i] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(drawn, sprites.draw(found[i]))
            assert torch.equal(contexts[i], sprites.context(found[i]))
            assert sprites.is_held_out(found[i]) == (part == "held_out")


def test_what_datasets_gives_may_be_written_into(images):
    first = datasets.sprites("all")[0]
    first.zero_()
    assert not torch.equal(datasets.sprites("all")[0], first)
    assert torch.equal(datasets.sprites("all")[0], sprites.pictures())


def test_a_tenth_is_held_out_by_kind_colour_and_extra_alone():
    held = [sprite for sprite in ALL if sprites.is_held_out(sprite)]
    assert 0.08 < len(held) / len(ALL) < 0.12
    for sprite in ALL:
        for size, facing in itertools.product(sprites.SIZES, sprites.FACINGS):
            other = sprite._replace(size=size, facing=facing)
            assert sprites.is_held_out(other) == sprites.is_held_out(sprite)


def test_every_word_is_held_out_somewhere_and_every_pair_of_words_trained():
    trained = [sprite for sprite in ALL if not sprites.is_held_out(sprite)]
    held = [sprite for sprite in ALL if sprites.is_held_out(sprite)]
    for name, words in sprites.WORDS.items():
        assert {getattr(sprite, name) for sprite in held} == set(words)
    for i, j in itertools.combinations(range(5), 2):
        every = {(sprite[i], sprite[j]) for sprite in ALL}
        assert {(sprite[i], sprite[j]) for sprite in trained} == every


def test_of_each_pair_of_kind_colour_and_extra_at_most_one_third_word_is_missing():
    held = {(s.kind, s.colour, s.extra) for s in ALL if sprites.is_held_out(s)}
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert max(Counter((words[i], words[j]) for words in held).values()) == 1


# contexts


def test_a_context_has_a_one_for_each_attribute():
    for sprite, indices in zip(ALL, INDICES.tolist(), strict=True):
        context = sprites.context(sprite)
        assert context.shape == (sprites.CONTEXT_WIDTH,) and context.sum() == 5
        found = [context[part].argmax().item() for part in sprites.SLICES.values()]
        assert found == indices
    assert list(sprites.SLICES) == list(Sprite._fields)
    assert sum(part.stop - part.start for part in sprites.SLICES.values()) == sprites.CONTEXT_WIDTH


# captions


def test_captions_are_the_ones_that_are_announced():
    sprite = Sprite("potion", "red", "small", "crown", "left")
    assert sprites.caption(sprite) == "a small red potion wearing a crown, facing left"
    assert sprites.caption(sprite, 1) == "tiny crowned potion, red, looking left"
    plain = Sprite("ghost", "orange", "big", "none", "right")
    assert sprites.caption(plain) == "a big orange ghost, facing right"


def test_all_captions_differ_and_read_cleanly():
    assert sprites.TEMPLATES >= 6
    captions = [sprites.caption(s, template) for s in ALL for template in range(sprites.TEMPLATES)]
    assert len(set(captions)) == len(captions)
    for text in captions:
        assert text == " ".join(text.split()) and " ," not in text and "{" not in text


def test_captions_say_kind_colour_and_facing_in_those_words():
    for sprite in ALL:
        for template in range(sprites.TEMPLATES):
            words = sprites.caption(sprite, template).replace("-", " ").replace(",", "").split()
            assert {sprite.kind, sprite.colour} <= {word.rstrip(":") for word in words}
            assert sprite.facing in {word.rstrip(":") for word in words}


# the classifier


def test_every_sprite_is_read_back(images):
    found, distance = sprite_classifier.read(images)
    assert torch.equal(found, INDICES) and found.dtype == torch.int64
    assert distance.shape == (len(images),) and distance.max() < 0.01


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.15, 0.2])
def test_every_sprite_is_read_back_through_noise(images, spread):
    for seed in range(3):
        found, distance = sprite_classifier.read(images + noise(images, spread, seed))
        assert (found == INDICES).all(dim=1).float().mean() > (0.99 if spread == 0.2 else 0.9999)
        assert distance.mean().item() == pytest.approx(spread, rel=0.02)


def test_too_much_noise_is_rejected(images):
    found, _ = sprite_classifier.read(images + noise(images, 0.35))
    assert (found == -1).all()


def test_pictures_in_between_are_rejected(images):
    for shift in (1, 2, 8, 16, 128, 300):
        found, _ = sprite_classifier.read((images + images.roll(shift, dims=0)) / 2)
        assert (found == -1).all(), f"shift {shift}"


def test_halfway_to_another_word_neither_word_is_read(images):
    place = {sprite: i for i, sprite in enumerate(ALL)}
    for name, words in sprites.WORDS.items():
        for sprite in ALL[::7]:
            others = [sprite._replace(**{name: word}) for word in words]
            others = [place[other] for other in others if other != sprite]
            found, _ = sprite_classifier.read((images[place[sprite]] + images[others]) / 2)
            for end in (INDICES[others], INDICES[place[sprite]]):
                assert not (found == end).all(dim=1).any(), (name, sprite)
            if name != "colour":  # half red and half yellow is orange, and read so
                assert (found == -1).all(), (name, sprite)


def test_blurred_pictures_and_no_pictures_are_rejected(images):
    blurred = avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    assert sprite_classifier.score(blurred, ALL)["rejected"] > 0.999
    constant = torch.linspace(-1, 1, 9).reshape(-1, 1, 1, 1).expand(-1, 3, 16, 16)
    others = [images.mean(dim=0, keepdim=True), noise(images, 1.0), constant]
    others += [images[:50].flip(dims=[2]), torch.full((1, 3, 16, 16), torch.nan)]
    for pictures in others:
        assert (sprite_classifier.read(pictures)[0] == -1).all()


def test_a_little_of_another_sprite_is_no_reason_to_reject(images):
    found, _ = sprite_classifier.read(0.85 * images + 0.15 * images.roll(1, dims=0))
    assert torch.equal(found, INDICES)


def test_the_judge_reads_the_nearest_by_brute_force(images):
    pictures = images[::97] + noise(images[::97], 0.15, seed=5)
    found, distance = sprite_classifier.read(pictures)
    for picture, indices, far in zip(pictures, found, distance, strict=True):
        errors = [(picture - image).square().mean().sqrt().item() for image in images]
        nearest = int(np.argmin(errors))
        assert indices.tolist() == INDICES[nearest].tolist()
        assert far.item() == pytest.approx(errors[nearest], rel=1e-3)


def test_the_judge_works_in_half_precision_and_in_parts(images):
    found, _ = sprite_classifier.read(images.repeat(2, 1, 1, 1).to(torch.bfloat16))
    assert torch.equal(found, INDICES.repeat(2, 1))
    none, distance = sprite_classifier.read(images[:0])
    assert none.shape == (0, 5) and distance.shape == (0,)


def test_scores_count_what_is_right_and_what_is_rejected(images):
    assert sprite_classifier.score(images, ALL) == dict.fromkeys([*sprites.WORDS, "all"], 1) | {
        "rejected": 0
    }
    turned = sprite_classifier.score(images.flip(dims=[3]), ALL)
    assert turned["facing"] == 0 and turned["kind"] == 1 and turned["all"] == 0
    half = images.clone()
    half[::2] = 0
    found = sprite_classifier.score(half, ALL)
    assert found["rejected"] == found["all"] == found["kind"] == 0.5


# bad input


@pytest.mark.parametrize("name", Sprite._fields)
def test_an_unknown_word_is_named_with_those_that_work(name):
    words = ", ".join(sprites.WORDS[name])
    sprite = ALL[0]._replace(**{name: "teapot"})
    for function in (sprites.draw, sprites.context, sprites.caption, sprites.is_held_out):
        with pytest.raises(ValueError, match=f"{name} is 'teapot'.*{words}"):
            function(sprite)


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 1, 16, 16), (2, 3, 32, 32), (2, 16, 16, 3)])
def test_a_wrong_shape_is_named(shape):
    with pytest.raises(ValueError, match=r"N x 3 x 16 x 16.*" + str(shape[-1])):
        sprite_classifier.read(torch.zeros(shape))


def test_whole_numbers_are_no_picture_for_the_judge():
    with pytest.raises(ValueError, match="float.*uint8"):
        sprite_classifier.read(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))


@pytest.mark.parametrize("template", [-1, 99, "first"])
def test_a_wrong_wording_is_named(template):
    with pytest.raises(ValueError, match=f"take one of 0 to {sprites.TEMPLATES - 1}"):
        sprites.caption(ALL[0], template)


def test_a_wrong_part_is_named():
    with pytest.raises(ValueError, match="'test'.*train.*held_out.*all"):
        datasets.sprites("test")


def test_scores_need_a_sprite_for_each_picture(images):
    with pytest.raises(ValueError, match="2 pictures for 1 sprites"):
        sprite_classifier.score(images[:2], ALL[:1])
    with pytest.raises(ValueError, match="0 pictures"):
        sprite_classifier.score(images[:0], [])
