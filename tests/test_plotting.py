"""Pictures go in with any type and shape that the course has, and come out small and whole."""

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio.v3 as imageio
import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.text import Text
from packaging.version import Version

from course_utils import ROOT
from course_utils.notebook import diagrams, plotting
from course_utils.notebook.diagrams import Block

GREY = torch.linspace(-1, 1, 28 * 28).view(1, 28, 28)
NOISE = torch.randn(24, 1, 28, 28, generator=torch.Generator().manual_seed(0)) / 2


def photo(height: int = 192, width: int = 192) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 256, y % 256, (x + y) % 256], axis=2).astype(np.uint8)


@pytest.fixture(autouse=True)
def no_figure_left_open():
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """What the notebook would show, as a list."""
    found = []
    monkeypatch.setattr(plotting, "display", found.append)
    return found


def decoded(image) -> np.ndarray:
    return imageio.imread(io.BytesIO(image.data))


# --- to_uint8 and as_batch ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "image",
    [
        GREY,
        GREY[0],
        GREY.double(),
        GREY.bfloat16(),
        GREY.expand(3, 28, 28),
        GREY.clone().requires_grad_(),
        plotting.to_uint8(GREY)[..., 0],
        plotting.to_uint8(GREY)[..., :1],
        plotting.to_uint8(GREY),
    ],
)
def test_every_kind_of_picture_becomes_rgb(image):
    found = plotting.to_uint8(image)
    assert found.dtype == np.uint8 and found.shape == (28, 28, 3)
    assert (found[..., 0] == found[..., 1]).all() and (found[..., 0] == found[..., 2]).all()
    assert found[0, 0, 0] == 0 and found[-1, -1, 0] == 255
    difference = found[..., 0].astype(float) - plotting.to_uint8(GREY)[..., 0]
    assert abs(difference).max() <= 1  # bfloat16 rounds


def test_values_are_scaled_rounded_and_clipped():
    values = torch.tensor([[-9.0, -1.0, 0.0, 1 / 255, 1.0, float("inf")]])
    assert plotting.to_uint8(values)[0, :, 0].tolist() == [0, 0, 128, 128, 255, 255]


@pytest.mark.parametrize(
    "image, message",
    [
        (torch.zeros(2, 8, 8), r"C x H x W with C = 1 or 3; this one is \(2, 8, 8\)"),
        (torch.zeros(1, 1, 8, 8), r"this one is \(1, 1, 8, 8\)"),
        (torch.zeros(8), r"this one is \(8,\)"),
        (torch.zeros(1, 8, 8, dtype=torch.uint8), "float values .* torch.uint8.*as_batch"),
        (torch.full((1, 8, 8), float("nan")), "holds nan"),
        (np.zeros((8, 8, 3)), "uint8 values; this one holds float64"),
        (np.zeros((8, 8, 4), np.uint8), r"H x W x 3; this one is \(8, 8, 4\)"),
        (np.zeros(8, np.uint8), r"this one is \(8,\)"),
        (None, "holds object"),
    ],
)
def test_what_is_no_picture_is_named(image, message):
    with pytest.raises(ValueError, match=message):
        plotting.to_uint8(image)


def test_as_batch_and_to_uint8_are_inverse():
    pictures = [photo(8, 12), 255 - photo(8, 12)]
    batch = plotting.as_batch(pictures)
    assert batch.shape == (2, 3, 8, 12) and batch.dtype == torch.float32
    assert batch.min() == -1 and -1 <= batch.max() <= 1
    for picture, tensor in zip(pictures, batch, strict=True):
        assert (plotting.to_uint8(tensor) == picture).all()


def test_as_batch_takes_views_and_grey_and_refuses_mixed_sizes():
    turned = np.rot90(photo(8, 12))
    assert plotting.as_batch([turned, turned[..., 0]]).shape == (2, 3, 12, 8)
    with pytest.raises(ValueError, match="differ in size"):
        plotting.as_batch([photo(8, 8), photo(8, 9)])


# --- image_grid ---------------------------------------------------------------------------------


def rows_and_columns(figure) -> tuple[int, int]:
    """Counted in the picture itself: white gaps in a grid of black pictures of 28 x 28."""
    canvas = figure.axes[0].images[0].get_array()
    return (canvas.shape[0] + 2) // 30, (canvas.shape[1] + 2) // 30


