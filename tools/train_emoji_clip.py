"""Train the emoji model's text encoder, as half of a CLIP: `python tools/train_emoji_clip.py`

The classes and the objective of lesson 10, on the drawings that are not held out, at 32 x 32. The
tokenizer and the text encoder go to data/checkpoints/emoji in diffusers' layout; the image encoder
has done its work. The state is written to downloads/train_emoji_clip.safetensors, from where a run
that was cut off goes on. `--help` lists the options.
"""

import copy
import sys

import torch
from torch import Tensor

from course_utils import ROOT, datasets, emoji, layout, training
from course_utils.built.clip import CLIP, CLIPImage, CLIPText
from course_utils.built.ema import EMA
from course_utils.built.tokenizer import Tokenizer

sys.path.insert(0, str(ROOT))  # the folder of `tools`
from tools import long_run  # noqa: E402
from tools.emoji_text import LENGTH, caption_ids, draw_captions, learn_tokenizer  # noqa: E402

STEPS, BATCH, LEARNING_RATE, SEED, EVERY = 800, 256, 2e-3, 0, 200
WIDTH, LAYERS, HEADS, SIDE = 128, 3, 4, 32
STATE = ROOT / "downloads" / "train_emoji_clip.safetensors"
FOLDER = ROOT / "data" / "checkpoints" / "emoji"


def loss_of(
    model: CLIP, images: Tensor, styled: Tensor, plain: Tensor, generator: torch.Generator
) -> Tensor:
    """The contrastive loss with a caption drawn for each picture."""
    return model(images, draw_captions(styled, plain, generator))


def build(vocab: int) -> CLIP:
    text = CLIPText(vocab, WIDTH, LAYERS, HEADS, LENGTH)
    return CLIP(text, CLIPImage(SIDE, WIDTH), WIDTH, WIDTH)


@torch.no_grad()
def quality(model: CLIP, tokenizer: Tokenizer) -> dict[str, float]:
    """Held-out drawings whose nearest caption, among all of their style, is their own; and style.

    "concept": the nearest of the style's captions is the own one, "top5": it is among five;
    "style": of the captions of the own concept in the four styles the own is nearest.
    """
    images, _, drawings = datasets.emoji(SIDE, "held_out")
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
        told = [f"{drawings[i].concept}, {s}" for i in mine for s in emoji.STYLES]
        told = model.embed_text(tokenizer.encode(told).to(where)).view(len(mine), 4, -1)
        nearest = (told @ seen[mine][..., None]).squeeze(-1).argmax(1)
        found["style"] += (nearest == emoji.STYLES.index(style)).sum().item() / len(drawings)
    return {name: round(value, 4) for name, value in found.items()}


def write(model: CLIP, tokenizer: Tokenizer, counts: dict[str, float]) -> None:
    """Write tokenizer and text encoder, and a line of its curve."""
    counts |= quality(model, tokenizer)
    print(counts, flush=True)
    layout.save_tokenizer(FOLDER / "tokenizer", tokenizer)
    layout.save_text_encoder(
        FOLDER / "text_encoder",
        copy.deepcopy(model.text).half(),
        made_by="tools/train_emoji_clip.py",
        settings=f"batch {BATCH}, learning rate {LEARNING_RATE}, seed {SEED}",
        **counts,
    )
    long_run.add_to_curve(FOLDER / "text_encoder" / "curve.csv", counts)


def main(*arguments: str) -> None:
    asked = long_run.arguments(__doc__, arguments, STEPS)
    rank, _ = long_run.join()
    generator, device = training.seed(SEED), training.device()
    images, _, drawings = datasets.emoji(SIDE)
    tokenizer = learn_tokenizer(drawings)
    data = (images, *caption_ids(tokenizer, drawings))
    model = build(len(tokenizer.vocab)).to(device)
    if asked.go_on:
        model.text.load_state_dict(layout.load_text_encoder(FOLDER / "text_encoder").state_dict())
    precision = training.autocast(device)
    steps = long_run.planned(asked, STATE, model, loss_of, data, BATCH, precision)
    long_run.begin_curve(FOLDER / "text_encoder" / "curve.csv", asked, STATE)
    ema = EMA(model, 0.99)
    how = (steps, generator, BATCH, LEARNING_RATE, precision, EVERY)
    for step, seconds, loss in long_run.long_run(STATE, model, ema, loss_of, data, *how):
        write(ema.model, tokenizer, long_run.counted(step, seconds, loss))


if __name__ == "__main__":
    main(*sys.argv[1:])
