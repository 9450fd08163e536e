"""Lesson 11's text-to-sprite U-Net, trained for longer: `python -m tools.train sprites unet`

It is conditional on the frozen text encoder of data/checkpoints/sprite_clip. The averaged weights
go to data/checkpoints/sprite_unet.safetensors in half precision; `tools.score sprites` measures
them.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from course_utils import training
from course_utils.built.clip import CLIPText
from course_utils.built.diffusion import diffusion_loss
from course_utils.built.guidance import drop_cond
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.built.tokenizer import Tokenizer
from course_utils.built.unet import UNet
from course_utils.data import datasets, sprites
from course_utils.evaluation import sprite_clip
from course_utils.io import tensors
from tools.train import loop

SCHEDULE = NoiseSchedule(linear_betas(1000))


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    prediction_type: str = "sample"
    drop: float = 0.1  # the part of captions that is left out, for guidance
    full: int = sprites.TEMPLATES - 1  # captions that say everything: the last is for tests
    short: int = 3  # captions that say less, for each sprite


SETTINGS = Settings(
    name="sprites_unet",
    network=dict(channels=3, widths=(32, 96), attend=(True, True), layers_per_block=1, heads=4)
    | dict(groups=2, patch=2, cross_attention_dim=sprite_clip.WIDTH),
    steps=2500,
    batch_size=48,
    learning_rate=2e-3,
    restarts=(2e-3, 1.5e-3, 1.5e-3, 1e-3),
)
ALL = (SETTINGS,)


@cache
def text_encoder() -> tuple[Tokenizer, CLIPText]:
    """The course's tokenizer and text encoder of sprites, frozen."""
    tokenizer, model = sprite_clip.load()
    return tokenizer, model.text.eval().requires_grad_(False)


def encode(captions: list[str]) -> Tensor:
    """N captions as text embeddings, N x S x width, on the CPU."""
    tokenizer, text = text_encoder()
    return torch.cat([text(ids)[0] for ids in tokenizer.encode(captions).split(512)])


def captions(settings: Settings, sprite: sprites.Sprite, generator: torch.Generator) -> list[str]:
    """What a sprite is called in training: full captions, and short ones drawn by chance."""
    short = sprite_clip.short_captions(sprite)
    chosen = torch.randperm(len(short), generator=generator)[: settings.short]
    full = [sprites.caption(sprite, template) for template in range(settings.full)]
    return full + [short[i] for i in chosen]


def dataset(settings: Settings) -> tuple[Tensor, Tensor]:
    """Each picture that is not held out with each of its captions, encoded."""
    images, _, chosen = datasets.sprites("train")
    generator = torch.Generator().manual_seed(settings.seed)
    texts = [text for sprite in chosen for text in captions(settings, sprite, generator)]
    return images.repeat_interleave(settings.full + settings.short, 0), encode(texts)


def load(path: Path = loop.CHECKPOINTS / "sprite_unet.safetensors") -> UNet:
    """The U-Net of such a file, in single precision, to draw with."""
    return tensors.load_checkpoint(path, UNet(**SETTINGS.network)).float().eval()


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    path = loop.CHECKPOINTS / "sprite_unet.safetensors"
    encoder = sprite_clip.FOLDER / "text_encoder" / "model.safetensors"
    digest = hashlib.sha256(encoder.read_bytes()).hexdigest()
    notes = {"prediction_type": settings.prediction_type}
    notes["text_encoder"] = f"sprite_clip, sha256 {digest}"
    model = UNet(**settings.network)
    if settings.from_weights:
        tensors.load_checkpoint(path, model)
    null = encode([""])[0]

    def loss_of(model, x0, cond, generator):
        cond = drop_cond(cond, null, settings.drop, generator)
        return diffusion_loss(model, x0, cond, generator, SCHEDULE, settings.prediction_type)

    for saved in loop.fit(settings, model, loss_of, dataset(settings), **how):
        tensors.save_checkpoint(path, saved.half(), **saved.notes(), **notes)