@pytest.mark.parametrize(
    "layout, expected",
    [
        ({}, (1, 24)),
        ({"columns": 8}, (3, 8)),
        ({"columns": 7}, (4, 7)),
        ({"titles": list("abcdef")}, (4, 6)),
        ({"row_titles": ["a", "b"]}, (2, 12)),
        ({"row_titles": ["a", "b"], "titles": list("abcdefghijkl")}, (2, 12)),
        ({"columns": 8, "titles": list("abcdefgh"), "row_titles": list("abc")}, (3, 8)),
    ],
)
def test_layouts(layout, expected):
    assert rows_and_columns(plotting.image_grid(NOISE, **layout)) == expected


def test_each_picture_is_in_its_place_unchanged():
    figure = plotting.image_grid(NOISE[:5], columns=3)
    canvas = figure.axes[0].images[0].get_array()
    assert (canvas[30:58, 30:58] == plotting.to_uint8(NOISE[4])).all()
    assert (canvas[30:, 60:] == 255).all()  # the sixth place is empty
    assert (canvas[28:30] == 255).all() and (canvas[:, 28:30] == 255).all()


@pytest.mark.parametrize(
    "layout",
    [
        {"columns": 0},
        {"columns": 8, "titles": ["a"]},
        {"columns": 8, "row_titles": ["a", "b"]},
        {"row_titles": ["a", "b"], "titles": list("abc")},
    ],
)
def test_titles_that_do_not_fit_are_refused(layout):
    with pytest.raises(ValueError, match="24 pictures in .* as many titles as columns"):
        plotting.image_grid(NOISE, **layout)


@pytest.mark.parametrize(
    "images, message",
    [
        ([], "the list is empty"),
        (NOISE[:0], "the list is empty"),
        (NOISE[0], r"4 dimensions; this one is \(1, 28, 28\).*\[picture\]"),
        (photo(), r"4 dimensions; this one is \(192, 192, 3\)"),
        ([NOISE[0], photo()], "differ in size"),
    ],
)
def test_what_is_no_list_of_pictures_is_named(images, message):
    with pytest.raises(ValueError, match=message):
        plotting.image_grid(images)


@pytest.mark.parametrize("titles", [None, list("abcd"), ["two\nlines"] * 4])
def test_titles_keep_close_and_clear_of_each_other(titles):
    figure = plotting.image_grid(
        NOISE[:8],
        titles,
        row_titles=["a rather long row title", "b"],
        title="A title above two rows of four",
    )
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == len(titles or ()) + 3
    for i, box in enumerate(boxes):
        assert not box.overlaps(axes.get_window_extent())
        assert not any(box.overlaps(other) for other in boxes[:i])
    top, highest = axes.get_window_extent().y1, boxes[-1]
    lines = max((text.count("\n") + 1 for text in titles), default=0) if titles else 0
    assert highest.y0 - top < plotting.DPI * (0.1 + 0.16 * lines)


# --- show ---------------------------------------------------------------------------------------


def test_a_small_picture_is_a_sharp_png(shown):
    plotting.show_images(NOISE[:8], alt="eight digits")
    (image,) = shown
    assert image.format == "png" and image.metadata["alt"] == "eight digits"
    pixels, wanted = decoded(image)[..., :3], plotting.to_uint8(NOISE[0])
    rows, columns = (np.flatnonzero((pixels < 255).any(axis=(axis, 2))) for axis in (1, 0))
    # Each of the 28 pixels 4 wide; Matplotlib before 3.11 cuts off the first row of the screen.
    height = 112 if Version(matplotlib.__version__) >= Version("3.11") else 111
    first = pixels[: rows[-1] + 1, columns[0] :][-height:, :112]
    assert (first == wanted.repeat(4, axis=0).repeat(4, axis=1)[-height:]).all()
    assert len(first) == height == rows[-1] + 1 - rows[0]


def test_photographs_are_jpegs_of_a_stated_size(shown):
    plotting.show_images([photo()] * 5, alt="five photographs", size=1.3)
    (image,) = shown
    height, width, _ = decoded(image).shape
    assert image.format == "jpeg"
    assert width == pytest.approx(5.24 * 1.3 * plotting.DPI + 11, abs=4)
    assert height == pytest.approx(1.3 * plotting.DPI + 11, abs=4)


def test_a_notebook_stays_small(shown):
    plotting.show_images(NOISE, alt="", titles=list("abcdefgh"), row_titles=list("abc"))
    plotting.show_images([photo()] * 8, alt="", columns=4)
    plotting.show_losses({"a": list(np.random.rand(1000))}, alt="")
    assert all(len(image.data) < 60_000 for image in shown)


@pytest.mark.parametrize("images", [NOISE[:1], [photo()]])
def test_a_long_title_over_one_picture_is_not_cut(shown, images):
    plotting.show_images(images, alt="", title="A title that is much longer than the picture")
    edges = decoded(shown[0])[..., :3].astype(int)
    for edge in (edges[0], edges[-1], edges[:, 0], edges[:, -1]):
        assert edge.min() > 230  # white, but for JPEG's own noise


