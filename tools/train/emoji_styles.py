"""The classifier of styles that has not seen what is held out: `python -m tools.train emoji styles`

It learns from the drawings that are not held out, moved a little, mirrored, in other colours and on
backgrounds. The weights go to data/checkpoints/emoji_classifier_styles_unseen.safetensors, and the
digest that is printed belongs into course_utils/evaluation/emoji_styles.py.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import training
from course_utils.data import datasets, emoji, emoji_edits
from course_utils.evaluation import emoji_styles
from course_utils.evaluation.emoji_classifiers import StyleClassifier
from course_utils.io import tensors
from tools.train import loop
from tools.train.emoji_things import hue_turned, layers, moved

SCALES, AMOUNT = (0.95, 1.05), 0.25  # of what pictures of things are moved by
TURNED, BEHIND, GRAIN, BLUR = 0.2, 0.25, 0.02, 0.3


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    smoothing: float = 0.05  # of labels


SETTINGS = Settings(
    name="emoji_styles",
    network={},
    steps=1400,
    batch_size=96,
    learning_rate=5e-3,
    weight_decay=0.1,
    ema=0.99,
    every=150,
)
ALL = (SETTINGS,)


@torch.autocast("cpu", enabled=False)
def varied(x: Tensor, generator: torch.Generator) -> Tensor:
    """Layers N x 4 x 64 x 64 to images N x 3 x 64 x 64 in [-1, 1], each changed by chance."""
    x = moved(x.float(), generator, SCALES, AMOUNT)
    n, cover = (len(x), 1, 1, 1), x[:, 3:]
    some = torch.rand(n, generator=generator) < TURNED
    ink = torch.where(some, hue_turned(x[:, :3], generator).clamp(min=0).minimum(cover), x[:, :3])
    plain = torch.rand(n, generator=generator) > BEHIND
    behind = torch.where(plain, torch.ones(1), torch.rand(len(x), 3, 1, 1, generator=generator))
    x = (ink + (1 - cover) * behind) * 2 - 1
    soft = F.avg_pool2d(F.pad(x, (1,) * 4, mode="replicate"), 3, stride=1)
    x = torch.lerp(x, soft, BLUR * torch.rand(n, generator=generator))
    grain = GRAIN * torch.rand(n, generator=generator)
    return x + grain * torch.randn(x.shape, generator=generator)


def loss_of(
    settings: Settings,
    model: StyleClassifier,
    x: Tensor,
    styles: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Cross-entropy of N drawings in new variations, half of them mirrored."""
    turn = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
    x = varied(torch.where(turn, x.flip(3), x), generator)
    logits = model(x.to(memory_format=torch.channels_last))
    return F.cross_entropy(logits, styles, label_smoothing=settings.smoothing)


def styles_of(drawings: list[emoji.Emoji]) -> Tensor:
    """Each drawing's place in `emoji.STYLES`: int64 N."""
    return torch.tensor([emoji.STYLES.index(d.style) for d in drawings])


@torch.no_grad()
def measure(model: StyleClassifier) -> dict[str, float]:
    """How many held-out drawings' styles are read rightly, as they are and edited."""
    images, _, drawings = datasets.emoji(64, "held_out")
    wanted, n = styles_of(drawings), torch.arange(len(images))
    colours, behind = [*emoji_edits.COLOURS], torch.tensor([*emoji_edits.BACKGROUNDS.values()])
    coloured = emoji_edits.recolour(images, [colours[i % len(colours)] for i in n.tolist()])
    laid = emoji_edits.on_background(images, behind[n % len(behind)])
    half = emoji_edits.shrunk(images)
    kinds = {"plain": (images, wanted >= 0), "coloured": coloured, "background": laid}
    kinds["small"] = (half, wanted >= 0)
    return {
        kind: round((model(x[keep]).argmax(1) == wanted[keep]).float().mean().item(), 4)
        for kind, (x, keep) in kinds.items()
    }


def write(saved: loop.Saved) -> None:
    """Write the classifier with what it reads of held-out drawings, and print its digest."""
    found = measure(saved.half().float())
    print(found, flush=True)
    path = loop.CHECKPOINTS / f"{emoji_styles.FILE}.safetensors"
    loop.print_digest(tensors.save_checkpoint(path, saved.half(), **saved.notes(), **found))


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    images, _, drawings = datasets.emoji(64)
    model, data = StyleClassifier().to(training.device()), (layers(images, 1), styles_of(drawings))
    for saved in loop.fit(settings, model, partial(loss_of, settings), data, **how):
        write(saved)
