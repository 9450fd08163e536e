"""Lesson 10's CLIP of sprites: `python -m tools.train sprites clip`

Tokenizer and weights go to data/checkpoints/sprite_clip. Lesson 11's U-Net rests on them: train it
anew, too.
"""

import itertools
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from course_utils import diffusers_format, training
from course_utils.built.clip import CLIP
from course_utils.built.tokenizer import Tokenizer, learn_merges
from course_utils.data import datasets
from course_utils.evaluation import sprite_clip
from tools.train import loop


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    ema: float = 0.0
    short: float = 0.4  # the part of captions that says only some of the attributes


SETTINGS = Settings(
    name="sprites_clip", network={}, steps=700, batch_size=128, learning_rate=3e-3, every=100
)
ALL = (SETTINGS,)


def loss_of(
    settings: Settings,
    model: CLIP,
    images: Tensor,
    full: Tensor,
    short: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """The contrastive loss with a caption drawn for each picture, now and then a short one."""
    n = len(images)
    row = torch.arange(n)
    whole = full[row, torch.randint(full.shape[1], (n,), generator=generator)]
    part = short[row, torch.randint(short.shape[1], (n,), generator=generator)]
    some = torch.rand(n, 1, generator=generator) < settings.short
    return model(images, torch.where(some, part, whole))


def encoded(tokenizer: Tokenizer, *groups: list[list[str]]) -> list[Tensor]:
    """Captions of sprites as ids, without the columns that are padding in all of them."""
    ids = [torch.stack([tokenizer.encode(some) for some in group]) for group in groups]
    used = 1 + max(int((part != tokenizer.end).sum(dim=2).max()) for part in ids)
    return [part[:, :, :used] for part in ids]


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    folder = loop.CHECKPOINTS / "sprite_clip"
    images, _, seen = datasets.sprites("train")
    full = [sprite_clip.full_captions(sprite) for sprite in seen]
    short = [sprite_clip.short_captions(sprite) for sprite in seen]
    merges = learn_merges(itertools.chain(*full, *short), 10_000)
    tokenizer = Tokenizer(merges, sprite_clip.LENGTH)
    model = sprite_clip.build(len(tokenizer.vocab))
    if settings.from_weights:
        model.load_state_dict(sprite_clip.load(folder)[1].state_dict())
    data, loss = (images, *encoded(tokenizer, full, short)), partial(loss_of, settings)
    for saved in loop.fit(settings, model, loss, data, **how):
        if saved.last:
            found = sprite_clip.quality(saved.model, tokenizer)
            said = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
            notes = saved.notes() | {"measured": f"held-out sprites, {said}"}
            print(notes["measured"], flush=True)
            sprite_clip.save(folder, tokenizer, saved.model, **notes)
            diffusers_format.save_tokenizer(folder / "tokenizer", tokenizer)  # its length, too
