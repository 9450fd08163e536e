"""The two classifiers that score emoji: `python -m tools.train emoji classifiers`

They go to data/checkpoints/emoji_classifier_style.safetensors and
emoji_classifier_concept.safetensors in half precision, with their accuracies. What is printed are
the digests, which belong into course_utils/evaluation/emoji_classifiers.py. Some seventeen minutes
on one core. With `--without-held-out` they do not see the held-out pairs, so that their accuracy on
those says how well they read a style's drawing of a concept that they know from other styles only;
nothing is written.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import diffusers_format, training
from course_utils.data import datasets, emoji
from course_utils.evaluation import emoji_classifiers
from course_utils.evaluation.emoji_classifiers import SMALL, ConceptClassifier, StyleClassifier
from course_utils.io import tensors
from tools.train import loop


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    """degrees to shear: the largest; colour and contrast: the most that they change."""

    ema: float = 0.0
    amount: float = 1.0  # of all that is varied
    degrees: float = 10.0
    stretch: float = 0.12
    shift: float = 2.5  # in pixels of 32
    shear: float = 0.1
    colour: float = 0.08
    contrast: float = 0.12
    coarse: float = 0.15  # the part of pictures averaged to half their size and drawn up again
    grain: float = 0.1  # the largest standard deviation of noise
    stains: float = 0.15  # and of noise of 4 x 4 pixels
    mirrored: float = 0.0  # the part of pictures that is
    smoothing: float = 0.0  # of labels
    without_held_out: bool = False  # a trial: nothing is written
    wanted: float = 0.98  # what it must read of held-out drawings, in `wanted_of`
    wanted_of: str = "top_five"


CONCEPT = Settings(
    name="emoji_concept",
    network={},
    steps=4500,
    batch_size=128,
    learning_rate=5e-3,
    weight_decay=0.1,
    smoothing=0.2,
)
STYLE = replace(
    CONCEPT,
    name="emoji_style",
    steps=1600,
    amount=0.25,  # a palette is much of a style
    mirrored=0.5,
    smoothing=0.0,
    wanted=0.93,
    wanted_of="style",
)
ALL = (STYLE, CONCEPT)
CLASSES = {STYLE.name: StyleClassifier, CONCEPT.name: ConceptClassifier}


@torch.autocast("cpu", enabled=False)  # pictures are changed in full precision
def varied(settings: Settings, images: Tensor, generator: torch.Generator) -> Tensor:
    """The images (N x 3 x H x H in [-1, 1]), each changed by chance as a generator may draw it.

    Moved, recoloured, blurred, grained: a classifier that knew only the sheets' own pixels would
    take what a VAE does to a picture for a reason to read it differently.
    """
    x = recoloured(settings, moved(settings, images, generator), generator)
    n = (len(x), 1, 1, 1)
    some = (torch.rand(n, generator=generator) * 1.3 - 0.3).clamp(min=0)
    x = torch.lerp(x, blurred(x), some)
    coarse = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    x = torch.where(torch.rand(n, generator=generator) < settings.coarse, coarse, x)
    grain, stains = torch.rand(2, *n, generator=generator)
    patches = torch.randn(len(x), 3, *(side // 4 for side in x.shape[2:]), generator=generator)
    x = x + settings.amount * settings.grain * grain * torch.randn(x.shape, generator=generator)
    blots = F.interpolate(patches, scale_factor=4, mode="bilinear")
    return x + settings.amount * settings.stains * stains * blots


def moved(settings: Settings, images: Tensor, generator: torch.Generator) -> Tensor:
    """The images turned, stretched, shifted and sheared a little."""
    n = len(images)
    angle, shear, *rest = settings.amount * (torch.rand(6, n, generator=generator) * 2 - 1)
    angle, shear = angle * math.radians(settings.degrees), shear * settings.shear
    across, down = (1 + settings.stretch * part for part in rest[:2])
    shift = torch.stack(rest[2:], 1) * settings.shift * 2 / SMALL
    rows = [across * angle.cos(), shear - angle.sin(), angle.sin(), down * angle.cos()]
    where = torch.cat([torch.stack(rows, 1).view(n, 2, 2), shift[..., None]], 2)
    grid = F.affine_grid(where, images.shape, align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recoloured(settings: Settings, images: Tensor, generator: torch.Generator) -> Tensor:
    """The images with colours mixed a little anew and another contrast; white stays white."""
    n, amount = len(images), settings.amount
    other = torch.rand(n, 3, 3, generator=generator) * 2 - 1
    mix = torch.eye(3) + amount * settings.colour * other
    brighter = torch.rand(n, 1, 1, generator=generator) * 2 - 1
    mix = mix * (1 + amount * settings.contrast * brighter)
    return 1 - (mix @ (1 - images).flatten(2)).view(images.shape)


def blurred(images: Tensor) -> Tensor:
    """Each pixel the mean of those around it: of a square of 3 pixels at 32 x 32, 5 at 64 x 64."""
    far = images.shape[-1] // SMALL
    return F.avg_pool2d(F.pad(images, (far,) * 4, mode="replicate"), 2 * far + 1, stride=1)


def loss_of(
    settings: Settings, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
) -> Tensor:
    """The cross-entropy of the labels, on images that were varied.

    A concept is chosen among the names of all concepts: the picture's half of CLIP's loss, with
    every name there is in the place of a batch's.
    """
    if settings.mirrored:
        chance = torch.rand(len(images), 1, 1, 1, generator=generator)
        images = torch.where(chance < settings.mirrored, images.flip(3), images)
    x = varied(settings, images, generator).to(memory_format=torch.channels_last)
    names = []
    if isinstance(model, ConceptClassifier):
        names = [emoji_classifiers.bags(emoji_classifiers.known(), emoji_classifiers.vocabulary())]
    return F.cross_entropy(model(x, *names), labels, label_smoothing=settings.smoothing)


def drawings() -> tuple[Tensor, list[emoji.Emoji], Tensor]:
    """All pictures of ranked concepts at 64 x 64, what they are, and which are held out."""
    images, _, found = datasets.emoji(64, "all")
    ranked = set(emoji_classifiers.known())
    keep = [i for i, drawing in enumerate(found) if drawing.concept in ranked]
    found = [found[i] for i in keep]
    held_out = [emoji.held_out_style(d.concept) == d.style for d in found]
    return images[keep], found, torch.tensor(held_out)


def accuracies(model: nn.Module, images: Tensor, found: list[emoji.Emoji]) -> dict[str, float]:
    """ "style", or "concept" and "top_five": how much the model reads rightly."""
    styles, wanted = emoji_classifiers.places(found)
    if isinstance(model, StyleClassifier):
        right = emoji_classifiers.styles_by(model, images) == styles
        return {"style": emoji_classifiers.fraction(right)}
    return emoji_classifiers.concept_scores(emoji_classifiers.ranking_by(model, images), wanted)


def damaged(images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Copies of the images from which little or nothing can be read."""
    noise = torch.randn(images.shape, generator=generator)
    tiles = images.unfold(2, 16, 16).unfold(3, 16, 16).flatten(2, 3)  # N x 3 x 16 x 16 x 16
    tiles = tiles[:, :, torch.randperm(16, generator=generator)].unflatten(2, (4, 4))
    return {
        "averaged to 4 x 4": F.interpolate(F.avg_pool2d(images, 16), scale_factor=16),
        "sixteen tiles shuffled": tiles.transpose(3, 4).reshape(images.shape),
        "under noise of deviation 2": (images + 2 * noise).clamp(-1, 1),
        "nothing but noise": noise.clamp(-1, 1),
    }


