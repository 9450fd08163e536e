"""What reads emoji that people ask for: things whatever their colour, colours, backgrounds."""

import pytest
import torch
from matplotlib.colors import to_rgb

from course_utils.data import datasets, emoji, emoji_edits
from course_utils.evaluation import emoji_colours, emoji_styles, emoji_things
from tools import score_prompts
from tools.train import emoji_things as trainer

CSS = {  # the web's names of colours, and what they are here
    **dict.fromkeys(("red", "crimson", "firebrick"), "red"),
    **dict.fromkeys(("darkorange", "orange"), "orange"),
    **dict.fromkeys(("gold", "yellow"), "yellow"),
    **dict.fromkeys(("green", "limegreen", "forestgreen", "lime"), "green"),
    **dict.fromkeys(("dodgerblue", "blue", "royalblue", "deepskyblue"), "blue"),
    **dict.fromkeys(("rebeccapurple", "darkorchid", "mediumpurple"), "purple"),
    **dict.fromkeys(("hotpink", "deeppink", "lightpink"), "pink"),
    **dict.fromkeys(("saddlebrown", "sienna"), "brown"),
    **dict.fromkeys(("black",), "black"),
    **dict.fromkeys(("gray", "darkgray"), "grey"),
    **dict.fromkeys(("white",), "white"),
}


def square(colour: tuple, behind: tuple = (1.0, 1.0, 1.0)) -> torch.Tensor:
    """One picture of a square, N x 3 x 64 x 64 in [-1, 1]."""
    x = torch.tensor(behind).view(1, 3, 1, 1).repeat(1, 1, 64, 64)
    x[..., 16:48, 16:48] = torch.tensor(colour).view(1, 3, 1, 1)
    return x * 2 - 1


@pytest.mark.parametrize("css", CSS)
def test_colours_have_the_names_that_the_web_gives_them(css):
    found = emoji_colours.pixel_colours(square(to_rgb(css)))[0, 32, 32]
    assert emoji_colours.NAMES[found] == CSS[css]


def test_a_thing_has_its_own_colour_on_any_background():
    for name, behind in {"white": (1.0, 1.0, 1.0), **emoji_edits.BACKGROUNDS}.items():
        x = square(to_rgb("limegreen"), behind)
        assert emoji_colours.background(x) == [name]
        if name != "green":
            assert emoji_colours.has_colour(x, ["green"]).all()
            assert not emoji_colours.has_colour(x, ["blue" if name != "blue" else "red"]).any()
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert emoji_colours.background(noise) == [""]


def test_things_are_concepts_without_colour_and_direction():
    things = emoji_things.things()
    assert things["blue heart"] == things["red heart"] == "heart"
    assert things["man running facing right"] == "man running"
    assert things["automobile"] == "automobile" and things["guide dog"] != things["dog"]
    assert set(emoji_things.names()) == set(things.values())


def test_nothing_held_out_is_learned():
    images, drawings = trainer.ranked("train")
    assert len(images) == len(drawings) > 5000
    assert all(emoji.held_out_style(d.concept) != d.style for d in drawings)


@pytest.fixture(scope="module")
def held_out():
    images, drawings = trainer.ranked("held_out")
    return images[::3], drawings[::3]


def test_a_thing_is_chosen_whatever_its_colour_background_or_size(held_out):
    images, drawings = held_out
    others = [d.concept for d in drawings]
    choices = [[others[(i + k) % len(others)] for k in (0, 7, 50, 91)] for i in range(len(others))]

    def right(x, keep):
        mine = [choices[i] for i in keep.nonzero()[:, 0].tolist()]
        chosen = emoji_things.choose(x[keep], mine)
        return sum(name == few[0] for name, few in zip(chosen, mine, strict=True)) / len(mine)

    everything = torch.ones(len(images), dtype=torch.bool)
    assert right(images, everything) > 0.93
    assert right(torch.nn.functional.avg_pool2d(images, 2), everything) > 0.93
    assert right(*emoji_edits.recolour(images, ["blue"] * len(images))) > 0.92
    black = torch.tensor([emoji_edits.BACKGROUNDS["black"]]).repeat(len(images), 1)
    assert right(*emoji_edits.on_background(images, black)) > 0.92
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert 0.1 < right(noise, everything) < 0.45  # of four, by chance a quarter


def test_styles_of_held_out_drawings_are_read(held_out):
    images, drawings = held_out
    found = [emoji.STYLES[i] for i in emoji_styles.read(images).tolist()]
    assert sum(f == d.style for f, d in zip(found, drawings, strict=True)) / len(found) > 0.86


def test_what_can_not_be_read_is_refused():
    with pytest.raises(ValueError, match="32 or 64 pixels"):
        emoji_things.choose(torch.zeros(1, 3, 48, 48), [["dog", "cat"]])
    with pytest.raises(ValueError, match="'unicycle' has no thing"):
        emoji_things.choose(torch.zeros(1, 3, 64, 64), [["dog", "unicycle"]])
    with pytest.raises(ValueError, match=r"no word of \['xyzzy'\]"):
        emoji_things.bags(["dog", "xyzzy"], emoji_things.vocabulary())


def test_the_artists_own_drawings_pass_and_blank_pages_fail():
    rows = score_prompts.prompts()
    found = score_prompts.read(rows, score_prompts.by_artists(rows, 0))
    assert sum(found["all"]) > 0.95 * len(rows)
    blank = score_prompts.read(rows, torch.ones(len(rows), 3, 64, 64))
    assert sum(blank["thing"]) < 0.4 * len(rows)
    assert not any(blank["background"]) and not any(blank["colour"])


def test_all_means_all_that_a_prompt_asks_for():
    rows = [r for r in score_prompts.prompts() if r["colour"] and r["background"]]
    x = score_prompts.by_artists(rows, 0)
    found = score_prompts.read(rows, x)
    for i, everything in enumerate(found["all"]):
        parts = [found[name][i] for name in ("thing", "colour", "background")]
        assert None not in parts and everything == all(parts)
    everywhere = score_prompts.groups(rows)["all", ""]
    assert everywhere == [*range(len(rows))]
    assert datasets.emoji(64)[0].shape[1:] == x.shape[1:]
