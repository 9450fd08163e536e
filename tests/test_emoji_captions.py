"""Emoji edited and captioned by code: colours, backgrounds, pairs, and what is kept out."""

import colorsys
import random
from collections import Counter

import pytest
import torch
from scipy import ndimage

from course_utils.data import datasets, emoji, emoji_captions, emoji_edits, emoji_examples


@pytest.fixture(scope="module")
def sheet():
    images, _, drawings = datasets.emoji(64, styles=["twemoji"])
    return images, drawings


def picture(sheet, concept):
    images, drawings = sheet
    return images[[d.concept for d in drawings].index(concept)][None]


def test_hue_saturation_and_value_are_colorsys():
    x = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    found = torch.stack(emoji_edits.to_hsv(x), dim=1)
    for n, i, j in ((0, 0, 0), (1, 3, 4), (0, 2, 1)):
        wanted = torch.tensor(colorsys.rgb_to_hsv(*x[n, :, i, j].tolist()))
        torch.testing.assert_close(found[n, :, i, j], wanted)
    torch.testing.assert_close(emoji_edits.to_rgb(*found.unbind(1)), x)


@pytest.mark.parametrize("colour", emoji_edits.COLOURS)
def test_what_takes_a_colour_has_its_hue_and_keeps_light_and_shade(sheet, colour):
    light, (hue, less, dim) = picture(sheet, "lemon"), emoji_edits.COLOURS[colour]
    made, took = emoji_edits.recolour(light, [colour])
    assert took.all()
    if less > 0.5:  # else there is no hue to speak of
        off = abs((emoji_edits.dominant_hue(made).item() - hue + 0.5) % 1 - 0.5)
        assert off < 0.02
    _, cover = emoji_edits.unblended(light)
    inside = cover[0, 0] == 1
    before, after = (emoji_edits.to_hsv((x + 1) / 2)[2][0][inside] for x in (light, made))
    changed = (after - before * dim).abs() < 1e-3
    assert changed.float().mean() > 0.6
    assert torch.logical_or(changed, (after - before).abs() < 1e-3).all()  # other hues stay


def test_what_is_white_or_grey_is_painted_and_what_has_many_colours_is_not(sheet):
    seal = picture(sheet, "ghost")
    made, took = emoji_edits.recolour(seal, ["blue"])
    assert (
        took and abs(emoji_edits.dominant_hue(made).item() - emoji_edits.COLOURS["blue"][0]) < 0.03
    )
    assert not emoji_edits.recolour(picture(sheet, "bouquet"), ["blue"])[1]


def test_what_is_dark_does_not_become_yellow_or_orange_which_would_be_brown(sheet):
    for colour in ("yellow", "orange"):
        assert not emoji_edits.recolour(picture(sheet, "frog"), [colour])[1]


def test_the_background_is_the_white_that_is_joined_to_the_border(sheet):
    images, _ = sheet
    white = (((images + 1) / 2).amin(1) > emoji_edits.WHITE)[:40]
    found = emoji_edits._from_the_border(white)
    for one, reached in zip(white.numpy(), found.numpy(), strict=True):
        regions, _ = ndimage.label(one)
        edge = {*regions[0], *regions[-1], *regions[:, 0], *regions[:, -1]} - {0}
        assert (reached == (torch.isin(torch.tensor(regions), torch.tensor([*edge]))).numpy()).all()


def test_a_background_leaves_the_drawing_as_it_is(sheet):
    """All but the background and the rim, a pixel wide, around it; the corner gets the colour."""
    frog, blue = picture(sheet, "frog"), torch.tensor([[0.2, 0.5, 0.9]])
    made, took = emoji_edits.on_background(frog, blue)
    assert took.all()
    torch.testing.assert_close(made[0, :, 0, 0], blue[0] * 2 - 1)
    white = (((frog + 1) / 2).amin(1) > emoji_edits.WHITE)[0].numpy()
    border = emoji_edits._from_the_border(torch.from_numpy(white)[None])[0].numpy()
    ground = ndimage.binary_dilation(border, iterations=2)
    inside = torch.from_numpy(~ground).expand(1, 3, 64, 64)
    assert inside.float().mean() > 0.4
    torch.testing.assert_close(made[inside], frog[inside], atol=1e-5, rtol=0)


