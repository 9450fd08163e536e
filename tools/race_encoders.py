"""Convolutions or patches, from nothing? `OMP_NUM_THREADS=1 python -m tools.race_encoders`

Trains a whole CLIP of sprites as lesson 10 does, once with each of its two kinds of image encoder,
on the same batches and captions, and prints which part of the held-out sprites it can then name.
Takes about a minute a row on one idle thread.
"""

import argparse
import itertools
from functools import partial

import nbformat
import torch
from torch import nn

from course_utils import training
from course_utils.built.clip import CLIP, CLIPText, CLIPVision
from course_utils.built.tokenizer import Tokenizer, learn_merges
from course_utils.built.train import train
from course_utils.built.transformer import TransformerBlock
from course_utils.data import datasets
from course_utils.evaluation import sprite_clip
from course_utils.evaluation.sprite_clip import HEADS, LAYERS, LENGTH, WIDTH
from tools import lessons
from tools.train import sprites_clip


def patch_vision() -> type[nn.Module]:
    """Lesson 10's vision transformer: the lesson is the only place where it is defined."""
    (path,) = (path for path in lessons.LESSONS if path.stem == "10_clip")
    cells = lessons.code_cells(nbformat.read(path, as_version=4))
    found = [lessons.definitions(cell.source).get("PatchVision") for cell in cells]
    names = {"torch": torch, "nn": nn, "TransformerBlock": TransformerBlock}
    exec(next(filter(None, found)), names)
    return names["PatchVision"]


ENCODERS = {
    "convolutions": lambda: CLIPVision(16, WIDTH),
    "patches": lambda: patch_vision()(16, 4, WIDTH, LAYERS, HEADS),
}


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tools.race_encoders", description=__doc__)
    asked.add_argument("--steps", type=int, default=900)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--encoders", nargs="+", choices=[*ENCODERS], default=[*ENCODERS])
    asked = asked.parse_args()
    images, _, seen = datasets.sprites("train")
    full = [sprite_clip.full_captions(sprite) for sprite in seen]
    short = [sprite_clip.short_captions(sprite) for sprite in seen]
    tokenizer = Tokenizer(learn_merges(itertools.chain(*full, *short), 10_000), LENGTH)
    data = images, *sprites_clip.encoded(tokenizer, full, short)
    loss_of = partial(sprites_clip.loss_of, sprites_clip.SETTINGS)
    for name in asked.encoders:
        generator = training.seed(asked.seed)
        text = CLIPText(len(tokenizer.vocab), WIDTH, LAYERS, HEADS, LENGTH)
        model = CLIP(text, ENCODERS[name](), WIDTH, WIDTH).to(training.device())
        precision = training.autocast(training.device())
        losses = list(train(model, loss_of, data, asked.steps, generator, 128, 3e-3, precision))
        found = sprite_clip.quality(model.cpu().eval(), tokenizer)
        said = ", ".join(f"{attribute} {share:.0%}" for attribute, share in found.items())
        print(f"{name}, seed {asked.seed}: loss {sum(losses[-50:]) / 50:.2f}; {said}", flush=True)


if __name__ == "__main__":
    main()
