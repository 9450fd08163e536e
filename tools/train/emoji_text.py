"""The emoji model's text encoder, as half of a CLIP: `python -m tools.train emoji text`

The classes and the objective of lesson 10, on the drawings that are not held out, at 32 x 32. The
tokenizer and the text encoder go to data/checkpoints/emoji in diffusers' format; the image encoder
has done its work.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from course_utils import diffusers_format, training
from course_utils.built.clip import CLIP, CLIPText, CLIPVision
from course_utils.built.tokenizer import Tokenizer
from course_utils.data import datasets, emoji
from tools.train import loop
from tools.train.emoji_captions import LENGTH, caption_ids, draw_captions, learn_tokenizer


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    side: int = 32  # height and width of the drawings


SETTINGS = Settings(
    name="emoji_text",
    network=dict(width=128, layers=3, heads=4),
    steps=800,
    batch_size=256,
    learning_rate=2e-3,
    ema=0.99,
    every=200,
)
ALL = (SETTINGS,)


def loss_of(
    model: CLIP, images: Tensor, styled: Tensor, plain: Tensor, generator: torch.Generator
) -> Tensor:
    """The contrastive loss with a caption drawn for each picture."""
    return model(images, draw_captions(styled, plain, generator))


def build(settings: Settings, vocab: int) -> CLIP:
    text, width = CLIPText(vocab, length=LENGTH, **settings.network), settings.network["width"]
    return CLIP(text, CLIPVision(settings.side, width), width, width)


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


def write(saved: loop.Saved, tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer and text encoder, and a line of its curve."""
    found = quality(saved.model, tokenizer, saved.settings.side)
    print(found, flush=True)
    diffusers_format.save_tokenizer(folder / "tokenizer", tokenizer)
    notes = saved.notes() | found
    diffusers_format.save_text_encoder(folder / "text_encoder", saved.half().text, **notes)
    loop.add_to_curve(folder / "text_encoder" / "curve.csv", saved, **found)


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    folder = loop.CHECKPOINTS / "emoji"
    images, _, drawings = datasets.emoji(settings.side)
    tokenizer = learn_tokenizer(drawings)
    data = (images, *caption_ids(tokenizer, drawings))
    model = build(settings, len(tokenizer.vocab)).to(training.device())
    if settings.from_weights:
        text = diffusers_format.load_text_encoder(folder / "text_encoder")
        model.text.load_state_dict(text.state_dict())
    for saved in loop.fit(settings, model, loss_of, data, **how):
        write(saved, tokenizer, folder)
