"""Train the course's CLIP of sprites: `python tools/train_sprite_clip.py [STEPS]`

The classes, captions, objective and settings of lesson 10. Writes the tokenizer and the
weights to data/checkpoints/sprite_clip; the headers say by which settings, steps and seconds, and
what was measured.
"""

import itertools
import sys
import time

import torch
from torch import Tensor

from course_utils import datasets, sprite_clip, training
from course_utils.built.clip import CLIP
from course_utils.built.tokenizer import Tokenizer, learn_merges
from course_utils.built.train import train

STEPS, BATCH, LEARNING_RATE, SHORT, SEED = 700, 128, 3e-3, 0.4, 0
CPU = torch.device("cpu")


def loss_of(
    model: CLIP, images: Tensor, full: Tensor, short: Tensor, generator: torch.Generator
) -> Tensor:
    """The contrastive loss with a caption drawn for each picture, now and then a short one."""
    n = len(images)
    row = torch.arange(n)
    whole = full[row, torch.randint(full.shape[1], (n,), generator=generator)]
    part = short[row, torch.randint(short.shape[1], (n,), generator=generator)]
    some = torch.rand(n, 1, generator=generator) < SHORT
    return model(images, torch.where(some, part, whole))


def encoded(tokenizer: Tokenizer, *groups: list[list[str]]) -> list[Tensor]:
    """Captions of sprites as ids, without the columns that are padding in all of them."""
    ids = [torch.stack([tokenizer.encode(some) for some in group]) for group in groups]
    used = 1 + max(int((part != tokenizer.end).sum(dim=2).max()) for part in ids)
    return [part[:, :, :used] for part in ids]


def main(steps: int | str = STEPS) -> None:
    steps, generator = int(steps), training.seed(SEED)
    images, _, seen = datasets.sprites("train")
    full = [sprite_clip.full_captions(sprite) for sprite in seen]
    short = [sprite_clip.short_captions(sprite) for sprite in seen]
    merges = learn_merges(itertools.chain(*full, *short), 10_000)
    tokenizer = Tokenizer(merges, sprite_clip.LENGTH)
    data = (images, *encoded(tokenizer, full, short))
    model = sprite_clip.build(len(tokenizer.vocab))
    before, losses = (time.perf_counter(), time.process_time()), []
    run = train(
        model, loss_of, data, steps, generator, BATCH, LEARNING_RATE, training.autocast(CPU)
    )
    for loss in run:
        losses.append(loss)
        if len(losses) % 100 == 0:
            mean = sum(losses[-100:]) / 100
            print(f"step {len(losses):5} loss {mean:.3f} {time.perf_counter() - before[0]:5.0f} s")
    found = sprite_clip.quality(model.eval(), tokenizer)
    print(found)
    sprite_clip.save(
        sprite_clip.FOLDER,
        tokenizer,
        model.to(memory_format=torch.contiguous_format),
        made_by="tools/train_sprite_clip.py",
        settings=f"batch {BATCH}, learning rate {LEARNING_RATE}, short captions {SHORT:.0%}, "
        f"seed {SEED}",
        steps=steps,
        seconds=f"{time.process_time() - before[1]:.0f} of one core",
        measured="held-out sprites, "
        + ", ".join(f"{name} {value:.4f}" for name, value in found.items()),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
