"""The films of lesson 02: a kernel slides over a picture, and numbers stamp kernels."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional

from course_utils.notebook import plotting

SQUARE = 0.33
"""The side of a square, in inches."""
MARK = plotting.COLOURS[4]
Box = tuple[int, int, int]  # row and column of its corner, and its side, in squares


def show_convolution(picture: Tensor, kernel: Tensor, stride: int, padding: int) -> None:
    """Show a film of `kernel` (k x k) sliding over `picture` (H x W), one number a place."""
    alt = (
        f"Film. A kernel of {len(kernel)} x {len(kernel)} weights moves over a picture of "
        f"{len(picture)} x {len(picture)} squares in steps of {stride}. At each place it writes "
        f"one number into a smaller picture, the weighted sum of what it covers."
    )
    plotting.show_film([*convolution(picture, kernel, stride, padding)], 10, alt)


def show_transposed(numbers: Tensor, kernel: Tensor, stride: int, padding: int) -> None:
    """Show a film of each number of `numbers` (H x W) stamping `kernel` (k x k) onto a canvas."""
    alt = (
        f"Film. Each of {len(numbers)} x {len(numbers)} numbers stamps the kernel, multiplied by "
        f"itself, onto a larger canvas. The stamps lie {stride} squares apart, overlap, and add "
        f"up. In the end {padding} square is cut off at each side."
    )
    plotting.show_film([*transposed(numbers, kernel, stride, padding)], 10, alt)


def convolution(picture: Tensor, kernel: Tensor, stride: int, padding: int) -> Iterator[np.ndarray]:
    """The frames of `show_convolution`."""
    side = len(kernel)
    padded = functional.pad(picture, [padding] * 4)
    whole = functional.conv2d(padded[None, None], kernel[None, None], stride=stride)[0, 0]
    found = torch.full_like(whole, torch.nan)
    for row in range(whole.shape[0]):
        for column in range(whole.shape[1]):
            found[row, column] = whole[row, column]
            yield _frame(
                (padded, "picture, with a rim of zeros", (row * stride, column * stride, side)),
                (kernel, "x kernel, summed", None),
                (found, "result", (row, column, 1)),
                cut=padding,
                cut_of=0,
            )


def transposed(numbers: Tensor, kernel: Tensor, stride: int, padding: int) -> Iterator[np.ndarray]:
    """The frames of `show_transposed`."""
    side = len(kernel)
    size = (len(numbers) - 1) * stride + side
    canvas = torch.zeros(size, size)
    for row in range(len(numbers)):
        for column in range(numbers.shape[1]):
            top, left = row * stride, column * stride
            canvas[top : top + side, left : left + side] += numbers[row, column] * kernel
            yield _frame(
                (numbers, "numbers", (row, column, 1)),
                (kernel, "x kernel", None),
                (canvas, "added to the result", (top, left, side)),
                cut=padding,
                cut_of=2,
            )


def _frame(*panels: tuple[Tensor, str, Box | None], cut: int, cut_of: int) -> np.ndarray:
    """Panels side by side as uint8, H x W x 3; panel `cut_of` has a rim of `cut` squares."""
    sizes = [len(values) for values, _, _ in panels]
    wide, high = sum(sizes) + 2.5 * (len(sizes) - 1) + 0.2, max(sizes) + 1.2
    figure = plt.figure(figsize=(SQUARE * wide, SQUARE * high))
    left = 0.1
    for i, (values, title, box) in enumerate(panels):
        bottom = (max(sizes) - sizes[i]) / 2 + 0.1
        ax = figure.add_axes((left / wide, bottom / high, sizes[i] / wide, sizes[i] / high))
        _squares(ax, values, title, box)
        if i == cut_of:
            inner = (cut - 0.5, cut - 0.5), sizes[i] - 2 * cut, sizes[i] - 2 * cut
            ax.add_patch(Rectangle(*inner, fill=False, ls="--", lw=1.2, ec=plotting.COLOURS[0]))
        left += sizes[i] + 2.5
    return plotting.frame(figure)


def _squares(ax: Axes, values: Tensor, title: str, box: Box | None) -> None:
    """Numbers as squares from black (-1.4) to white (1.4), with their numbers; nan stays empty."""
    ax.imshow(values.nan_to_num(0).numpy(), cmap="gray", vmin=-1.4, vmax=1.4)
    for (row, column), value in np.ndenumerate(values.numpy()):
        if np.isnan(value):
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fc="white", ec="lightgrey"))
            continue
        text = f"{value:.1f}".replace("-0.0", "0.0")
        colour = "black" if value > -0.35 else "white"
        ax.text(column, row, text, color=colour, ha="center", va="center", fontsize=7)
    if box:
        row, column, side = box
        place = (column - 0.5, row - 0.5)
        ax.add_patch(Rectangle(place, side, side, fill=False, lw=3, ec=MARK, zorder=3))
    ax.set_title(title)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
