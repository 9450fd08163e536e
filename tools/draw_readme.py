"""Draw the README's pictures by the emoji model: `python -m tools.draw_readme`

images/typed.png: what it makes of 32 of the 200 prompts of data/prompts.csv, evenly spaced, with
seed 0, whatever it looks like. images/typed.gif: every fourth of these, while it is sampled.
"""

import io
import textwrap

import matplotlib.pyplot as plt
import torch
from PIL import Image

from course_utils import ROOT, diffusers_format, training
from course_utils.built import preview, text_to_image
from course_utils.evaluation import emoji_prompts, scores
from course_utils.notebook import plotting

IMAGES, COLUMNS = ROOT / "images", 8
HOW = dict(steps=20, guidance=4.0)


def main() -> None:
    every = emoji_prompts.prompts()
    rows = [every[i] for i in torch.linspace(0, len(every) - 1, 4 * COLUMNS).long()]
    device, film = training.device(), []
    pipe = diffusers_format.load_pipeline(scores.CHECKPOINTS / "emoji").to(device)
    seed, prompts = torch.Generator().manual_seed(0), [row["prompt"] for row in rows]
    drawn = text_to_image(pipe, prompts, seed, callback=preview(pipe, film, every=1), **HOW)

    figure, axes = plt.subplots(4, COLUMNS, figsize=(10.2, 5.9), layout="constrained")
    for axis, image, prompt in zip(axes.flat, drawn, prompts, strict=True):
        axis.imshow(plotting.to_uint8(image))
        axis.set_title(textwrap.fill(prompt, 20), fontsize=8, parse_math=False)
        axis.axis("off")
    file = io.BytesIO()
    figure.savefig(file, dpi=130)
    Image.open(file).convert("RGB").quantize(256).save(IMAGES / "typed.png", optimize=True)

    shown = [film[n - 1][::4] for n in (1, 2, 3, 4, 5, 6, 8, 10, 14, 20)]
    frames = [plotting.montage(pictures, COLUMNS) for pictures in shown]
    plotting.save_gif(IMAGES / "typed.gif", [*frames, *[frames[-1]] * 3], seconds=4)


if __name__ == "__main__":
    main()
