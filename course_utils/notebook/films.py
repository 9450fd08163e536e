"""Films, and drawings in which noise comes in: time is shown in each frame."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.notebook import plotting

LEVELS = 8
"""Levels of each colour in a frame: a GIF of noise with all 256 would be three times as large."""


def show(frames: Sequence[np.ndarray], seconds: float, alt: str) -> None:
    """Show frames as a film, as `plotting.show_film` does."""
    plotting.show_film(frames, seconds, alt)


def frame(figure: Figure, levels: int = LEVELS) -> np.ndarray:
    """A whole figure as uint8, H x W x 3, so that all frames have one size; closes it."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255
    plt.close(figure)
    return (np.round(pixels * (levels - 1)) / (levels - 1) * 255).astype(np.uint8)


def pictures(images: Tensor, title: str, columns: int, levels: int = LEVELS) -> np.ndarray:
    """A frame: small pictures N x C x H x W in rows, about an inch each, under a title."""
    figure = plotting.image_grid(images, columns=columns, title=title)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.3)
    figure.axes[0].set_position((0, 0, 1, height / (height + 0.3)))
    return frame(figure, levels)


def picture_and_pixels(x: Tensor, t: int) -> np.ndarray:
    """A frame: the first picture of the batch x at step t, and a histogram of all its pixels."""
    figure = plt.figure(figsize=(6.4, 2.9), dpi=100)
    left = figure.add_axes((0, 0.02, 0.44, 0.88))
    left.imshow(x[0, 0], cmap="gray", vmin=-1.5, vmax=1.5)
    left.set_title(f"step {t}")
    left.axis("off")
    right = figure.add_axes((0.5, 0.16, 0.48, 0.74))
    right.hist(x.flatten().numpy(), np.linspace(-3.5, 3.5, 71), density=True)
    values = np.linspace(-3.5, 3.5, 200)
    right.plot(values, np.exp(-(values**2) / 2) / math.sqrt(2 * math.pi), "k", lw=1.5)
    right.set(xlim=(-3.5, 3.5), ylim=(0, 0.8), yticks=[], xlabel="value of a pixel")
    right.set_title(f"all pixels of {len(x)} digits; the line is N(0, 1)")
    right.grid(False)
    return frame(figure)


def walks(axes: Axes, paths: Tensor, mean: Tensor, std: Tensor, until: int | None = None) -> None:
    """Draw paths, T + 1 x N, up to step `until`, over the band mean - 2 std to mean + 2 std."""
    t = np.arange(len(mean))
    end = len(mean) if until is None else until + 1
    axes.fill_between(t, mean - 2 * std, mean + 2 * std, color=plotting.COLOURS[5], alpha=0.35)
    axes.plot(t, mean, "k--", lw=1)
    for i, path in enumerate(paths.T):
        colour = plotting.COLOURS[(0, 1, 2, 4, 3)[i % 5]]
        axes.plot(t[:end:4], path[:end:4], lw=1, color=colour, antialiased=False)
        axes.plot(t[end - 1], path[end - 1], "o", ms=4, color=colour)
    axes.set(xlim=(0, t[-1]), ylim=(-3.5, 3.5), xlabel="t", ylabel="value of the pixel")


def walking(paths: Tensor, mean: Tensor, std: Tensor, until: int) -> np.ndarray:
    """A frame: `walks` up to step `until`."""
    figure, axes = plt.subplots(figsize=(6.4, 2.9), dpi=100, layout="constrained")
    walks(axes, paths, mean, std, until)
    axes.set_title(f"step {until}: the band is the jump's mean, plus and minus 2 noise_std")
    return frame(figure)


def pictures_below(figure: Figure, axes: Axes, pictures: Tensor, times: Sequence[int]) -> None:
    """Small pictures N x 1 x H x W under the axes, each below its time; makes room for them."""
    left, _, width, _ = axes.get_position().bounds
    size = 0.9 * width / len(times)
    axes.set_position((left, 0.38, width, 0.58))
    low, high = axes.get_xlim()
    for picture, t in zip(pictures, times, strict=True):
        centre = left + width * (t - low) / (high - low)
        small = figure.add_axes((centre - size / 2, 0, size, 0.24))
        small.imshow(picture[0], cmap="gray", vmin=-1.5, vmax=1.5)
        small.set_anchor("N")
        small.axis("off")


def belief(x: Tensor, guess: Tensor, shares: Tensor, t: int) -> np.ndarray:
    """A frame: a picture 1 x 1 x H x W on its way, the guess, and how probable each digit is."""
    figure, axes = plt.subplots(1, 3, figsize=(6.8, 2.5), dpi=100, layout="constrained")
    for panel, picture, title in zip(
        axes, (x, guess), (f"t = {t}", "the best guess"), strict=False
    ):
        panel.imshow(picture[0, 0], cmap="gray", vmin=-1, vmax=1)
        panel.set_title(title)
        panel.axis("off")
    axes[2].bar(range(10), shares, color=plotting.COLOURS[0])
    axes[2].set(ylim=(0, 1), xticks=range(10), yticks=(0, 0.5, 1), title="which digit?")
    axes[2].grid(False)
    return frame(figure)


def field(points: Tensor, places: Tensor, arrows: Tensor, t: int) -> np.ndarray:
    """A frame: points N x 2 on their way, and at M x 2 places the arrows of the score."""
    figure, axes = plt.subplots(figsize=(4.4, 4.4), dpi=100, layout="constrained")
    axes.quiver(*places.T, *arrows.T, color="0.6", angles="xy", scale_units="xy", scale=4)
    axes.plot(*points.T, ".", ms=3, color=plotting.COLOURS[0])
    axes.set(xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal", title=f"t = {t}")
    axes.grid(False)
    return frame(figure)
