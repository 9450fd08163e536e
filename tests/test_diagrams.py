"""Drawings of architectures: to scale, nothing on top of anything else, clear messages."""

import itertools

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from course_utils.notebook import diagrams
from course_utils.notebook.diagrams import Block

U_NET = [
    Block("picture", 1, 28, colour=1),
    Block("down", 32, 28),
    Block("down", 64, 14, row=1),
    Block("middle", 128, 7, row=2),
    Block("up", 64, 14, row=1),
    Block("up", 32, 28),
    Block("picture", 1, 28, colour=1),
]
HOURGLASS = [Block("conv", c, s) for c, s in [(1, 28), (32, 14), (64, 7), (64, 1), (1, 28)]]
PIPELINE = [
    Block("caption"),
    Block("text encoder"),
    Block("noise", row=1, column=0),
    Block("U-Net\n50 times", row=1, column=1),
    Block("picture", row=1, column=2),
]
DRAWINGS = {
    "u_net": dict(blocks=U_NET, skips=[(1, 5, "copied"), (2, 4)]),
    "hourglass": dict(blocks=HOURGLASS, title="Encoder-decoder"),
    "pipeline": dict(blocks=PIPELINE, arrows=[(0, 1), (1, 3, "vectors"), (2, 3), (3, 4)]),
    "residual": dict(blocks=[Block(t) for t in ("x", "norm", "conv", "+")], skips=[(0, 3)]),
}


@pytest.fixture(params=DRAWINGS)
def axes(request):
    figure = diagrams.draw(**DRAWINGS[request.param])
    yield figure.axes[0]
    plt.close(figure)


def of_type(axes, kind):
    return [patch for patch in axes.patches if isinstance(patch, kind)]


def test_texts_do_not_overlap(axes):
    boxes = [text.get_window_extent() for text in axes.texts]
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)


def test_blocks_do_not_overlap(axes):
    boxes = [patch.get_window_extent() for patch in of_type(axes, FancyBboxPatch)]
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)


def test_arrows_cross_no_block(axes):
    blocks = [patch.get_window_extent().padded(-1) for patch in of_type(axes, FancyBboxPatch)]
    for arrow in of_type(axes, FancyArrowPatch):
        corners = axes.transData.transform(arrow._path_original.vertices)
        for (x0, y0), (x1, y1) in itertools.pairwise(corners):
            for i in range(101):
                x, y = x0 + (x1 - x0) * i / 100, y0 + (y1 - y0) * i / 100
                assert not any(box.contains(x, y) for box in blocks)


def test_everything_is_inside_the_figure_that_is_saved(axes):
    box = axes.figure.get_tightbbox()
    assert box.width < 12 and box.height < 8
    for patch in axes.patches:
        points = patch.get_window_extent()
        assert axes.bbox.padded(1).containsx(points.x0) and axes.bbox.padded(1).containsx(points.x1)
        assert axes.bbox.padded(1).containsy(points.y0) and axes.bbox.padded(1).containsy(points.y1)


def test_blocks_are_to_scale_and_say_their_shape():
    figure = diagrams.draw([Block("a", 16, 32), Block("b", 64, 16), Block("c", 10, 1)])
    a, b, _ = of_type(figure.axes[0], FancyBboxPatch)
    assert a.get_height() == pytest.approx(2 * b.get_height())
    assert b.get_width() == pytest.approx(2 * a.get_width())
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said == ["a\n16 × 32 × 32", "b\n64 × 16 × 16", "c\n10 numbers"]
    plt.close(figure)


def test_a_chain_has_one_arrow_from_each_block_to_the_next():
    figure = diagrams.draw(HOURGLASS)
    assert len(of_type(figure.axes[0], FancyArrowPatch)) == len(HOURGLASS) - 1
    plt.close(figure)


@pytest.mark.parametrize("arrow", [(0, 5), (-1, 0), (1, 1)])
def test_an_arrow_from_nowhere_is_refused(arrow):
    with pytest.raises(ValueError, match="does not join two of the blocks 0..4"):
        diagrams.draw(HOURGLASS, arrows=[arrow])
    with pytest.raises(ValueError, match="does not join"):
        diagrams.draw(HOURGLASS, skips=[arrow])


def test_nothing_to_draw_and_half_a_shape_are_refused():
    with pytest.raises(ValueError, match="empty"):
        diagrams.draw([])
    with pytest.raises(ValueError, match="'conv' needs both"):
        Block("conv", channels=3)
