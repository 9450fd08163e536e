"""The classifiers of drawn emoji: which style and which concept a picture shows, and is it a copy?

Two networks that only score. They share nothing with the models that draw, and have seen every
drawing of the sheets, the held-out ones too. The style classifier names one of the four styles. The
concept classifier is an image-text model: it knows a concept by the words of its name and ranks the
names by how well they fit a picture. `python -m tools.train emoji classifiers` trains both.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.data import datasets, emoji
from course_utils.evaluation import classifiers, scores
from course_utils.evaluation.classifiers import ResidualBlock

SHA256 = {
    "emoji_classifier_style": "14f8cf7c1a9bdb092db6be048d17a1885d6f45bcd2d443d03e20da0e192770c1",
    "emoji_classifier_concept": "131e2f22f05c9815f2f95f3bd8dc002f723205d189e747c11ff78cb4a997385e",
}
"""The digests of the files that score; `python -m tools.train emoji classifiers` prints them."""

SMALL = 32  # pixels a side of what the concept classifier sees: squares of pixels are averaged
WIDTH = 128  # of the space in which pictures and names meet
TOP = 5
COPY = 0.15
"""Nearer than this to a drawing of the training set is a copy of it; `distance` says how near."""


class StyleClassifier(nn.Module):
    """Which of the four styles: logits N x 4 of pictures N x 3 x 64 x 64 in [-1, 1].

    It sees lines and shading, not where they are: of each of the last 96 features only the mean and
    the maximum over the picture. A classifier that saw the places learned the drawings by heart.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = residual_body(32, 64, 96, last=True)
        self.classes = nn.Linear(2 * 96, len(emoji.STYLES))

    def forward(self, images: Tensor) -> Tensor:
        x = self.body(images)  # N x 96 x 8 x 8
        return self.classes(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))


class PicturesAndNames(nn.Module):
    """Pictures and names as directions in one space, as CLIP has them.

    A name is the mean of its `words`' vectors, then `text_out`; a picture is read by `body`, then
    `image_out`: layers of the subclasses. `embed_images` takes N x 3 x 32 x 32 in [-1, 1],
    `embed_names` what `bags` returns; both give N x 128 of length 1. Called with pictures and
    names, it returns their cosines, scaled.
    """

    def embed_images(self, images: Tensor) -> Tensor:
        return F.normalize(self.image_out(self.body(images).flatten(1)), dim=1)

    def embed_names(self, ids: Tensor) -> Tensor:
        return F.normalize(self.text_out(self.words(ids)), dim=1)

    def forward(self, images: Tensor, ids: Tensor) -> Tensor:
        scale = self.log_scale.exp().clamp(max=100)
        return scale * self.embed_images(images) @ self.embed_names(ids).T


class ConceptClassifier(PicturesAndNames):
    """Which concept: a picture beside the names of all."""

    def __init__(self) -> None:
        super().__init__()
        self.body = residual_body(32, 64, 192)
        self.image_out = nn.Linear(192 * 4 * 4, WIDTH)
        self.words = nn.EmbeddingBag(len(vocabulary()) + 1, WIDTH, mode="mean", padding_idx=0)
        self.text_out = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))


def residual_body(a: int, b: int, c: int, last: bool = False) -> nn.Sequential:
    """To an eighth of the size and c channels, with residual blocks at a half and at a quarter.

    last: one at an eighth, too.
    """
    return nn.Sequential(
        nn.Conv2d(3, a, 4, stride=2, padding=1),
        ResidualBlock(a),
        nn.Conv2d(a, b, 2, stride=2),
        ResidualBlock(b),
        nn.Conv2d(b, c, 2, stride=2),
        *([ResidualBlock(c)] if last else []),
        nn.BatchNorm2d(c),
        nn.SiLU(),
    )


@cache
def known() -> tuple[str, ...]:
    """The concepts that are ranked: all that at least three styles have drawn, 1,656 of them."""
    return tuple(name for name, c in emoji.concepts().items() if len(c.styles) >= 3)


@cache
def vocabulary() -> dict[str, int]:
    """The words of all names of all concepts, numbered from 1."""
    every = {w for c in emoji.concepts().values() for name in c.names for w in words(name)}
    return {word: i for i, word in enumerate(sorted(every), start=1)}


def words(name: str) -> list[str]:
    """A name without capitals and punctuation: "Cat's eye" is "cat", "s", "eye"."""
    return re.findall(r"[\w#*]+", name.lower())


