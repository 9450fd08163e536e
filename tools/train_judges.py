"""Train the two judges of the scoreboard: `python tools/train_judges.py [plain|residual]`

Writes data/checkpoints/judge_plain.safetensors and judge_residual.safetensors, with settings,
seconds and test accuracy in their headers, and the statistics of the first one's features of real
digits. Prints the digests, which belong into course_utils/scores.py. Some four minutes on one core.
"""

import hashlib
import math
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import ROOT, datasets, scores, training
from course_utils.built.train import train
from course_utils.judges import PlainJudge, ResidualJudge

JUDGES = {"plain": PlainJudge, "residual": ResidualJudge}
STEPS, BATCH, LEARNING_RATE, SEED = 2400, 128, 5e-3, 0
DEGREES, SHIFT = 12.0, 2.0  # the largest turn, and the largest shift in pixels
GREY = 0.1  # the most that black and white change, and twice the most noise
WANTED = 0.993
FOLDER = ROOT / "data" / "checkpoints"


def varied(images: Tensor, generator: torch.Generator) -> Tensor:
    """The images (N x 1 x H x W in [-1, 1]), each turned, shifted and lit a little by chance.

    A judge that never met a background of another grey, or noise that nobody sees, would find
    them enormous.
    """
    n, size = len(images), images.shape[-1]
    angle = (torch.rand(n, generator=generator) * 2 - 1) * math.radians(DEGREES)
    shift = (torch.rand(n, 2, generator=generator) * 2 - 1) * SHIFT * 2 / size
    rows = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    where = F.affine_grid(torch.cat([rows, shift[..., None]], 2), images.shape, False)
    moved = F.grid_sample(images, where, padding_mode="border", align_corners=False)
    darkest, brightest, std = torch.rand(3, n, 1, 1, 1, generator=generator) * GREY
    lit = torch.lerp(darkest - 1, 1 - brightest, (moved + 1) / 2)
    return lit + std / 2 * torch.randn(images.shape, generator=generator)


def reading_loss(
    model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
) -> Tensor:
    """The cross-entropy of the labels, on images that were varied a little."""
    return F.cross_entropy(model(varied(images, generator)), labels)


@torch.no_grad()
def accuracy(model: nn.Module) -> float:
    """The fraction of MNIST's 10,000 test pictures that the model reads rightly."""
    images, labels = datasets.mnist(train=False)
    model.eval()
    found = torch.cat([model(part).argmax(1) for part in images.split(500)])
    return (found == labels).double().mean().item()


def train_one(name: str) -> None:
    generator = training.seed(SEED)
    model, data = JUDGES[name](), datasets.mnist()
    precision = training.autocast(torch.device("cpu"))
    started = time.perf_counter()
    losses = train(model, reading_loss, data, STEPS, generator, BATCH, LEARNING_RATE, precision)
    for _ in training.progress(losses, STEPS):
        pass
    seconds, reached = time.perf_counter() - started, accuracy(model)
    print(f"{name}: {reached:.2%} of the test pictures after {seconds:.0f} s", flush=True)
    if reached < WANTED:
        sys.exit(f"That is less than {WANTED:.1%}: nothing was written.")
    path = training.save_checkpoint(
        FOLDER / f"judge_{name}.safetensors",
        model.to(memory_format=torch.contiguous_format),
        made_by="tools/train_judges.py",
        settings=f"batch {BATCH}, learning rate {LEARNING_RATE}, seed {SEED}, AdamW, one cycle; "
        f"pictures turned by up to {DEGREES:g} degrees and shifted by up to {SHIFT:g} pixels, "
        f"black and white changed by up to {GREY:g}, noise of a deviation up to {GREY / 2:g}",
        steps=STEPS,
        seconds=round(seconds),
        test_accuracy=f"{reached:.4f}",
    )
    print_digest(path)


@torch.no_grad()
def measure_half_a() -> None:
    """Write the mean and covariance of the plain judge's features of half A, in float64."""
    judge = training.load_checkpoint(FOLDER / "judge_plain.safetensors", PlainJudge()).eval()
    images = datasets.mnist()[0][scores.half_a()]
    found = torch.cat([judge.features(part) for part in images.split(500)])
    mean, covariance = scores.mean_and_covariance(found)
    path = FOLDER / "judge_plain_half_a.safetensors"
    notes = {"made_by": "tools/train_judges.py", "pictures": str(len(found))}
    save_file({"mean": mean, "covariance": covariance}, path, notes)
    print_digest(path)


def print_digest(path: Path) -> None:
    raw = path.read_bytes()
    print(path.name, f"{len(raw):,} bytes, SHA-256", hashlib.sha256(raw).hexdigest(), flush=True)


if __name__ == "__main__":
    for judge in sys.argv[1:] or JUDGES:
        train_one(judge)
    measure_half_a()
