"""Controls around a model that draws: a prompt, a sketch, a mask, a history that can be saved."""

import io
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
from IPython.display import display
from PIL import Image, PngImagePlugin

from course_utils import ROOT, colab
from course_utils.io import files
from course_utils.notebook.plotting import Picture, to_uint8
from course_utils.notebook.sketch import SCREEN, Sketch

SIDE = 64  # pixels of the emoji model's pictures, a side
SAVED = ROOT / "downloads" / "playground"


class Asked(NamedTuple):
    """What a picture was asked for with."""

    prompt: str
    negative: str = ""
    guidance: float = 4.0
    steps: int = 20
    seed: int = 0
    strength: float = 1.0  # of image to image: 1 begins with nothing but noise
    picture: np.ndarray | None = None  # uint8, SIDE x SIDE x 3
    mask: np.ndarray | None = None  # booleans, SIDE x SIDE: where to draw anew
    loras: tuple[tuple[str, float], ...] = ()  # names of LoRAs, and the scale of each

    def parameters(self) -> str:
        """The settings as one text, as many programs write them into their PNG files."""
        loras = "".join(f" <lora:{name}:{scale:g}>" for name, scale in self.loras)
        strength = f", Denoising strength: {self.strength:g}" if self.picture is not None else ""
        return (
            f"{self.prompt}{loras}\nNegative prompt: {self.negative}\nSteps: {self.steps}, "
            f"Sampler: DPM++ 2M, CFG scale: {self.guidance:g}, Seed: {self.seed}{strength}"
        )


Show = Callable[[Picture], None]
Draw = Callable[[Asked, Show], Picture]
"""Draws what is asked for; shows on the way what it has so far."""