def test_figures_are_closed(shown):
    plotting.show_images(NOISE[:2], alt="")
    plotting.show_losses({"a": [1.0, 2.0]}, alt="")
    assert plt.get_fignums() == []


# --- losses -------------------------------------------------------------------------------------


def drawn(monkeypatch, curves, **how):
    """The lines that show_losses draws."""
    lines = []
    monkeypatch.setattr(plotting, "show", lambda figure, alt: lines.extend(figure.axes[0].lines))
    plotting.show_losses(curves, alt="", **how)
    return lines


def test_losses_are_running_means(monkeypatch):
    (line,) = drawn(monkeypatch, {"a": [1, 2, 3, 4, 5, 6, 7, 9]}, smooth=2)
    assert line.get_xdata().tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert line.get_ydata() == pytest.approx([1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 8])


def test_losses_of_an_interrupted_run(monkeypatch, recwarn):
    empty, one, few = drawn(monkeypatch, {"a": [], "b": [1.0], "c": [3.0, 2.0, 1.0]})
    assert len(empty.get_xdata()) == 0
    assert one.get_xdata().tolist() == [1] and one.get_marker() == "o"
    assert few.get_ydata().tolist() == [3, 2, 1]
    assert [line.get_color() for line in (empty, one, few)] == list(plotting.COLOURS[:3])
    assert [str(w.message) for w in recwarn] == []


def test_no_loss_at_all_is_still_a_figure(shown, recwarn):
    plotting.show_losses({"interrupted at once": []}, alt="")
    assert decoded(shown[0]).shape[1] > 300
    # Python keeps DeprecationWarning to itself; older Matplotlib has some of pyparsing's.
    seen = [w for w in recwarn if not issubclass(w.category, DeprecationWarning)]
    assert [str(w.message) for w in seen] == []


# --- GIFs and the slider ------------------------------------------------------------------------


def test_gif_round_trip(tmp_path, shown):
    path = tmp_path / "new" / "digits.gif"
    plotting.save_gif(path, NOISE[:6], seconds=3, scale=2)
    frames = imageio.imread(path)
    assert frames.shape == (6, 56, 56, 3)
    for frame, picture in zip(frames, NOISE, strict=False):
        wanted = plotting.to_uint8(picture).repeat(2, axis=0).repeat(2, axis=1)
        assert abs(frame.astype(int) - wanted).max() <= 8  # a GIF has 256 colours
    about = imageio.immeta(path)
    assert about["duration"] == 500 and about["loop"] == 0
    plotting.show_gif(path, alt="six digits")
    assert shown[0].data == path.read_bytes() and shown[0].metadata["alt"] == "six digits"


def test_figures_become_a_film_of_few_colours(shown):
    figures = [plotting.image_grid(NOISE[:4], title=f"step {step}") for step in (1, 2, 3)]
    frames = [plotting.frame(figure, levels=4) for figure in figures]
    assert len({frame.shape for frame in frames}) == 1 and len(np.unique(frames[0])) <= 4
    assert plt.get_fignums() == []
    plotting.show_film(frames, seconds=1, alt="three steps")
    assert shown[-1].data[:3] == b"GIF" and shown[-1].metadata["alt"] == "three steps"


def test_a_film_of_figures_has_frames_of_one_size_and_an_alt_text(shown):
    titles = ("w = 0", "w = 1, with a title that is wider than the picture")
    figures = [plotting.image_grid(NOISE[:1], title=title) for title in titles]
    plotting.show_film(figures, alt="two titles", seconds=1)
    frames = imageio.imread(shown[-1].data, index=None)
    assert len(frames) == 2 and shown[-1].metadata["alt"] == "two titles"
    assert plt.get_fignums() == []


def test_a_gif_without_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match="empty"):
        plotting.save_gif(tmp_path / "a.gif", [])
    assert list(tmp_path.iterdir()) == []


def test_the_slider_draws_again_when_it_moves(shown):
    asked = []

    def render(amount):
        asked.append(amount)
        return torch.full((1, 28, 28), amount)

    control, picture = plotting.slider(render, value=0.0, low=-1, high=1, width=280)
    before = imageio.imread(picture.value)
    control.value = 1.0
    after = imageio.imread(picture.value)
    assert asked == [0.0, 1.0] and len(shown) == 1
    assert before.shape == after.shape == (280, 280, 3)
    assert (before == 128).all() and (after == 255).all()


# --- texts of the learner's own -----------------------------------------------------------------

