"""The course's map: its lessons, what each one builds, and where they lead."""

import itertools
import json
import math
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_utils import ROOT
from course_utils.notebook.plotting import COLOURS


class Lesson(NamedTuple):
    """A lesson by its file's name, its title, and what it adds to the whole."""

    stem: str
    title: str
    adds: str


ROWS: dict[str, list[Lesson]] = {
    "noise and\nnetworks": [
        Lesson("00_start_here", "Start here", "the tools, the words"),
        Lesson("01_noise", "Noise, and\na picture of you", "mixing noise in"),
        Lesson("02_encoder_decoder", "Encoder-decoder", "the training loop"),
        Lesson("03_unet", "U-Net", "a good denoiser"),
    ],
    "diffusion": [
        Lesson("04_forward_process", "The forward\nprocess", "noise, step by step"),
        Lesson("05_reverse_process", "The reverse\nprocess", "the way back"),
        Lesson("06_ddpm", "DDPM on MNIST", "digits from noise"),
        Lesson("07_samplers", "Faster samplers", "far fewer steps"),
    ],
    "words": [
        Lesson("08_guidance", "Context and\nguidance", "digits on demand"),
        Lesson("09_attention", "Attention", "parts that look\nat each other"),
        Lesson("10_clip", "CLIP", "words beside images"),
        Lesson("11_text_to_image", "Text to image", "words that steer"),
    ],
    "the whole": [
        Lesson("12_vae", "VAE", "small codes\nfor pictures"),
        Lesson("13_latent_diffusion", "Latent diffusion", "Stable Diffusion,\nsmall"),
        Lesson("14_stable_diffusion", "Stable Diffusion", "the real one"),
        Lesson("15_your_own_word", "Your own word", "teach it\nyour things"),
    ],
}
WIDTH, HEIGHT, GAP = 1.45, 0.82, 0.28  # of a lesson's box and between boxes, in inches


def written(lesson: Lesson) -> bool:
    """Whether the lesson is in notebooks/ already."""
    return (ROOT / "notebooks" / f"{lesson.stem}.ipynb").exists()


def draw() -> Figure:
    """The lessons in rows, each leading to the next; those still to be written in dashed boxes."""
    width = 0.9 + 4 * WIDTH + 3 * GAP + 0.1
    height = 4 * HEIGHT + 3 * GAP + 0.15
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    for row, (part, lessons) in enumerate(ROWS.items()):
        y = 0.05 + row * (HEIGHT + GAP)
        colour = COLOURS[(0, 2, 3, 4)[row]]
        axes.text(0.8, y + HEIGHT / 2, part, ha="right", va="center", fontsize=8, color=colour)
        for column, lesson in enumerate(lessons):
            x = 0.9 + column * (WIDTH + GAP)
            _draw_lesson(axes, lesson, x, y, colour)
            if column < len(lessons) - 1:
                _draw_arrow(axes, [(x + WIDTH, y + HEIGHT / 2), (x + WIDTH + GAP, y + HEIGHT / 2)])
        if row < len(ROWS) - 1:  # from the row's last lesson back to the next row's first
            right, left, between = x + WIDTH / 2, 0.9 + WIDTH / 2, y + HEIGHT + GAP / 2
            bottom, following = y + HEIGHT, y + HEIGHT + GAP
            corners = [(right, bottom), (right, between), (left, between), (left, following)]
            _draw_arrow(axes, corners)
    return figure


def _draw_lesson(axes, lesson: Lesson, x: float, y: float, colour: str) -> None:
    ready = written(lesson)
    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            WIDTH,
            HEIGHT,
            "round,pad=0,rounding_size=0.06",
            facecolor=colour + "30" if ready else "white",
            edgecolor=colour,
            linewidth=1.4 if ready else 1.0,
            linestyle="solid" if ready else (0, (3, 2)),
        )
    )
    head = f"{lesson.stem[:2]}  {lesson.title}"
    axes.text(x + 0.08, y + 0.08, head, va="top", fontsize=8, weight="bold", linespacing=1.25)
    axes.text(x + 0.08, y + HEIGHT - 0.08, lesson.adds, va="bottom", fontsize=7.5)


def _draw_arrow(axes, corners: list[tuple[float, float]]) -> None:
    """A line along the corners, with a head at its end."""
    axes.plot(*zip(*corners[:-1], strict=True), color="#444444", linewidth=1)
    axes.annotate(
        "",
        corners[-1],
        corners[-2],
        arrowprops={"arrowstyle": "-|>", "color": "#444444", "shrinkA": 0, "shrinkB": 0},
    )


def timetable() -> str:
    """A line for each lesson: its number, title, and how long it takes on a laptop's 2 cores."""
    measured = ROOT / "data" / "measured.json"
    found = json.loads(measured.read_text())["lessons"] if measured.exists() else {}
    lines = []
    for lesson in itertools.chain(*ROWS.values()):
        if lesson.stem in found:
            time = f"up to {math.ceil(found[lesson.stem]['seconds'] / 30) / 2:g} min"
        else:
            time = "not timed yet" if written(lesson) else "still to be written"
        title = lesson.title.replace("\n", " ")
        lines.append(f"{lesson.stem[:2]}  {title:<30}{time}")
    return "\n".join(lines)
