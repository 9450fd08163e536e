"""A surface to draw on with the mouse, in a notebook: a sketch, or what is to be drawn anew.

Strokes are drawn twice: on the screen by ipycanvas, and here by Pillow, so that what was drawn is
known without waiting for pixels from the browser. Where ipycanvas is not installed, or its script
is not loaded, a file to upload takes the canvas's place, and two sliders that of the brush.
"""

import io
from collections.abc import Sequence

import ipywidgets as widgets
import numpy as np
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

from course_utils.notebook import photo_files

try:
    import ipycanvas
except ImportError:  # as in Colab, and where it is not wanted
    ipycanvas = None

Point = tuple[float, float]
SCREEN = 256  # pixels a side, on the screen
PAINT = "#ff00aa"  # what will be drawn anew, on the screen
NO_CANVAS = "To draw with the mouse: `pip install ipycanvas`, then restart. Here, upload a picture:"


class Sketch:
    """A white square, or a picture, to draw on.

    masks: whether the brush marks what is to be drawn anew, and not colours. canvas: whether to
    draw with the mouse; by default, if ipycanvas is there. `widget` is what to show.
    """

    def __init__(self, masks: bool = False, canvas: bool | None = None):
        self.masks, self.on_upload = masks, lambda: None
        self.colour = widgets.ColorPicker(value="#d62828", description="brush")
        self.size = widgets.IntSlider(24, min=4, max=64, description="its size")
        self.emptied = widgets.Button(description="begin again")
        self.upload = widgets.FileUpload(accept="image/*", multiple=False, description="a picture")
        self.across = widgets.IntRangeSlider(value=(64, 192), max=SCREEN, description="across")
        self.down = widgets.IntRangeSlider(value=(0, 96), max=SCREEN, description="down")
        self.status = widgets.Label()
        self.canvas = self._canvas() if canvas or (canvas is None and ipycanvas) else None
        self.shown = widgets.Image(format="png", width=SCREEN, height=SCREEN)
        self.widget = widgets.VBox(self._rows())
        self.emptied.on_click(lambda _: self.clear())
        self.upload.observe(lambda _: self._uploaded(), names="value")
        for slider in (self.across, self.down):
            slider.observe(lambda _: self._show(), names="value")
        self._last: Point | None = None
        self.put(np.full((SCREEN, SCREEN, 3), 255, np.uint8))

    def _canvas(self):
        canvas = ipycanvas.MultiCanvas(2, width=SCREEN, height=SCREEN)
        canvas.on_mouse_down(lambda x, y: self._moved(x, y, begins=True))
        canvas.on_mouse_move(self._moved)
        canvas.on_mouse_up(lambda x, y: self._ended())
        canvas.on_mouse_out(lambda x, y: self._ended())
        return canvas

    def _rows(self) -> list[widgets.Widget]:
        brush = [self.size] if self.masks else [self.colour, self.size]
        if self.canvas is not None:
            return [self.canvas, *brush, self.emptied, self.upload, self.status]
        area = [self.across, self.down] if self.masks else []
        return [widgets.Label(NO_CANVAS), self.shown, self.upload, *area, self.status]

    def put(self, picture: np.ndarray) -> None:
        """Lay a uint8 picture H x W x 3 on the surface: all that was drawn is gone."""
        image = Image.fromarray(picture)
        self._background = ImageOps.fit(image, (SCREEN, SCREEN), Image.Resampling.LANCZOS)
        self.clear()

    def clear(self) -> None:
        """Take away what was drawn, and leave the picture."""
        self._drawn, self._painted = self._background.copy(), Image.new("L", (SCREEN, SCREEN))
        if self.canvas is not None:
            self.canvas[1].clear()
            self.canvas[0].put_image_data(np.asarray(self._background))
        self._show()

    def stroke(self, points: Sequence[Point]) -> None:
        """Draw a line through points in screen pixels, as the mouse does, with the brush."""
        width, colour = self.size.value, PAINT if self.masks else self.colour.value
        for image, ink in ((self._painted, 255), (self._drawn, colour)):
            pen = ImageDraw.Draw(image)
            if image is self._painted or not self.masks:
                pen.line(points, fill=ink, width=width, joint="curve")
                for x, y in points:
                    r = width / 2
                    pen.ellipse((x - r, y - r, x + r, y + r), fill=ink)
        if self.canvas is not None:
            layer = self.canvas[1]
            layer.fill_style = layer.stroke_style = colour
            layer.line_width, layer.line_cap = width, "round"
            layer.stroke_lines([*points] if len(points) > 1 else [*points, *points])

    def picture(self, side: int) -> np.ndarray:
        """What is on the surface: uint8, side x side x 3."""
        return np.asarray(self._drawn.resize((side, side), Image.Resampling.LANCZOS))

    def mask(self, side: int) -> np.ndarray:
        """Where the brush was, or the sliders' rectangle: booleans, side x side."""
        painted = self._painted.copy()
        if self.canvas is None:
            (left, right), (top, bottom) = self.across.value, self.down.value
            ImageDraw.Draw(painted).rectangle((left, top, right - 1, bottom - 1), fill=255)
        return np.asarray(painted.resize((side, side), Image.Resampling.BOX)) > 127

    def _moved(self, x: float, y: float, begins: bool = False) -> None:
        if begins or self._last is not None:
            self.stroke([self._last or (x, y), (x, y)])
            self._last = (x, y)

    def _ended(self) -> None:
        self._last = None

    def _uploaded(self) -> None:
        try:
            self.put(_opened(_content(self.upload.value)))
            self.status.value = ""
        except (UnidentifiedImageError, OSError, ValueError) as error:
            self.status.value = f"This is no picture that can be read: {error}"

    def _show(self) -> None:
        if self.canvas is not None:
            return
        shown = self._drawn.copy()
        if self.masks:
            shown.paste(PAINT, mask=Image.fromarray(self.mask(SCREEN)))
        file = io.BytesIO()
        shown.save(file, "PNG")
        self.shown.value = file.getvalue()


def face() -> Sketch:
    """A face of five dots, drawn by code: a sketch to begin with where there is no mouse."""
    drawn = Sketch(canvas=False)
    drawn.size.max = 200
    for x, y, size, colour in (
        (128, 135, 200, "#b5651d"),
        (128, 145, 130, "#f4b942"),
        (100, 130, 16, "#000000"),
        (156, 130, 16, "#000000"),
        (128, 165, 24, "#5a2d0c"),
    ):
        drawn.size.value, drawn.colour.value = size, colour
        drawn.stroke([(x, y)])
    return drawn


def _content(value: object) -> bytes:
    """What was uploaded; ipywidgets 7, as in Colab, and 8 keep it differently."""
    files = [*value.values()] if isinstance(value, dict) else [*value]
    return bytes(files[-1]["content"])


def _opened(content: bytes) -> np.ndarray:
    """An image file's pixels on white, turned as the camera was held."""
    image = photo_files.upright(Image.open(io.BytesIO(content)))
    return np.asarray(photo_files.to_rgb(image))