WORDS = ["$", "$5 or $10", "100 $ for \\a{", "$x^$", "a_b^c", "_hidden", "50 % & #1 {x}"]
"""Most of these are no formula, and matplotlib would raise, or draw something else."""


def texts(figure) -> list[str]:
    """What stands in a figure, once it was really drawn."""
    figure.canvas.draw()
    found = [text for text in figure.findobj(Text) if text.get_text()]
    assert not any(text.get_parse_math() for text in found if text.get_text() in WORDS)
    return [text.get_text() for text in found]


@pytest.mark.parametrize("word", WORDS)
def test_titles_are_shown_as_they_are(word):
    how = dict(titles=[word, "b"], row_titles=[word], title=word)
    assert texts(plotting.image_grid(NOISE[:2], **how)).count(word) == 3


@pytest.mark.parametrize("word", WORDS)
def test_names_of_curves_are_shown_as_they_are(monkeypatch, word):
    figures = []
    monkeypatch.setattr(plotting, "show", lambda figure, alt: figures.append(figure))
    plotting.show_losses({word: [3.0, 2.0, 1.0, 1.0], "other": [1.0, 1.0]}, alt="two curves")
    found = texts(figures[0])
    assert word in found and "other" in found
    legend = figures[0].axes[0].get_legend()
    colours = [line.get_color() for line in legend.get_lines()]
    assert colours == list(plotting.COLOURS[:2])


def test_an_own_formula_in_a_label_of_matplotlib_stays_one():
    figure, axes = plt.subplots()
    assert axes.set_ylabel("variance of $x_t$").get_parse_math()


@pytest.mark.parametrize("word", WORDS)
def test_texts_in_a_diagram_are_shown_as_they_are(word):
    blocks = [Block(word), Block("b"), Block(word, 3, 8)]
    figure = diagrams.draw(blocks, [(0, 1, word), (1, 2)], title=word)
    assert texts(figure).count(word) == 3
    assert any(text.startswith(word) for text in texts(figure) if text != word), "its shape follows"


# --- Colab's IPython ----------------------------------------------------------------------------

OLD = "ipython==7.34.0"
DRAW = """
import json, sys
import IPython, torch
from IPython.core.formatters import DisplayFormatter
from course_utils.notebook import plotting

plotting.display = lambda image: print(json.dumps(DisplayFormatter().format(image)))
picture = torch.linspace(-1, 1, 64).view(1, 1, 8, 8)
print(IPython.__version__)
plotting.show_images(picture, alt="a grey wedge")
plotting.show_gif(sys.argv[1], alt="a film")
"""


@pytest.fixture(scope="module")
def old_ipython():
    """A folder with the IPython that Colab has; fetched once, into a folder that git ignores."""
    folder = ROOT / ".colab" / OLD
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", beside]
            names = [OLD, "pickleshare", "backcall", "decorator"]
            done = subprocess.run([*pip, *names], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"pip could not fetch {OLD}: {done.stderr.strip()[-200:]}")
            Path(beside).rename(folder)
            Path(beside).mkdir()  # for the end of the block to remove
    return folder


def test_the_ipython_of_colab_shows_the_same(tmp_path, old_ipython):
    plotting.save_gif(tmp_path / "a.gif", NOISE[:2])

    def drawn_with(*paths):
        path = os.pathsep.join(map(str, [*paths, ROOT]))
        command = [sys.executable, "-c", DRAW, str(tmp_path / "a.gif")]
        environment = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        version, *shown = done.stdout.splitlines()
        return version, [json.loads(line) for line in shown]

    version, old = drawn_with(old_ipython)
    newer, new = drawn_with()
    assert version == "7.34.0" != newer
    for (data, about), (new_data, new_about), alt in zip(
        old, new, ["a grey wedge", "a film"], strict=True
    ):
        (kind,) = set(data) - {"text/plain"}
        assert about == new_about == {kind: {"alt": alt}}
        assert {k: v.strip() for k, v in data.items()} == new_data  # 7 ends base64 with a new line


@pytest.mark.parametrize(
    "numbers, labels", [((0.25, 0.9), {"0.3", "0.5", "0.7"}), ((0.02, 2), {"0.1", "1"})]
)
def test_losses_have_plain_numbers_at_their_axis(numbers, labels, monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "show", lambda figure, alt: shown.append(figure))
    plotting.show_losses({"a": np.geomspace(*numbers, 400)}, "alt", smooth=1)
    shown[0].canvas.draw()
    axis = shown[0].axes[0].yaxis
    found = {text.get_text() for text in axis.get_ticklabels() + axis.get_ticklabels(minor=True)}
    assert labels <= found and not any("10^" in text or "$" in text for text in found)
