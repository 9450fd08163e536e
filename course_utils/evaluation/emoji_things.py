"""What thing an emoji shows, whatever its colour, by a classifier that has seen nothing held out.

A thing is a concept without its colour and its direction: hearts of all colours are one thing. The
classifier has learned from drawings in all colours, so that a blue apple is an apple to it. It
knows the sheets' drawings but those that `emoji.held_out_style` keeps out, and two more artists'.
`tools/train/emoji_things.py` trains it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.data import emoji, emoji_captions
from course_utils.evaluation import scores
from course_utils.evaluation.classifiers import ResidualBlock, checked, loaded, parts
from course_utils.evaluation.emoji_classifiers import PicturesAndNames, bags, words

FILE = "emoji_classifier_things"
SHA256 = "e7e5b26117fe9181d5d86aa9d6b5e012ceab79d96b72bdb57012e1484881b778"
"""The digest of the file that reads; `sha256sum` prints it."""
SIDE = 32  # pixels a side of what the classifier sees
WIDTH = 128  # of the space in which pictures and names meet
HUE_WORDS = set("red orange yellow green blue purple pink brown black white grey gray".split())


@cache
def things() -> dict[str, str]:
    """The thing of every concept that three styles or more have drawn.

    "blue heart" is "heart", as there are others, and "black cat" is "cat".
    """
    ranked = [name for name, c in emoji.concepts().items() if len(c.styles) >= 3]
    bare = {name: _bare(name) for name in ranked}
    shared = Counter(bare.values())
    return {name: bare[name] if shared[bare[name]] > 1 else name for name in ranked}


def _bare(concept: str) -> str:
    """A concept without colour and direction."""
    words = concept.removesuffix(" facing right").replace("light ", "").split()
    return " ".join([w for w in words if w not in HUE_WORDS] or words)


@cache
def names() -> tuple[str, ...]:
    """All things, each once, in the order of the sheets."""
    return tuple(dict.fromkeys(things().values()))


@cache
def vocabulary() -> dict[str, int]:
    """The words of all names of all ranked concepts, numbered from 1."""
    every = {
        w for n in things() for noun in emoji_captions.words()[n]["nouns"] for w in words(noun)
    }
    every |= {w for name in names() for w in words(name)}
    return {word: i for i, word in enumerate(sorted(every), start=1)}


class ThingClassifier(PicturesAndNames):
    """Which thing: a picture beside the names of all."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.Conv2d(32, 64, 2, stride=2),  # to 16 x 16
            ResidualBlock(64),
            nn.Conv2d(64, 128, 2, stride=2),  # to 8 x 8
            ResidualBlock(128),
            ResidualBlock(128),
            nn.Conv2d(128, 192, 2, stride=2),  # to 4 x 4
            ResidualBlock(192),
            nn.BatchNorm2d(192),
            nn.SiLU(),
        )
        self.image_out = nn.Sequential(nn.Dropout(0.2), nn.Linear(192 * 4 * 4, WIDTH))
        self.words = nn.EmbeddingBag(len(vocabulary()) + 1, WIDTH, mode="mean", padding_idx=0)
        self.text_out = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))


def choose(images: Tensor, choices: Sequence[Sequence[str]]) -> list[str]:
    """Which of its own few choices each image shows best, by `ThingClassifier`.

    images: N x 3 x 64 x 64 in [-1, 1], or drawings of half that size, such as the two of a pair.
    choices: for each image some concepts; "a/b" is a choice that either of two fits. Raises
    ValueError for other images, and for a concept that has no thing.
    """
    scores = logits(images)
    best = []
    for row, mine in zip(scores, choices, strict=True):
        fits = [row[[_place(concept) for concept in choice.split("/")]].max() for choice in mine]
        best.append(mine[torch.stack(fits).argmax()])
    return best


@torch.no_grad()
def logits(images: Tensor) -> Tensor:
    """How well each thing fits each image, taken as `choose` takes it: N x 1593."""
    side = images.shape[-1]
    if side not in (SIDE, emoji.SIZE):
        raise ValueError(f"The classifier reads pictures of {SIDE} or {emoji.SIZE} pixels a side.")
    small = checked(images, (3, side, side))
    small = F.avg_pool2d(small, side // SIDE)
    return torch.cat(
        [classifier()(part, bags(names(), vocabulary())) for part in parts(small, 200)]
    )


def _place(concept: str) -> int:
    if concept not in things():
        raise ValueError(f"{concept!r} has no thing: emoji_things.things() has what has.")
    return _places()[things()[concept]]


@cache
def _places() -> dict[str, int]:
    return {name: i for i, name in enumerate(names())}


@cache
def classifier() -> ThingClassifier:
    """The trained classifier. Raises FileNotFoundError or ValueError where its file is no good."""
    return loaded(ThingClassifier(), scores.CHECKPOINTS / f"{FILE}.safetensors", SHA256)
