"""Draw the README's pictures by the emoji model: `python -m tools.draw_readme`

images/typed.png: what it makes of 32 of the 200 prompts of data/prompts.csv, evenly spaced, with
seed 0, whatever it looks like. images/typed.gif: every fourth of these, while it is sampled.
images/yours.png: what it makes of a sketch, and, with the LoRA of lesson 15, of a creature's name.
"""

import io
import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from PIL import Image
from torch import Tensor

from course_utils import ROOT, diffusers_format, training
from course_utils.built import (
    StableDiffusion,
    image_to_image,
    preview,
    scale_lora,
    text_to_image,
)
from course_utils.data import creature, emoji
from course_utils.evaluation import emoji_prompts, scores
from course_utils.notebook import plotting
from course_utils.notebook.sketch import face

IMAGES, COLUMNS = ROOT / "images", 8
HOW = dict(steps=20, guidance=4.0)
STRENGTHS, SCALE = (0.5, 0.65, 0.8, 0.9), 0.7  # of image to image, and of the LoRA
CREATURES = [f"a zwx monster, {style} style" for style in emoji.STYLES]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def write_sheet(name: str, pictures: Sequence[Tensor], titles: list[str], columns: int) -> None:
    """Write pictures with their titles, in few colours, for a small file."""
    rows = len(pictures) // columns
    size = (10.2, 11.8 * rows / columns)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained")
    for axis, picture, title in zip(axes.flat, pictures, titles, strict=True):
        axis.imshow(plotting.to_uint8(picture))
        axis.set_title(textwrap.fill(title, 160 // columns), fontsize=8, parse_math=False)
        axis.axis("off")
    file = io.BytesIO()
    figure.savefig(file, dpi=130)
    Image.open(file).convert("RGB").quantize(256).save(IMAGES / name, optimize=True)


def typed(pipe: StableDiffusion) -> None:
    """The 32 prompts, as a sheet and as a film."""
    every = emoji_prompts.prompts()
    rows = [every[i] for i in torch.linspace(0, len(every) - 1, 4 * COLUMNS).long()]
    film, prompts = [], [row["prompt"] for row in rows]
    drawn = text_to_image(pipe, prompts, seeded(), callback=preview(pipe, film, every=1), **HOW)

    write_sheet("typed.png", drawn, prompts, COLUMNS)
    shown = [film[n - 1][::4] for n in (1, 2, 3, 4, 5, 6, 8, 10, 14, 20)]
    frames = [plotting.montage(pictures, COLUMNS) for pictures in shown]
    plotting.save_gif(IMAGES / "typed.gif", [*frames, *[frames[-1]] * 3], seconds=4)


def yours(pipe: StableDiffusion) -> None:
    """A sketch that becomes a lion, and a creature that the model has learned from five drawings.

    Changes the model: a LoRA is put on it.
    """
    sketch, titles = plotting.as_batch([face().picture(64)]), ["a sketch"]
    drawn = [*sketch]
    for strength in STRENGTHS:
        options = dict(strength=strength, **HOW)
        drawn += [*image_to_image(pipe, "lion, fluent style", sketch, seeded(), **options)]
        titles.append(f"lion, fluent style, strength {strength:g}")
    drawn, titles = [*drawn, creature.drawings()[0]], [*titles, "one of five drawings"]
    lora = diffusers_format.load_lora(scores.CHECKPOINTS / "personal" / "creature", pipe)
    scale_lora(lora, SCALE)
    drawn += [*text_to_image(pipe, CREATURES, seeded(), **HOW)]
    write_sheet("yours.png", drawn, [*titles, *CREATURES], 1 + len(CREATURES))


def main() -> None:
    pipe = diffusers_format.load_pipeline(scores.CHECKPOINTS / "emoji").to(training.device())
    typed(pipe)
    yours(pipe)


if __name__ == "__main__":
    main()
