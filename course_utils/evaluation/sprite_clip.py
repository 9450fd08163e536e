"""The sprites' own CLIP: the captions it learns from, its size, and the weights that are shipped.

The classes themselves are in `built/tokenizer.py` and `built/clip.py`; lesson 10 builds them.
"""

import copy
import itertools
import json
from collections.abc import Collection
from pathlib import Path

import torch

from course_utils import ROOT
from course_utils.built.clip import CLIP, CLIPText, CLIPVision
from course_utils.built.tokenizer import Tokenizer, load_tokenizer, save_tokenizer
from course_utils.data import sprite_captions, sprites
from course_utils.io import files, tensors

FOLDER = ROOT / "data" / "checkpoints" / "sprite_clip"
LENGTH = 20  # ids in a row; the longest caption takes 16
WIDTH = 64  # of both encoders, and of the space in which they meet
LAYERS, HEADS = 2, 4
PARTS = "text_encoder", "image_encoder"


def caption(sprite: sprites.Sprite, said: Collection[str]) -> str:
    """A caption that says only the attributes named in `said` (any of `sprites.WORDS`).

    "a red potion", "a thing wearing a crown": an unsaid kind is a "thing". Raises ValueError for
    an attribute that sprites do not have.
    """
    if unknown := set(said) - sprites.WORDS.keys():
        raise ValueError(f"Sprites have no {sorted(unknown)}: say some of {list(sprites.WORDS)}.")
    plain = "extra" in said and sprite.extra == "none"
    words = {
        "plain": "plain" if plain else "",
        "size": sprite.size if "size" in said else "",
        "colour": sprite.colour if "colour" in said else "",
        "kind": sprite.kind if "kind" in said else "thing",
    }
    text = " ".join(["a", *filter(None, words.values())])
    text += sprite_captions.EXTRAS[sprite.extra]["wearing"] if "extra" in said else ""
    return f"{text}, facing {sprite.facing}" if "facing" in said else text


def short_captions(sprite: sprites.Sprite) -> list[str]:
    """The 30 captions of a sprite that say something, and not everything."""
    chosen = [itertools.combinations(sprites.WORDS, n) for n in range(1, len(sprites.WORDS))]
    return [caption(sprite, said) for said in itertools.chain(*chosen)]


def full_captions(sprite: sprites.Sprite) -> list[str]:
    """The captions of a sprite in all templates, each of which says everything."""
    return [sprites.caption(sprite, template) for template in range(sprites.TEMPLATES)]


def prompts(attribute: str) -> list[str]:
    """A caption for each word of an attribute that says nothing else: "a potion", "a sword", ...

    Raises ValueError for an attribute that sprites do not have.
    """
    some = sprites.all_sprites()[0]
    caption(some, {attribute})  # which raises
    words = sprites.WORDS[attribute]
    return [caption(some._replace(**{attribute: word}), {attribute}) for word in words]


def build(vocab: int) -> CLIP:
    """The model in the shipped size, not trained: about 0.25 million weights."""
    return CLIP(CLIPText(vocab, WIDTH, LAYERS, HEADS, LENGTH), CLIPVision(16, WIDTH), WIDTH, WIDTH)


def load(folder: Path = FOLDER) -> tuple[Tokenizer, CLIP]:
    """The shipped tokenizer and model, in evaluation mode.

    `model.text` is the text encoder whose sequence steers lesson 11's U-Net. Raises what
    `load_tokenizer` and `tensors.load_checkpoint` raise.
    """
    tokenizer = load_tokenizer(folder / "tokenizer", LENGTH)
    model = build(len(tokenizer.vocab))
    tensors.load_checkpoint(folder / "text_encoder" / "model.safetensors", model.text)
    tensors.load_checkpoint(folder / "image_encoder" / "model.safetensors", _without_text(model))
    return tokenizer, model.eval()


def save(folder: Path, tokenizer: Tokenizer, model: CLIP, **notes: object) -> None:
    """Write the files that `load` reads; `notes` go into the headers of the weights."""
    sizes = dict(vocab=len(tokenizer.vocab), width=WIDTH, layers=LAYERS, heads=HEADS, length=LENGTH)
    with files.whole_folder(folder) as beside:
        save_tokenizer(tokenizer, beside / "tokenizer")
        text, image = (beside / part / "model.safetensors" for part in PARTS)
        tensors.save_checkpoint(text, model.text, **notes)
        tensors.save_checkpoint(image, _without_text(model), **notes)
        text.with_name("config.json").write_text(json.dumps(sizes, indent=2) + "\n")


def _without_text(model: CLIP) -> CLIP:
    """The other parts, with shared weights: image encoder, projections, temperature."""
    rest = copy.copy(model)
    rest._modules = {name: part for name, part in model._modules.items() if name != "text"}
    return rest


@torch.no_grad()
def quality(model: CLIP, tokenizer: Tokenizer) -> dict[str, float]:
    """What the model finds of the held-out sprites, as parts of 1.

    For each attribute: pictures whose nearest prompt has the right word. "caption": pictures whose
    nearest of all sprites' captions (template 0, held out ones among them) is their own; "picture":
    captions whose nearest of all pictures is their own.
    """
    everyone = sprites.all_sprites()
    held_out = torch.tensor([sprites.is_held_out(sprite) for sprite in everyone])
    pictures = model.embed_images(sprites.pictures())  # 1024 x WIDTH
    found = {}
    for attribute, words in sprites.WORDS.items():
        named = (pictures @ model.embed_text(tokenizer.encode(prompts(attribute))).T).argmax(1)
        right = torch.tensor([words.index(getattr(sprite, attribute)) for sprite in everyone])
        found[attribute] = (named == right)[held_out].float().mean().item()
    captions = model.embed_text(tokenizer.encode([sprites.caption(s) for s in everyone]))
    similarity, own = pictures @ captions.T, torch.arange(len(everyone))
    for name, table in (("caption", similarity), ("picture", similarity.T)):
        found[name] = (table.argmax(1) == own)[held_out].float().mean().item()
    return found
