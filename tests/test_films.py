"""Films, and drawings in which noise comes in: time is shown in each frame."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from course_utils.notebook import films

GENERATOR = torch.Generator().manual_seed(0)
PATHS = torch.randn(101, 3, generator=GENERATOR).cumsum(0) / 10
MEAN, STD = torch.ones(101), torch.linspace(0, 1, 101)


def test_frames_have_one_size_and_few_colours_and_are_closed():
    x = torch.randn(5, 1, 28, 28, generator=GENERATOR)
    for draw in (
        lambda t: films.picture_and_pixels(x, t),
        lambda t: films.walking(PATHS, MEAN, STD, t),
        lambda t: films.pictures(x * t / 100, f"t = {t}", columns=5),
    ):
        first, last = draw(0), draw(100)
        assert first.shape == last.shape and first.dtype == np.uint8
        assert len(np.unique(last)) <= films.LEVELS
        assert not np.array_equal(first, last)
    assert plt.get_fignums() == []


def test_a_film_shows_its_frames_with_a_text(monkeypatch):
    shown = []
    monkeypatch.setattr(films.plotting, "display", shown.append)
    frames = [films.walking(PATHS, MEAN, STD, t) for t in (0, 50, 100)]
    films.show(frames, seconds=1, alt="three walks")
    assert shown[0].metadata["alt"] == "three walks" and shown[0].data[:3] == b"GIF"


def test_pictures_stand_below_their_times():
    figure, axes = plt.subplots()
    axes.set_xlim(0, 100)
    films.pictures_below(figure, axes, torch.zeros(3, 1, 28, 28), (0, 50, 100))
    _, *small = figure.axes
    for picture, t in zip(small, (0, 50, 100), strict=True):
        left, _, width, _ = picture.get_position().bounds
        at = figure.transFigure.inverted().transform(axes.transData.transform((t, 0)))[0]
        assert abs(left + width / 2 - at) < 1e-6
    plt.close(figure)


def test_beliefs_and_fields_have_one_size_and_show_what_they_are_given():
    x = torch.randn(1, 1, 28, 28, generator=GENERATOR)
    sure, unsure = torch.eye(10)[4], torch.full((10,), 0.1)
    one, other = (films.belief(x, x, shares, 450) for shares in (sure, unsure))
    assert one.shape == other.shape and not np.array_equal(one, other)
    points, places = torch.zeros(3, 2), torch.tensor([[1.0, 1.0]])
    still, blown = (films.field(points, places, places * k, 1) for k in (0.0, -1.0))
    assert still.shape == blown.shape and (still != blown).any()
    assert plt.get_fignums() == []