def test_a_pair_is_two_drawings_at_half_size(sheet):
    images, _ = sheet
    made = emoji_edits.side_by_side(images[:3], images[3:6])
    small = torch.nn.functional.avg_pool2d(images[:6], 2)
    torch.testing.assert_close(made[..., 16:48, :32], small[:3])
    torch.testing.assert_close(made[..., 16:48, 32:], small[3:])
    assert (made[..., :16, :] == 1).all()


def test_a_tenth_of_colours_and_concepts_is_kept_out_and_never_an_example():
    pairs = [(c, h) for c in emoji.concepts() for h in emoji_edits.COLOURS]
    held = sum(emoji_captions.held_out_colour(*pair) for pair in pairs)
    assert 0.08 < held / len(pairs) < 0.12
    pictures, shown = emoji_examples.examples(rounds=1, seed=3)
    assert pictures.shape == (len(shown), 3, 64, 64) and pictures.dtype == torch.uint8
    for example in shown:
        for drawing in example.drawings:
            assert emoji.held_out_style(drawing.concept) != drawing.style
            if example.colour:
                assert not emoji_captions.held_out_colour(drawing.concept, example.colour)


def test_the_shares_of_the_kinds_are_a_setting_and_seeds_repeat():
    shares = {"plain": 0.25, "pair": 0.75}
    pictures, shown = emoji_examples.examples(1, 5, shares=shares)
    counts = Counter(example.kind for example in shown)
    assert counts["pair"] == pytest.approx(3 * counts["plain"], abs=2)
    again, same = emoji_examples.examples(1, 5, shares=shares)
    assert same == shown and torch.equal(again, pictures)


def test_a_style_can_be_shown_more_often_than_the_others():
    def counts(**often):
        _, shown = emoji_examples.examples(4, 5, shares={"plain": 1.0}, often=often)
        return Counter(example.drawings[0] for example in shown)

    evenly, twice = counts(), counts(blob=2)
    assert {*evenly.values()} == {4} and evenly.keys() == twice.keys()
    blobs = sum(number for drawing, number in twice.items() if drawing.style == "blob")
    share = sum(drawing.style == "blob" for drawing in evenly) / len(evenly)
    assert blobs / sum(twice.values()) == pytest.approx(2 * share / (1 + share), rel=0.03)


def test_a_direction_is_said_of_what_shows_it_and_turns_with_the_picture():
    _, shown = emoji_examples.examples(2, 5, shares={"plain": 0.5, "mirrored": 0.5})
    said = [e for e in shown if e.facing]
    assert (
        {e.drawings[0].concept for e in said} <= emoji_captions.FACING_LEFT <= {*emoji.concepts()}
    )
    assert {(e.kind, e.facing) for e in said} == {("plain", "left"), ("mirrored", "right")}
    chance = random.Random(0)
    texts = {emoji_captions.caption(e, chance) for e in said}
    assert any("facing left" in t for t in texts) and any("facing right" in t for t in texts)


def test_tags_are_no_other_concepts_names():
    words = emoji_captions.words()
    assert set(words) == set(emoji.concepts())
    assert all(entry["nouns"][0] for entry in words.values())
    nouns = {noun for entry in words.values() for noun in entry["nouns"]}
    assert not nouns & {tag for entry in words.values() for tag in entry["tags"]}
    assert "happy" in words["grinning face with smiling eyes"]["tags"]
    assert "geek" in words["nerd face"]["tags"] and "car" in words["automobile"]["nouns"]


def test_captions_say_what_is_shown():
    chance, car = random.Random(0), emoji.Emoji("fluent", "automobile", "Travel & Places")
    dog = emoji.Emoji("fluent", "dog face", "Animals & Nature")
    blue = emoji_captions.Example("coloured", (car,), "blue")
    said = {emoji_captions.caption(blue, chance) for _ in range(300)}
    assert all("blue" in text and "red" not in text.split() for text in said)
    assert {"a blue car", "blue automobile"} <= said
    assert any("fluent" in text for text in said) and any("fluent" not in text for text in said)
    for styled in (0.0, 1.0):
        texts = [emoji_captions.caption(blue, chance, styled) for _ in range(50)]
        assert {"fluent" in text for text in texts} == {styled == 1}
    ground = emoji_captions.Example("background", (dog,), background="green")
    said = {emoji_captions.caption(ground, chance) for _ in range(300)}
    assert all("green" in text for text in said) and "a dog on a green background" in said
    both = emoji_captions.Example("pair", (car, dog))
    assert "a car and a dog" in {emoji_captions.caption(both, chance) for _ in range(3000)}
