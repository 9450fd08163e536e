"""Tokenizer and text encoder for captions as people type them: `python -m tools.train emoji text`

Half of a CLIP: the classes and the objective of lesson 10, on drawings as they are and edited, at
32 x 32, each with captions drawn by `emoji_captions`. Nothing held out is seen: neither pairs of
style and concept nor of colour and concept. The folders `tokenizer` and `text_encoder` go to
data/checkpoints/emoji. The U-Net's training trains the text encoder on.
"""

import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from course_utils import diffusers_format, training
from course_utils.built.clip import CLIP, CLIPText, CLIPVision
from course_utils.built.tokenizer import Tokenizer, learn_merges
from course_utils.data import datasets, emoji, emoji_captions, emoji_examples
from tools.train import loop

CAPTIONS, LENGTH, SIDE = 6, 32, 32  # of each picture; tokens of a caption; pixels a side
FOLDER = loop.CHECKPOINTS / "emoji"


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    rounds: int = 4  # of examples: as many as so many times the drawings
    merges: int = 3600


SETTINGS = Settings(
    name="emoji_text",
    network=dict(width=128, layers=3, heads=4),
    steps=1500,
    batch_size=256,
    learning_rate=2e-3,
    ema=0.99,
    every=100,
)
ALL = (SETTINGS,)


def examples(seed: int, rounds: int) -> tuple[Tensor, list[list[str]]]:
    """Pictures, uint8 N x 3 x 32 x 32, and CAPTIONS captions of each."""
    pictures, shown = emoji_examples.examples(rounds, seed)
    small = [avg_pool2d(part.float(), 64 // SIDE).round().byte() for part in pictures.split(1000)]
    chance = random.Random(seed)
    texts = [[emoji_captions.caption(e, chance) for _ in range(CAPTIONS)] for e in shown]
    return torch.cat(small), texts


def learn_tokenizer(texts: list[list[str]], merges: int = SETTINGS.merges) -> Tokenizer:
    return Tokenizer(learn_merges([text for group in texts for text in group], merges), LENGTH)


def loss_of(model: CLIP, images: Tensor, ids: Tensor, generator: torch.Generator) -> Tensor:
    """The contrastive loss with one of each picture's captions."""
    chosen = torch.randint(ids.shape[1], (len(ids),), generator=generator).to(ids.device)
    row = torch.arange(len(ids), device=ids.device)
    return model(images.float() / 127.5 - 1, ids[row, chosen])


@torch.no_grad()
def quality(model: CLIP, tokenizer: Tokenizer, side: int) -> dict[str, float]:
    """Held-out drawings whose nearest caption, among all of their style, is their own; and style.

    "concept": the nearest of the style's captions is the own one, "top5": it is among five;
    "style": of the captions of the own concept in the four styles the own is nearest.
    """
    images, _, drawings = datasets.emoji(side, "held_out")
    where = next(model.parameters()).device
    seen = model.embed_images(images.to(where))
    found = {"concept": 0.0, "top5": 0.0, "style": 0.0}
    for style in emoji.STYLES:
        names = [d.concept for d in emoji.drawings(style)]
        ids = tokenizer.encode([f"{name}, {style}" for name in names]).to(where)
        captions = torch.cat([model.embed_text(part) for part in ids.split(500)])
        mine = [i for i, d in enumerate(drawings) if d.style == style]
        own = torch.tensor([names.index(drawings[i].concept) for i in mine], device=where)
        best = (seen[mine] @ captions.T).topk(5).indices == own[:, None]
        found["concept"] += best[:, 0].sum().item() / len(drawings)
        found["top5"] += best.any(1).sum().item() / len(drawings)
        in_styles = [f"{drawings[i].concept}, {s}" for i in mine for s in emoji.STYLES]
        in_styles = model.embed_text(tokenizer.encode(in_styles).to(where))
        nearest = (in_styles.view(len(mine), 4, -1) @ seen[mine][..., None]).squeeze(-1).argmax(1)
        found["style"] += (nearest == emoji.STYLES.index(style)).sum().item() / len(drawings)
    return {name: round(value, 4) for name, value in found.items()}


def write(saved: loop.Saved, tokenizer: Tokenizer) -> None:
    """Write tokenizer and text encoder, and a line of its curve."""
    found = quality(saved.model, tokenizer, SIDE)
    print(found, flush=True)
    diffusers_format.save_tokenizer(FOLDER / "tokenizer", tokenizer)
    notes = saved.notes() | found
    diffusers_format.save_text_encoder(FOLDER / "text_encoder", saved.half().text, **notes)
    loop.add_to_curve(FOLDER / "text_encoder" / "curve.csv", saved, **found)


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    images, texts = examples(settings.seed, settings.rounds)
    tokenizer = learn_tokenizer(texts, settings.merges)
    ids = tokenizer.encode([t for group in texts for t in group]).view(len(texts), CAPTIONS, -1)
    text = CLIPText(len(tokenizer.vocab), length=LENGTH, **settings.network)
    width = settings.network["width"]
    model = CLIP(text, CLIPVision(SIDE, width), width, width).to(training.device())
    if settings.from_weights:
        text = diffusers_format.load_text_encoder(FOLDER / "text_encoder").float()
        model.text.load_state_dict(text.state_dict())
    for saved in loop.fit(settings, model, loss_of, (images, ids), **how):
        write(saved, tokenizer)
