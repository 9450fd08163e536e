"""The one place where pictures are shown, with sizes and formats that keep a notebook small."""

import io
import tempfile
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from pathlib import Path

import imageio.v3 as imageio
import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Image, display
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from torch import Tensor

from course_utils.io import files

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
        "figure.max_open_warning": 0,  # the frames of a film are open at once
    }
)

Picture = Tensor | np.ndarray


def to_uint8(image: Picture) -> np.ndarray:
    """Any picture of the course as uint8, H x W x 3.

    Takes a float tensor C x H x W or H x W in [-1, 1] (values outside are clipped), or a uint8
    array H x W, H x W x 1 or H x W x 3. Raises ValueError for another shape or type, and for nan.
    """
    array = _from_tensor(image) if isinstance(image, Tensor) else np.asarray(image)
    if array.dtype != np.uint8:
        raise ValueError(f"A numpy picture holds uint8 values; this one holds {array.dtype}.")
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ValueError(f"A numpy picture is H x W or H x W x 3; this one is {array.shape}.")
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def _from_tensor(image: Tensor) -> np.ndarray:
    if not image.is_floating_point():
        raise ValueError(
            f"A tensor picture holds float values in [-1, 1]; this one holds {image.dtype}. "
            f"`plotting.as_batch` makes such tensors from uint8 pictures."
        )
    found = image.detach().float().cpu()
    found = found[None] if found.ndim == 2 else found
    if found.ndim != 3 or found.shape[0] not in (1, 3):
        raise ValueError(
            f"A tensor picture is C x H x W with C = 1 or 3; this one is {tuple(image.shape)}."
        )
    if found.isnan().any():
        raise ValueError("This picture holds nan (not a number): look for a division by 0.")
    return ((found.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def _list_of_pictures(images: Sequence[Picture] | Picture) -> list[np.ndarray]:
    if isinstance(images, Tensor | np.ndarray) and images.ndim != 4:
        raise ValueError(
            f"A batch of pictures has 4 dimensions; this one is {tuple(images.shape)}. Put a "
            f"single picture in a list: [picture]."
        )
    pictures = [to_uint8(image) for image in images]
    if not pictures:
        raise ValueError("There is no picture to show: the list is empty.")
    if len({picture.shape for picture in pictures}) > 1:
        raise ValueError(f"The pictures differ in size: {sorted({p.shape for p in pictures})}.")
    return pictures


def _count_columns(pictures, titles, row_titles, columns) -> int:
    """The number of columns that the titles ask for; ValueError where they contradict."""
    if columns is None and row_titles:
        columns = -(-len(pictures) // len(row_titles))
    elif columns is None:
        columns = len(titles) if titles else len(pictures)
    rows = -(-len(pictures) // max(1, columns))
    if columns < 1 or len(titles) not in (0, columns) or len(row_titles) not in (0, rows):
        raise ValueError(
            f"{len(pictures)} pictures in {columns} columns make {rows} rows: give as many titles "
            f"as columns (not {len(titles)}) and row titles as rows (not {len(row_titles)})."
        )
    return columns


def _canvas(pictures: list[np.ndarray], columns: int) -> tuple[np.ndarray, int]:
    """Pictures of one size in rows on white, and the gap between them in their pixels."""
    height, width = pictures[0].shape[:2]
    gap = max(1, round(0.06 * width))
    rows = -(-len(pictures) // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return canvas, gap


def montage(images: Sequence[Picture] | Picture, columns: int) -> np.ndarray:
    """Pictures in rows on white, as one picture: uint8, H x W x 3. Raises as `image_grid` does."""
    return _canvas(_list_of_pictures(images), columns)[0]


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
    takes them. `size` is the width of one picture in inches (for small pictures, to the nearest
    whole number of screen pixels a pixel); `columns` is by default all in one row, or as many as
    there are column or row titles for. Raises ValueError where there is no picture, sizes differ,
    or the numbers of titles do not fit.
    """
    pictures = _list_of_pictures(images)
    titles, row_titles = list(titles or ()), list(row_titles or ())
    columns = _count_columns(pictures, titles, row_titles, columns)
    canvas, gap = _canvas(pictures, columns)
    height, width = pictures[0].shape[:2]
    small = width <= 64
    scale = max(1, round(size * DPI / width)) / DPI if small else size / width
    figure = plt.figure(figsize=(canvas.shape[1] * scale, canvas.shape[0] * scale))
    axes = figure.add_axes((0, 0, 1, 1))  # texts stand outside; `show` makes room for them
    extent = (0, canvas.shape[1], canvas.shape[0], 0)  # left, right, bottom, top, in pixels
    axes.imshow(canvas, interpolation="nearest" if small else "antialiased", extent=extent)
    axes.axis("off")
    # Learners' own words, with their "$", are no formulas: matplotlib takes "$" for mathematics.
    style = dict(textcoords="offset points", fontsize=8, parse_math=False)
    for i, text in enumerate(titles):
        axes.annotate(text, (i * (width + gap) + width / 2, 0), (0, 3), ha="center", **style)
    for i, text in enumerate(row_titles):
        middle = i * (height + gap) + height / 2
        axes.annotate(text, (0, middle), (-4, 0), ha="right", va="center", **style)
    if title:
        lines = max((text.count("\n") + 1 for text in titles), default=0)
        style |= dict(fontsize=9, xycoords="axes fraction")
        axes.annotate(title, (0.5, 1), (0, 5 + 10 * lines), ha="center", **style)
    return figure


def rendered(figure: Figure, alt: str, photo: bool = False) -> Image:
    """A figure as a picture that `IPython.display.display` shows; what `show` says holds here."""
    kind = "jpeg" if photo else "png"
    quality = dict(quality=50, optimize=True, progressive=True) if photo else {}
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format=kind, dpi=DPI, bbox_inches="tight", pad_inches=0.05, pil_kwargs=quality
    )
    plt.close(figure)
    return _with_text(buffer.getvalue(), kind, alt)


def _with_text(data: bytes, kind: str, alt: str) -> Image:
    # As metadata: `Image(alt=...)` says the same, and IPython 7, which Colab has, does not know it.
    return Image(data=data, format=kind, metadata={"alt": alt})


def show(figure: Figure, alt: str, photo: bool = False) -> None:
    """Show a figure in the notebook, with a text `alt` for readers who cannot see it.

    PNG by default; `photo=True` takes JPEG, a tenth of the size for photographs.
    """
    display(rendered(figure, alt, photo))


def show_images(images: Sequence[Picture] | Picture, alt: str, **layout) -> None:
    """Show pictures in rows; `layout` is what `image_grid` takes. From 64 px on: JPEG."""
    figure = image_grid(images, **layout)
    show(figure, alt, photo=to_uint8(images[0]).shape[1] >= 64)


def show_losses(
    curves: dict[str, Sequence[float]], alt: str, smooth: int = 50, log: bool = True
) -> None:
    """Show losses by training step, each as a running mean over `smooth` steps.

    After a short run the mean is over a quarter of the steps. A run without a step draws nothing.
    """
    figure, axes = plt.subplots(figsize=(6, 2.6))
    for colour, losses in zip(cycle(COLOURS), curves.values(), strict=False):
        window = max(1, min(smooth, len(losses) // 4))
        sums = np.cumsum(np.concatenate([[0.0], np.asarray(losses, dtype=float)]))
        means = (sums[window:] - sums[:-window]) / window
        style = "o" if len(means) == 1 else "-"
        axes.plot(np.arange(window, len(losses) + 1), means, style, color=colour)
    axes.set(xlabel="training step", ylabel="loss", yscale="log" if log else "linear")
    if log:
        plain_ticks(axes.yaxis)
    # Filled in afterwards: a name is no formula, and one that begins with "_" is not left out.
    legend = axes.legend(axes.lines, ["curve"] * len(curves), frameon=False)
    for text, name in zip(legend.get_texts(), curves, strict=True):
        text.set(text=name, parse_math=False)
    show(figure, alt)


def plain_ticks(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers, 0.4 and not 4 x 10^-1.

    Between powers of ten only 2, 3, 5 and 7 are labelled.
    """

    def label(value: float, _) -> str:
        first = float(f"{value:e}"[0])
        return f"{value:g}" if first in (1, 2, 3, 5, 7) else ""

    axis.set_major_formatter(FuncFormatter(label))
    axis.set_minor_formatter(FuncFormatter(label))


def save_gif(
    path: str | Path, frames: Sequence[Picture], seconds: float = 4.0, scale: int = 1
) -> None:
    """Write pictures as a GIF that plays in `seconds` and repeats; each pixel `scale` wide.

    Raises ValueError as `image_grid` does, and where seconds or scale make no animation; OSError
    where the file cannot be written.
    """
    if seconds < 0 or not isinstance(scale, int) or scale < 1:
        raise ValueError(
            f"A GIF plays in 0 or more seconds, and scale is 1, 2, ...; not {seconds} and {scale}."
        )
    pictures = [_enlarged(picture, scale) for picture in _list_of_pictures(frames)]
    duration = 1000 * seconds / len(pictures)  # milliseconds a frame
    content = imageio.imwrite("<bytes>", pictures, extension=".gif", duration=duration, loop=0)
    with files.whole(path) as beside:
        beside.write_bytes(content)


def _enlarged(picture: np.ndarray, scale: int) -> np.ndarray:
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def show_gif(path: str | Path, alt: str) -> None:
    """Show a GIF file in the notebook. Raises FileNotFoundError where there is none."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {path}: `save_gif` makes one.")
    display(_with_text(Path(path).read_bytes(), "gif", alt))


def frame(figure: Figure, levels: int = 8) -> np.ndarray:
    """A figure as a picture of a film, uint8, H x W x 3, as `show` would cut it; closes it.

    levels: of each colour. A GIF of noise in all 256 would be three times as large.
    """
    pixels = imageio.imread(rendered(figure, "").data)[..., :3] / 255
    return (np.round(pixels * (levels - 1)) / (levels - 1) * 255).astype(np.uint8)


def show_film(frames: Iterable[Figure | Picture], seconds: float, alt: str) -> None:
    """Show pictures or figures, one after the other, as a film that plays in `seconds` and repeats.

    Figures are closed. Where frames differ in size, smaller ones get white beside and below.
    """
    pictures = [frame(each) if isinstance(each, Figure) else to_uint8(each) for each in frames]
    height, width = np.max([picture.shape[:2] for picture in pictures], axis=0)
    canvas = np.full((len(pictures), height, width, 3), 255, np.uint8)
    for whole, picture in zip(canvas, pictures, strict=True):
        whole[: picture.shape[0], : picture.shape[1]] = picture
    with tempfile.TemporaryDirectory() as folder:
        save_gif(f"{folder}/film.gif", [*canvas], seconds)
        show_gif(f"{folder}/film.gif", alt)


def slider(
    render: Callable[[float], Picture],
    value: float,
    low: float = 0.0,
    high: float = 1.0,
    step: float = 0.05,
    label: str = "amount",
    width: int = 320,
) -> tuple[widgets.FloatSlider, widgets.Image]:
    """Show a slider under which `render(value)` is drawn, and drawn again when it moves.

    Returns both widgets. `width` is the picture's, in screen pixels.
    """

    def encode(number: float) -> bytes:
        picture = to_uint8(render(number))
        small = picture.shape[1] <= 64  # a browser would blur small pictures
        picture = _enlarged(picture, max(1, width // picture.shape[1])) if small else picture
        return imageio.imwrite("<bytes>", picture, extension=".png")

    control = widgets.FloatSlider(value, min=low, max=high, step=step, description=label)
    picture = widgets.Image(value=encode(value), format="png", width=width)
    control.observe(lambda change: setattr(picture, "value", encode(change["new"])), names="value")
    display(widgets.VBox([control, picture]))
    return control, picture


def as_batch(images: Sequence[np.ndarray]) -> Tensor:
    """uint8 pictures H x W x 3 of one size as a batch N x 3 x H x W, float32 in [-1, 1].

    Grey pictures get three equal channels. Raises ValueError as `image_grid` does.
    """
    stacked = torch.from_numpy(np.stack(_list_of_pictures(images)))
    return stacked.permute(0, 3, 1, 2).float() / 127.5 - 1
