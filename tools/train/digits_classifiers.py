"""The two classifiers of the digits' scoreboard: `python -m tools.train digits classifiers`

They go to data/checkpoints/classifier_plain.safetensors and classifier_residual.safetensors, with
their test accuracy; and the statistics of the first one's features of real digits beside. What is
printed are the digests, which belong into course_utils/evaluation/scores.py. Some four minutes on
one core.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import training
from course_utils.data import datasets
from course_utils.evaluation import scores
from course_utils.evaluation.digit_classifiers import PlainClassifier, ResidualClassifier
from course_utils.io import tensors
from tools.train import loop


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    ema: float = 0.0
    degrees: float = 12.0  # the largest turn
    shift: float = 2.0  # the largest shift, in pixels
    grey: float = 0.1  # the most that black and white change, and twice the most noise
    wanted: float = 0.993  # the part of the test set that it must read


PLAIN = Settings(name="digits_plain", network={}, steps=2400, batch_size=128, learning_rate=5e-3)
RESIDUAL = replace(PLAIN, name="digits_residual")
ALL = (PLAIN, RESIDUAL)
CLASSES = {PLAIN.name: PlainClassifier, RESIDUAL.name: ResidualClassifier}


def varied(settings: Settings, images: Tensor, generator: torch.Generator) -> Tensor:
    """The images (N x 1 x H x W in [-1, 1]), each turned, shifted and lit a little by chance.

    A classifier that never met a background of another grey, or noise that nobody sees, would find
    them enormous.
    """
    n, size = len(images), images.shape[-1]
    angle = (torch.rand(n, generator=generator) * 2 - 1) * math.radians(settings.degrees)
    shift = (torch.rand(n, 2, generator=generator) * 2 - 1) * settings.shift * 2 / size
    rows = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    where = F.affine_grid(torch.cat([rows, shift[..., None]], 2), images.shape, False)
    moved = F.grid_sample(images, where, padding_mode="border", align_corners=False)
    darkest, brightest, std = torch.rand(3, n, 1, 1, 1, generator=generator) * settings.grey
    lit = torch.lerp(darkest - 1, 1 - brightest, (moved + 1) / 2)
    return lit + std / 2 * torch.randn(images.shape, generator=generator)


@torch.no_grad()
def accuracy(model: nn.Module) -> float:
    """The fraction of MNIST's 10,000 test pictures that the model reads rightly."""
    images, labels = datasets.mnist(train=False)
    found = torch.cat([model(part).argmax(1) for part in images.split(500)])
    return (found == labels).double().mean().item()


@torch.no_grad()
def measure_half_a(plain: PlainClassifier, **notes: object) -> Path:
    """Write the mean and covariance of the classifier's features of half A, in float64."""
    images = datasets.mnist()[0][scores.half_a()]
    found = torch.cat([plain.features(part) for part in images.split(500)])
    mean, covariance = scores.mean_and_covariance(found)
    path = loop.CHECKPOINTS / "classifier_plain_half_a.safetensors"
    both = {"mean": mean, "covariance": covariance}
    return tensors.write_tensors(path, both, pictures=len(found), **notes)


def train(settings: Settings, **how: object) -> None:
    training.seed(settings.seed)
    path = loop.CHECKPOINTS / f"{settings.name.replace('digits', 'classifier')}.safetensors"
    model = CLASSES[settings.name](**settings.network)
    if settings.from_weights:
        tensors.load_checkpoint(path, model)

    def loss_of(model, images, labels, generator):
        return F.cross_entropy(model(varied(settings, images, generator)), labels)

    for saved in loop.fit(settings, model, loss_of, datasets.mnist(), **how):
        if saved.last:
            write(saved, path)


def write(saved: loop.Saved, path: Path) -> None:
    """Write a classifier that reads well enough, and what is measured with it."""
    reached, wanted = accuracy(saved.model), saved.settings.wanted
    print(f"{reached:.2%} of the test pictures", flush=True)
    if reached < wanted:
        return print(f"That is less than {wanted:.1%}: nothing was written.", flush=True)
    notes = saved.notes()
    loop.print_digest(tensors.save_checkpoint(path, saved.model, **notes, test_accuracy=reached))
    if isinstance(saved.model, PlainClassifier):
        loop.print_digest(measure_half_a(saved.model, made_by=notes["made_by"]))
