"""The sprites' classifier: which sprite does a picture show, if it shows one?"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from course_utils.data.sprites import WIDTH, WORDS, Sprite, all_sprites, indices, pictures

FAR = 0.25
"""The classifier takes a picture only within this root mean square difference from a sprite, of
values in [-1, 1]."""
ASTRAY = 1 / 3
"""And only if it is less than this part of the way from there to any other sprite."""


def read(images: Tensor) -> tuple[Tensor, Tensor]:
    """Which sprite each picture shows, if it shows one.

    images: N x 3 x 16 x 16, float, in [-1, 1]. Returns `found`, N x 5 int64, the places of the
    words in KINDS, COLOURS, SIZES, EXTRAS, FACINGS, and `distance`, N float32, the root mean square
    difference from the nearest sprite. A picture that is farther than FAR from it, or more than
    ASTRAY of the way from it to another sprite, is rejected: -1 everywhere. So is one with nan.
    Raises ValueError for another shape or for whole numbers.
    """
    if images.ndim != 4 or images.shape[1:] != (3, WIDTH, WIDTH) or not images.is_floating_point():
        raise ValueError(
            f"The classifier reads float pictures N x 3 x {WIDTH} x {WIDTH} in [-1, 1], and "
            f"these are "
            f"{images.dtype}, {tuple(images.shape)}."
        )
    vectors = images.detach().float().cpu().flatten(1)
    parts = [_nearest(part) for part in vectors.split(1024)] or [_nearest(vectors)]
    nearest, distance, astray = (torch.cat(column) for column in zip(*parts, strict=True))
    words = torch.tensor([indices(sprite) for sprite in all_sprites()])
    accepted = (distance <= FAR) & (astray <= ASTRAY)
    return torch.where(accepted[:, None], words[nearest], -1), distance


def score(images: Tensor, wanted: Sequence[Sprite]) -> dict[str, float]:
    """How many of N pictures show what was wanted, as parts of 1.

    images: as `read` takes them; wanted: a sprite for each. Returns the part that has each
    attribute right ("kind", "colour", ...), "all" of them at once, and the part that was
    "rejected", which counts as wrong in everything. Raises ValueError where the numbers differ.
    """
    if len(images) != len(wanted) or not len(wanted):
        raise ValueError(f"{len(images)} pictures for {len(wanted)} sprites: give one for each.")
    found, _ = read(images)
    right = found == torch.tensor([indices(sprite) for sprite in wanted])
    scores = {name: right[:, i].float().mean().item() for i, name in enumerate(WORDS)}
    rejected = (found[:, 0] < 0).float().mean().item()
    return scores | {"all": right.all(dim=1).float().mean().item(), "rejected": rejected}


@functools.cache
def _squares_between() -> Tensor:
    """Squared distances between all pairs of sprites; a sprite is infinitely far from itself."""
    vectors = pictures().flatten(1).double()
    squares = torch.cdist(vectors, vectors).square().float()
    return squares.fill_diagonal_(torch.inf)


def _nearest(vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For pictures N x 768: the nearest sprite, the distance, the part of the way to another."""
    squares = torch.cdist(vectors, pictures().flatten(1)).square()
    least, nearest = squares.min(dim=1)
    # |x - b|^2 = |x - a|^2 - 2 way |b - a|^2 + |b - a|^2, solved for way: x projected on a to b.
    way = 0.5 + 0.5 * (least[:, None] - squares) / _squares_between()[nearest]
    way.scatter_(1, nearest[:, None], -torch.inf)
    return nearest, (least / vectors.shape[1]).sqrt(), way.amax(dim=1)