@torch.no_grad()
def through_vae(images: Tensor) -> Tensor | None:
    """The drawings as the emoji model's VAE gives them back, None where there is none yet."""
    folder = loop.CHECKPOINTS / "emoji" / "vae"
    if not (folder / "config.json").exists():
        return None
    vae = diffusers_format.load_vae(folder).eval()
    parts = [vae.decode(vae.encode(part).mean) for part in images.split(50)]
    return torch.cat(parts).clamp(-1, 1)


def measure(model: nn.Module) -> dict[str, dict[str, float]]:
    """What it reads of real drawings, seen and held out by the emoji model, and of damaged ones."""
    images, found, held_out = drawings()
    generator = torch.Generator().manual_seed(0)
    seen = (~held_out).nonzero()[:, 0]
    some = seen[torch.randperm(len(seen), generator=generator)[:500]]
    report = {}
    unseen = held_out.nonzero()[:, 0]
    unseen = unseen[torch.randperm(len(unseen), generator=generator)]
    for name, chosen in (("seen", some), ("held out", unseen)):
        x, about = images[chosen], [found[i] for i in chosen]
        kinds = {"as they are": x, "blurred 5 x 5": blurred(x)} | damaged(x, generator)
        if (back := through_vae(x)) is not None:
            kinds["through the VAE"] = back
        for kind, pictures in kinds.items():
            report[f"{name}, {kind}"] = accuracies(model, pictures, about)
        report[f"{name}, another's caption"] = accuracies(model, x, about[1:] + about[:1])
    return report


def train(settings: Settings, **how: object) -> None:
    training.seed(settings.seed)
    path = loop.CHECKPOINTS / f"{settings.name.replace('emoji', 'emoji_classifier')}.safetensors"
    model, (images, found, held_out) = CLASSES[settings.name](**settings.network), drawings()
    if settings.from_weights:
        tensors.load_checkpoint(path, model)
    styles, concepts = emoji_classifiers.places(found)
    labels = styles
    if isinstance(model, ConceptClassifier):
        images, labels = emoji_classifiers.small(images), concepts
    use = ~held_out | (not settings.without_held_out)
    data, loss = (images[use], labels[use]), partial(loss_of, settings)
    for saved in loop.fit(settings, model, loss, data, **how):
        if saved.last:
            write(saved, path)


def write(saved: loop.Saved, path: Path) -> None:
    """Measure the classifier as it is written, and write it if it reads well enough."""
    settings, report = saved.settings, measure(saved.half().float())
    found = (f"{k}: " + ", ".join(f"{n} {v:.4f}" for n, v in f.items()) for k, f in report.items())
    lines = [*found]
    print(*lines, sep="\n", flush=True)
    if report["held out, as they are"][settings.wanted_of] < settings.wanted:
        print("That is less than it should be: nothing was written.", flush=True)
    elif not settings.without_held_out:
        notes = saved.notes() | {"measured": "; ".join(lines)}
        loop.print_digest(tensors.save_checkpoint(path, saved.half(), **notes))