class Playground:
    """A prompt and its settings, a button, a picture that sharpens, and what was drawn before.

    draw: makes a picture of an `Asked`. styles: names that can be chosen; "{prompt}, {style} style"
    is then asked for. sketch: to draw on, or to paint a mask on. loras: names of LoRAs; each gets a
    slider for its scale, and is asked for where that is not 0. `widget` is what to show; `history`
    holds each picture that was drawn, with what was asked.
    """

    def __init__(
        self,
        draw: Draw,
        prompt: str,
        styles: Sequence[str] = (),
        sketch: Sketch | None = None,
        loras: Sequence[str] = (),
    ):
        wide = widgets.Layout(width="24em")
        self.draw, self.sketch = draw, sketch
        self.history: list[tuple[Asked, np.ndarray]] = []
        self._kept = 0
        self.prompt = widgets.Text(prompt, description="prompt", layout=wide)
        self.style = widgets.Dropdown(options=["any", *styles], description="style")
        self.negative = widgets.Text("", description="negative", layout=wide)
        self.guidance = widgets.FloatSlider(4.0, min=1, max=8, step=0.5, description="guidance")
        self.steps = widgets.IntSlider(20, min=4, max=50, description="steps")
        self.strength = widgets.FloatSlider(0.6, min=0.1, max=1, step=0.05, description="strength")
        self.loras = {
            name: widgets.FloatSlider(0.0, min=-0.5, max=1.5, step=0.1, description=name)
            for name in loras
        }
        self.seed = widgets.IntText(0, description="seed")
        self.another = widgets.Button(description="another seed")
        self.go = widgets.Button(description="draw", button_style="primary")
        self.keep = widgets.Button(description="save all")
        self.status = widgets.Label()
        self.picture = widgets.Image(format="png", width=SCREEN, height=SCREEN)
        self.before = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        self.picture.value = png(np.full((SIDE, SIDE, 3), 255, np.uint8), SCREEN)
        self.widget = widgets.VBox(self._rows())
        self.go.on_click(lambda _: self.press())
        self.another.on_click(lambda _: self.press(random.randrange(10_000)))
        self.keep.on_click(lambda _: self.save())

    def _rows(self) -> list[widgets.Widget]:
        painting = self.sketch is not None and self.sketch.masks
        strength = [self.strength] if self.sketch is not None and not painting else []
        style = [self.style] if len(self.style.options) > 1 else []
        controls = [self.prompt, *style, self.negative, self.guidance, self.steps, *strength]
        controls += self.loras.values()
        controls += [self.seed, widgets.HBox([self.go, self.another, self.keep]), self.status]
        sides = [self.sketch.widget] if self.sketch is not None else []
        top = widgets.Layout(align_items="flex-start")  # else pictures are stretched
        row = widgets.HBox([widgets.VBox(controls), *sides, self.picture], layout=top)
        return [row, self.before]

    def asked(self) -> Asked:
        """What the controls say. Raises ValueError where there is no prompt, or nothing painted."""
        prompt = self.prompt.value.strip()
        if not prompt:
            raise ValueError("The prompt is empty: say what to draw.")
        prompt += f", {self.style.value} style" if self.style.value != "any" else ""
        numbers = (self.guidance.value, self.steps.value, self.seed.value)
        loras = tuple((name, slider.value) for name, slider in self.loras.items() if slider.value)
        asked = Asked(prompt, self.negative.value.strip(), *numbers, loras=loras)
        if self.sketch is None:
            return asked
        asked = asked._replace(picture=self.sketch.picture(SIDE))
        if not self.sketch.masks:
            return asked._replace(strength=self.strength.value)
        mask = self.sketch.mask(SIDE)
        if not mask.any():
            raise ValueError("Paint over what is to be drawn anew.")
        return asked._replace(mask=mask)

    def press(self, seed: int | None = None) -> None:
        """Draw what the controls ask for; with another seed, if it is given."""
        if seed is not None:
            self.seed.value = seed
        self.go.disabled = True
        try:
            asked = self.asked()
            self.status.value = "drawing ..."
            drawn = to_uint8(self.draw(asked, self._show))
            self._show(drawn)
            self.history.append((asked, drawn))
            label = widgets.Label(f"{asked.prompt}, seed {asked.seed}")
            small = widgets.Image(value=png(drawn, SIDE * 2), format="png", width=SIDE * 2)
            self.before.children += (widgets.VBox([small, label]),)
            self.status.value = ""
        except (ValueError, RuntimeError, TypeError) as error:  # else a button swallows it
            self.status.value = str(error)
        finally:
            self.go.disabled = False

    def _show(self, picture: Picture) -> None:
        self.picture.value = png(to_uint8(picture), SCREEN)

    def save(self, folder: Path = SAVED) -> list[Path]:
        """Write what is new in the history as PNG files that hold their settings; their paths."""
        taken = [int(m[0]) for p in folder.glob("*.png") if (m := re.match(r"\d+", p.name))]
        first, new = max(taken, default=0) + 1, self.history[self._kept :]
        paths = []
        for number, (asked, drawn) in enumerate(new, start=first):
            words = re.sub(r"\W+", "_", asked.prompt.lower()).strip("_")[:40]
            path = folder / f"{number:04}_{words}.png"
            with files.whole(path) as beside:
                beside.write_bytes(png(drawn, len(drawn), asked.parameters()))
            paths.append(path)
        self._kept = len(self.history)
        where = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
        self.status.value = f"{len(paths)} saved in {where}" if paths else "Nothing new to save."
        return paths


def show(playground: Playground) -> None:
    """Show the controls."""
    if colab.is_here():
        from google.colab import output

        output.enable_custom_widget_manager()  # loads the canvas's script, from the network
    display(playground.widget)


def png(picture: np.ndarray, side: int, parameters: str = "") -> bytes:
    """A uint8 picture as a PNG file of so many pixels a side, with its settings as a text."""
    image = Image.fromarray(picture)
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    texts, file = PngImagePlugin.PngInfo(), io.BytesIO()
    if parameters:
        texts.add_itxt("parameters", parameters)
    image.save(file, "PNG", pnginfo=texts)
    return file.getvalue()
