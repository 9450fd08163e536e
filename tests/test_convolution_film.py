"""The films of lesson 02: what they write is what torch computes."""

import numpy as np
import torch
from torch.nn import functional

from course_utils.notebook import convolution_film

GENERATOR = torch.Generator().manual_seed(0)


def recorded(monkeypatch, film, *arguments):
    """The last panel of each frame of a film, and the last frame."""
    results = []

    def frame(*panels, cut, cut_of):
        results.append(panels[-1][0].clone())
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(convolution_film, "_frame", frame)
    list(film(*arguments))
    return results


def test_the_sliding_kernel_ends_at_torchs_convolution(monkeypatch):
    picture, kernel = torch.randn(8, 8, generator=GENERATOR), torch.randn(3, 3, generator=GENERATOR)
    results = recorded(monkeypatch, convolution_film.convolution, picture, kernel, 2, 1)
    expected = functional.conv2d(picture[None, None], kernel[None, None], stride=2, padding=1)
    assert len(results) == 16 and results[0].isnan().sum() == 15
    assert torch.allclose(results[-1], expected[0, 0], atol=1e-6)


def test_the_stamps_end_at_torchs_transposed_convolution(monkeypatch):
    numbers, kernel = torch.randn(4, 4, generator=GENERATOR), torch.randn(4, 4, generator=GENERATOR)
    results = recorded(monkeypatch, convolution_film.transposed, numbers, kernel, 2, 1)
    expected = functional.conv_transpose2d(numbers[None, None], kernel[None, None], stride=2)
    assert len(results) == 16
    assert torch.allclose(results[-1], expected[0, 0], atol=1e-6)  # padding cuts off its rim


def test_the_films_are_small_and_have_a_text(monkeypatch):
    shown = []
    monkeypatch.setattr(convolution_film.plotting, "display", shown.append)
    convolution_film.show_convolution(torch.zeros(4, 4), torch.ones(3, 3), 2, 1)
    convolution_film.show_transposed(torch.zeros(2, 2), torch.ones(4, 4), 2, 1)
    for film in shown:
        assert film.data[:3] == b"GIF" and len(film.data) < 100_000
        assert film.metadata["alt"].startswith("Film.")
