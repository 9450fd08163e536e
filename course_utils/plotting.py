"""The one place where pictures are shown, with sizes and formats that keep a notebook small."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio.v3 as imageio
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Image, display
from matplotlib.figure import Figure
from torch import Tensor

DPI = 110
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
"""Okabe and Ito's palette: told apart by colour-blind readers too."""

plt.rcParams.update(
    {
        "figure.dpi": DPI,
        "axes.prop_cycle": plt.cycler(color=COLOURS),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.axisbelow": True,
    }
)

Picture = Tensor | np.ndarray


def to_uint8(image: Picture) -> np.ndarray:
    """Any picture of the course as uint8, H x W x 3.

    Takes a tensor C x H x W or H x W in [-1, 1] (values outside are clipped), or a uint8 array
    H x W or H x W x 3. Raises ValueError for another shape or type.
    """
    if isinstance(image, Tensor):
        array = image.detach().float().cpu()
        array = array[None] if array.ndim == 2 else array
        if array.ndim != 3 or array.shape[0] not in (1, 3):
            raise ValueError(
                f"A picture is C x H x W with C = 1 or 3; this one is {tuple(image.shape)}."
            )
        array = ((array.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    else:
        array = np.asarray(image)
        if array.dtype != np.uint8:
            raise ValueError(f"A numpy picture holds uint8 values; this one holds {array.dtype}.")
        array = array[..., None] if array.ndim == 2 else array
        if array.ndim != 3 or array.shape[2] not in (1, 3):
            raise ValueError(f"A numpy picture is H x W x 3; this one is {array.shape}.")
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def _grid(pictures: list[np.ndarray], columns: int) -> tuple[np.ndarray, int, int, int]:
    """Pictures of one size in rows on white; returns the canvas, cell height, cell width, gap."""
    height, width = pictures[0].shape[:2]
    gap = max(1, round(0.06 * width))
    rows = -(-len(pictures) // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return canvas, height, width, gap


def image_grid(
    images: Sequence[Picture] | Picture,
    titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    columns: int | None = None,
    size: float = 1.0,
    title: str | None = None,
) -> Figure:
    """A figure with pictures in rows: `titles` above the columns, `row_titles` at the left.

    `images` is a batch N x C x H x W in [-1, 1], or a list of pictures of one size as `to_uint8`
    takes them. `size` is the width of one picture in inches; `columns` is by default all in one
    row, or as many as there are column or row titles for.
    """
    pictures = [to_uint8(image) for image in images]
    if not pictures:
        raise ValueError("There is no picture to show: the list is empty.")
    if len({picture.shape for picture in pictures}) > 1:
        raise ValueError(f"The pictures differ in size: {sorted({p.shape for p in pictures})}.")
    if columns is None and titles is not None and row_titles is None:
        columns = len(titles)
    elif columns is None:
        columns = -(-len(pictures) // len(row_titles)) if row_titles else len(pictures)
    canvas, height, width, gap = _grid(pictures, columns)
    scale = size / width
    left = (
        0.08 * max(len(line) for t in row_titles for line in t.split("\n")) if row_titles else 0.02
    )
    lines = max((t.count("\n") + 1 for t in titles), default=0) if titles else 0
    top = 0.05 + 0.17 * lines + (0.25 if title else 0)
    w, h = canvas.shape[1] * scale + left + 0.02, canvas.shape[0] * scale + top + 0.02
    figure = plt.figure(figsize=(w, h))
    axes = figure.add_axes((left / w, 0.02 / h, 1 - (left + 0.02) / w, 1 - (top + 0.02) / h))
    axes.imshow(canvas, interpolation="nearest" if width <= 64 else "antialiased")
    axes.axis("off")
    for i, text in enumerate(titles or ()):
        x = i * (width + gap) + width / 2
        axes.annotate(text, (x, 0), (0, 3), textcoords="offset points", ha="center", fontsize=8)
    for i, text in enumerate(row_titles or ()):
        y = i * (height + gap) + height / 2
        axes.annotate(
            text, (0, y), (-4, 0), textcoords="offset points", ha="right", va="center", fontsize=8
        )
    if title:
        figure.suptitle(title, y=1 - 0.02 / h, va="top", fontsize=9)
    return figure


def show(figure: Figure, alt: str, photo: bool = False) -> None:
    """Show a figure in the notebook, with a text `alt` for readers who cannot see it.

    PNG by default; `photo=True` takes JPEG, a tenth of the size for photographs.
    """
    buffer = io.BytesIO()
    if photo:
        figure.savefig(buffer, format="jpeg", dpi=DPI, pil_kwargs={"quality": 85})
    else:
        figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.05)
    plt.close(figure)
    display(Image(data=buffer.getvalue(), format="jpeg" if photo else "png", alt=alt))


def show_images(images: Sequence[Picture] | Picture, alt: str, **layout) -> None:
    """Show pictures in rows; `layout` is what `image_grid` takes. Over 64 px they become JPEG."""
    figure = image_grid(images, **layout)
    show(figure, alt, photo=to_uint8(images[0]).shape[1] > 64)


def show_losses(curves: dict[str, Sequence[float]], alt: str, smooth: int = 50, log: bool = True):
    """Show losses by training step, each as a running mean over `smooth` steps."""
    figure, axes = plt.subplots(figsize=(6, 2.6))
    for name, losses in curves.items():
        window = min(smooth, len(losses))
        if window:
            sums = np.cumsum(np.concatenate([[0.0], np.asarray(losses, dtype=float)]))
            means = (sums[window:] - sums[:-window]) / window
            axes.plot(np.arange(window, len(losses) + 1), means, label=name)
    axes.set(xlabel="training step", ylabel="loss", yscale="log" if log else "linear")
    axes.legend(frameon=False)
    show(figure, alt)


def save_gif(path: str | Path, frames: Sequence[Picture], seconds: float = 4.0, scale: int = 1):
    """Write pictures as a GIF that plays in `seconds` and repeats; each pixel `scale` wide."""
    arrays = [to_uint8(frame).repeat(scale, axis=0).repeat(scale, axis=1) for frame in frames]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    imageio.imwrite(path, arrays, extension=".gif", duration=1000 * seconds / len(arrays), loop=0)


def show_gif(path: str | Path, alt: str) -> None:
    """Show a GIF file in the notebook."""
    display(Image(data=Path(path).read_bytes(), format="gif", alt=alt))


def slider(
    render: Callable[[float], Picture],
    value: float,
    low: float = 0.0,
    high: float = 1.0,
    step: float = 0.05,
    label: str = "amount",
    width: int = 320,
):
    """Show a slider under which `render(value)` is drawn, and drawn again when it moves."""
    import ipywidgets as widgets

    def encode(number: float) -> bytes:
        return imageio.imwrite("<bytes>", to_uint8(render(number)), extension=".png")

    control = widgets.FloatSlider(value, min=low, max=high, step=step, description=label)
    picture = widgets.Image(value=encode(value), format="png", width=width)
    control.observe(lambda change: setattr(picture, "value", encode(change["new"])), names="value")
    display(widgets.VBox([control, picture]))
    return control, picture


def as_batch(images: Sequence[np.ndarray]) -> Tensor:
    """uint8 pictures H x W x 3 of one size as a batch N x 3 x H x W, float32 in [-1, 1]."""
    stacked = torch.stack([torch.from_numpy(np.ascontiguousarray(image)) for image in images])
    return stacked.permute(0, 3, 1, 2).float() / 127.5 - 1