def bags(names: Sequence[str], numbers: Mapping[str, int]) -> Tensor:
    """The numbers of the words of each name, int64 N x L, with zeros after them.

    Words that have no number are left out; raises ValueError where none is left.
    """
    rows = [[numbers[w] for w in words(name) if w in numbers] for name in names]
    if not rows or not all(rows):
        missing = [name for name, row in zip(names, rows, strict=True) if not row]
        raise ValueError(f"The classifier knows no word of {missing}: it has emojis' names.")
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def read(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """What the classifiers see in pictures, N x 3 x 64 x 64 in [-1, 1].

    Returns styles, N int64, places in `emoji.STYLES`; and ranking, N x 1656 int64, places in
    `known()`, the concept that fits best first. Raises ValueError for other pictures and for nan.
    """
    images = _checked(pictures)
    styles = styles_by(_classifier("emoji_classifier_style"), images)
    return styles, ranking_by(_classifier("emoji_classifier_concept"), images)


@torch.no_grad()
def styles_by(classifier: StyleClassifier, images: Tensor) -> Tensor:
    """The styles that `classifier` reads in images N x 3 x 64 x 64: N int64."""
    return torch.cat([classifier(part).argmax(1) for part in _parts(images)])


@torch.no_grad()
def ranking_by(classifier: ConceptClassifier, images: Tensor) -> Tensor:
    """All concepts by how well they fit images N x 3 x 64 x 64: N x 1656 int64."""
    ids, parts = bags(known(), vocabulary()), _parts(small(images))
    return torch.cat([classifier(part, ids).argsort(1, descending=True) for part in parts])


def small(images: Tensor) -> Tensor:
    """Images N x 3 x 64 x 64 at 32 x 32."""
    return F.avg_pool2d(images, emoji.SIZE // SMALL)


def score(pictures: Tensor, drawings: Sequence[emoji.Emoji]) -> dict[str, float]:
    """How many of N pictures show what was asked for, as parts of 1.

    pictures: as `read` takes them; drawings: a style and a concept for each. Returns "style",
    "concept" (it ranks first) and "top_five" (it is among the first five). Raises ValueError where
    the numbers differ or a concept is not ranked.
    """
    if len(pictures) != len(drawings) or not len(drawings):
        raise ValueError(f"{len(pictures)} pictures for {len(drawings)} emoji: give one for each.")
    wanted_styles, wanted = places(drawings)
    styles, ranking = read(pictures)
    return {"style": fraction(styles == wanted_styles)} | concept_scores(ranking, wanted)


def places(drawings: Sequence[emoji.Emoji]) -> tuple[Tensor, Tensor]:
    """The places of N drawings' styles in `emoji.STYLES` and of their concepts in `known()`.

    Raises ValueError where a concept is not ranked.
    """
    place = {name: i for i, name in enumerate(known())}
    if strange := [d.concept for d in drawings if d.concept not in place]:
        raise ValueError(f"{strange[0]!r} is not ranked: emoji_classifiers.known() has what is.")
    styles = [emoji.STYLES.index(d.style) for d in drawings]
    return torch.tensor(styles), torch.tensor([place[d.concept] for d in drawings])


def concept_scores(ranking: Tensor, wanted: Tensor) -> dict[str, float]:
    """How many of N rankings have the wanted place (N) first, and how many among the first five."""
    found = ranking[:, :TOP] == wanted[:, None]
    return {"concept": fraction(found[:, 0]), "top_five": fraction(found.any(1))}


def fraction(right: Tensor) -> float:
    """How many of N are true, as a part of 1."""
    return right.double().mean().item()


def distance(pictures: Tensor, others: Tensor) -> Tensor:
    """How far each of N pictures is from its other: the root mean squared difference of pixels.

    Both as `read` takes them. Compared at 32 x 32, where the fine grain that a VAE changes is
    averaged away: 0 for a copy and 2 at most.
    """
    difference = small(_checked(pictures)) - small(_checked(others))
    return difference.square().mean((1, 2, 3)).sqrt()


def nearest_training(pictures: Tensor) -> tuple[list[emoji.Emoji], Tensor]:
    """The drawing of the training set that is nearest to each of N pictures, and the N distances.

    pictures: as `read` takes them. At a distance below COPY it is a copy.
    """
    images, drawings = training_drawings()
    seen, parts = small(images).flatten(1), small(_checked(pictures)).flatten(1).split(100)
    # The fast way is not exact, and copies would not be at distance 0: it only finds candidates.
    near = torch.cat([torch.cdist(part, seen).topk(3, largest=False).indices for part in parts])
    exact = torch.stack([distance(pictures, images[column]) for column in near.T], dim=1)  # N x 3
    least, which = exact.min(1)
    return [drawings[i] for i in near[torch.arange(len(near)), which].tolist()], least


@cache
def training_drawings() -> tuple[Tensor, list[emoji.Emoji]]:
    """What `nearest_training` compares with: all drawings of the training set, read once."""
    images, _, drawings = datasets.emoji()
    return images, drawings


def _checked(pictures: Tensor) -> Tensor:
    return classifiers.checked(pictures, (3, emoji.SIZE, emoji.SIZE))


def _parts(images: Tensor) -> list[Tensor]:
    return classifiers.parts(images, 200)


@cache
def _classifier(name: str) -> nn.Module:
    classifier = {
        "emoji_classifier_style": StyleClassifier,
        "emoji_classifier_concept": ConceptClassifier,
    }[name]()
    return classifiers.loaded(classifier, scores.CHECKPOINTS / f"{name}.safetensors", SHA256[name])
