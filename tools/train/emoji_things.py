"""The classifier of things, blind to colour: `python -m tools.train emoji things`

It never sees what is held out: no pair of style and concept that `emoji.held_out_style` names. Each
picture is moved, painted in other colours, laid on a background, blurred and grained by chance, so
no pair of colour and thing is known better than another. `tools/build_more_artists.py` comes first.
The weights go to data/checkpoints/emoji_classifier_things.safetensors, and the digest that is
printed belongs into course_utils/evaluation/emoji_things.py.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import training
from course_utils.data import datasets, emoji, emoji_edits
from course_utils.evaluation import emoji_things
from course_utils.evaluation.emoji_things import SIDE, ThingClassifier
from course_utils.io import tensors
from tools.train import loop

DEGREES, SHEAR, SHIFT = 15.0, 0.12, 3.0  # the largest; the shift is in pixels of 32
SCALES = (0.8, 1.35)  # what is beyond the picture's edge is background
GREY, BEHIND, COARSE, ERASED = 0.15, 0.5, 0.2, 0.3  # how many pictures
GRAIN, STAINS = 0.08, 0.12  # the largest standard deviation of noise, and of noise of 4 x 4 pixels
MORE_ARTISTS = loop.DOWNLOADS / "emoji" / "more_artists.npz"
SIDED = {"left", "right", "leftwards", "rightwards", "clockwise", "counterclockwise"}


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    smoothing: float = 0.1  # of labels


SETTINGS = Settings(
    name="emoji_things",
    network={},
    steps=3500,
    batch_size=128,
    learning_rate=4e-3,
    weight_decay=0.1,
    every=250,
)
ALL = (SETTINGS,)


def layers(images: Tensor, factor: int = emoji.SIZE // SIDE) -> Tensor:
    """Ink times cover, and cover, float16 N x 4 x h x h in [0, 1]: squares of pixels averaged."""
    found = []
    for part in images.split(500):
        ink, cover = emoji_edits.unblended(part)
        found.append(F.avg_pool2d(torch.cat([ink * cover, cover], 1), factor).half())
    return torch.cat(found)


def moved(
    x: Tensor,
    generator: torch.Generator,
    scales: tuple[float, float] = SCALES,
    amount: float = 1.0,
) -> Tensor:
    """Layers turned, sheared and shifted by so much of the most, and scaled."""
    n, (low, high) = len(x), scales
    angle, shear, stretch, *shift = amount * (torch.rand(5, n, generator=generator) * 2 - 1)
    scale = low + (high - low) * torch.rand(n, generator=generator)
    angle, shear, stretch = angle * math.radians(DEGREES), shear * SHEAR, 1 + 0.12 * stretch
    rows = [scale * stretch * angle.cos(), shear - angle.sin(), angle.sin(), scale * angle.cos()]
    where = torch.stack(rows, 1).view(n, 2, 2)
    where = torch.cat([where, torch.stack(shift, 1)[..., None] * SHIFT * 2 / SIDE], 2)
    grid = F.affine_grid(where, x.shape, align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def painted(ink: Tensor, cover: Tensor, generator: torch.Generator) -> Tensor:
    """Ink in other hues, with another contrast, or grey."""
    n = (len(ink), 1, 1, 1)
    turned = hue_turned(ink, generator, GREY)
    gain = 0.55 + 0.6 * torch.rand(n, generator=generator)
    lift = 0.25 * (torch.rand(n, generator=generator) - 0.5)
    return torch.minimum((gain * turned + lift * cover).clamp(min=0), cover)


def hue_turned(ink: Tensor, generator: torch.Generator, grey: float = 0.0) -> Tensor:
    """Ink whose hues are turned around the grey axis by any angle; `grey` of them without colour.

    A rotation of red, green and blue around (1, 1, 1) turns hues (Rodrigues' formula).
    """
    n = len(ink)
    angle = (torch.rand(n, 1, 1, generator=generator) * 2 - 1) * math.pi
    angle = angle * (torch.rand(n, 1, 1, generator=generator) < 0.7)
    third = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = angle.cos() * torch.eye(3) + (1 - angle.cos()) * third + angle.sin() * cross
    colourful = (
        torch.rand(n, 1, 1, generator=generator) * 1.1 + 0.3 if grey else torch.ones(n, 1, 1)
    )
    colourful = colourful * (torch.rand(n, 1, 1, generator=generator) >= grey)
    return ((third + colourful * (turn - third)) @ ink.flatten(2)).view(ink.shape)


@torch.autocast("cpu", enabled=False)  # pictures are changed in full precision
def varied(x: Tensor, generator: torch.Generator) -> Tensor:
    """Layers N x 4 x 32 x 32 to images N x 3 x 32 x 32 in [-1, 1], each changed by chance."""
    x = moved(x.float(), generator)
    ink, cover = painted(x[:, :3], x[:, 3:], generator), x[:, 3:]
    n = (len(x), 1, 1, 1)
    plain = torch.rand(n, generator=generator) > BEHIND
    behind = torch.where(plain, torch.ones(1), torch.rand(len(x), 3, 1, 1, generator=generator))
    return worn(erased((ink + (1 - cover) * behind) * 2 - 1, generator), generator)


def erased(x: Tensor, generator: torch.Generator) -> Tensor:
    """Some of the images with a grey square of up to a third of their side."""
    n = (len(x), 1, 1, 1)
    side = torch.rand(n, generator=generator) * SIDE / 3
    side = side * (torch.rand(n, generator=generator) < ERASED)
    down, right = torch.rand(2, *n, generator=generator) * SIDE
    axis = torch.arange(SIDE)
    inside = ((axis[:, None] - down).abs() < side / 2) & ((axis - right).abs() < side / 2)
    return torch.where(inside, torch.zeros(1), x)


def worn(x: Tensor, generator: torch.Generator) -> Tensor:
    """Images blurred, coarse, grained and stained, as a generator may draw them."""
    n = (len(x), 1, 1, 1)
    some = (torch.rand(n, generator=generator) * 1.4 - 0.5).clamp(min=0)
    x = torch.lerp(x, F.avg_pool2d(F.pad(x, (1,) * 4, mode="replicate"), 3, stride=1), some)
    coarse = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    x = torch.where(torch.rand(n, generator=generator) < COARSE, coarse, x)
    grain, stains = torch.rand(2, *n, generator=generator)
    patches = torch.randn(len(x), 3, SIDE // 4, SIDE // 4, generator=generator)
    x = x + GRAIN * grain * torch.randn(x.shape, generator=generator)
    return x + STAINS * stains * F.interpolate(patches, scale_factor=4, mode="bilinear")


def loss_of(
    settings: Settings,
    model: ThingClassifier,
    x: Tensor,
    wanted: Tensor,
    can_turn: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """The cross-entropy of each varied picture choosing among the names of all things."""
    turn = can_turn & (torch.rand(len(x), generator=generator) < 0.5)
    x = torch.where(turn[:, None, None, None], x.flip(3), x)
    logits = model(varied(x, generator).to(memory_format=torch.channels_last), IDS)
    return F.cross_entropy(logits, wanted, label_smoothing=settings.smoothing)


IDS = emoji_things.bags(emoji_things.names(), emoji_things.vocabulary())


def ranked(part: str) -> tuple[Tensor, list[emoji.Emoji]]:
    """The pictures of a part of the sheets whose concepts have a thing."""
    images, _, found = datasets.emoji(64, part)
    keep = [i for i, d in enumerate(found) if d.concept in emoji_things.things()]
    return images[keep], [found[i] for i in keep]


def more_artists() -> tuple[Tensor, list[str]]:
    """What `tools/build_more_artists.py` has drawn: pictures, and their concepts."""
    with np.load(MORE_ARTISTS) as found:
        pictures, concepts = found["pictures"], found["concepts"].tolist()
    keep = [i for i, name in enumerate(concepts) if name in emoji_things.things()]
    images = torch.from_numpy(pictures[keep]).permute(0, 3, 1, 2).float() / 127.5 - 1
    return images, [concepts[i] for i in keep]


def data() -> tuple[Tensor, Tensor, Tensor]:
    """Layers, the numbers of their things, and whether they may be mirrored."""
    images, drawings = ranked("train")
    others, concepts = more_artists()
    concepts = [d.concept for d in drawings] + concepts
    kept = {d.concept for d in drawings if d.category in {"Flags", "Symbols"}}
    can_turn = [c not in kept and not SIDED & set(c.split()) for c in concepts]
    return layers(torch.cat([images, others])), numbers(concepts), torch.tensor(can_turn)


def numbers(concepts: list[str]) -> Tensor:
    """The place of each concept's name among those that the classifier knows: int64 N."""
    place = {name: i for i, name in enumerate(emoji_things.names())}
    return torch.tensor([place[emoji_things.things()[c]] for c in concepts])


@torch.no_grad()
def measure(model: ThingClassifier) -> dict[str, float]:
    """How many held-out drawings are read rightly: as they are, recoloured, on a background."""
    images, drawings = ranked("held_out")
    wanted, found = numbers([d.concept for d in drawings]), {}
    colours = [*emoji_edits.COLOURS]
    chosen = [colours[i % len(colours)] for i in range(len(images))]
    coloured, took = emoji_edits.recolour(images, chosen)
    behind = torch.tensor([*emoji_edits.BACKGROUNDS.values()])
    laid, seen = emoji_edits.on_background(images, behind[torch.arange(len(images)) % len(behind)])
    every = torch.ones_like(took)
    kinds = {"plain": (images, every), "coloured": (coloured, took), "background": (laid, seen)}
    for kind, (pictures, keep) in kinds.items():
        small = F.avg_pool2d(pictures[keep], 2)
        ranking = model(small, IDS).argsort(1, descending=True)[:, :5] == wanted[keep, None]
        found[f"{kind}_first"] = round(ranking[:, 0].float().mean().item(), 4)
        found[f"{kind}_top_five"] = round(ranking.any(1).float().mean().item(), 4)
    return found


def write(saved: loop.Saved) -> None:
    """Write the classifier with what it reads of held-out drawings, and print its digest."""
    found = measure(saved.half().float())
    print(found, flush=True)
    path = loop.CHECKPOINTS / f"{emoji_things.FILE}.safetensors"
    loop.print_digest(tensors.save_checkpoint(path, saved.half(), **saved.notes(), **found))


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    model = ThingClassifier().to(training.device())
    for saved in loop.fit(settings, model, partial(loss_of, settings), data(), **how):
        write(saved)
