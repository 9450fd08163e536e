"""The scoreboard: the same classifiers score every generator that the learner builds.

A Frechet distance is given relative to that of real digits of the same number, so that 1 means: as
near to real digits as other real digits are. "Half A" is a fixed half of MNIST's training set,
"half B" the rest.
"""

import csv
from collections.abc import Callable, Iterable
from functools import cache
from statistics import mean, stdev

import torch
from torch import Tensor, nn

from course_utils import ROOT
from course_utils.built.frechet import frechet_distance
from course_utils.data import datasets
from course_utils.evaluation import classifiers
from course_utils.evaluation.digit_classifiers import PlainClassifier, ResidualClassifier

MEASURED = ROOT / "data" / "scores"
CHECKPOINTS = ROOT / "data" / "checkpoints"
SHA256 = {
    "classifier_plain": "6cbd7334595d01b085894f0914b96fedefb75cc14bd58801f42611439ef54f1c",
    "classifier_residual": "7f25c200d2745c2fe983efe92055dc8dd2f4d6b9c468793c8745df27b666affe",
    "classifier_plain_half_a": "8f07e3da35dc9b79ff5ec8b4dab3d3054e9794f66f5333a890ac0a857ee2e1f9",
}
"""The digests of the files that score; `python -m tools.train digits classifiers` prints them."""

REAL_SAMPLES = 5  # so many are compared with half A
MOST = 30_000 // REAL_SAMPLES  # pictures in one sample: the samples come from half B and share none


def features(images: Tensor) -> Tensor:
    """What the first classifier sees in images (N x 1 x 28 x 28): float32 N x 96, on the CPU.

    The images are clamped to [-1, 1] first. Raises ValueError for another shape, and for nan.
    """
    return _by_parts(_classifier("classifier_plain").features, images)


def relative_fd(images: Tensor, n: int | None = None) -> float:
    """The relative Frechet distance of the first n images (by default all) from real digits.

    The distance of their features from half A's, divided by the mean of five distances between n
    real digits of half B and half A. It is 1 for real digits on average. The distance of real
    digits falls as n grows, so compare only values of one n. images: N x 1 x 28 x 28. Raises
    ValueError where n is not in 2..6,000 or there are fewer images.
    """
    n = len(images) if n is None else n
    if not 2 <= n <= min(MOST, len(images)):
        raise ValueError(
            f"The distance of n = {n} pictures can't be measured: n is 2 to {MOST:,} and at most "
            f"the number of pictures, which is {len(images)}."
        )
    return _distance_from_half_a(features(images[:n])) / _real_distance(n)


@cache
def _real_distance(n: int) -> float:
    """The mean Frechet distance from half A of five samples of n real digits, from half B."""
    return mean(_distance_from_half_a(part) for part in _real_features(n).split(n))


def label_accuracy(images: Tensor, labels: Tensor) -> float:
    """The fraction of images (N x 1 x 28 x 28) that the second classifier reads as their labels
    (N).

    Raises ValueError where the numbers of images and labels differ.
    """
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images and {len(labels)} labels: give one to each.")
    logits = _by_parts(_classifier("classifier_residual"), images)
    return (logits.argmax(1) == torch.as_tensor(labels).cpu()).double().mean().item()


def recall(images: Tensor, k: int = 3) -> float:
    """How much of the real variety the images have: near 1 if all of it, 0 if one digit repeats.

    The fraction of N real digits whose features lie in the ball around some image, up to its k-th
    nearest neighbour among the images. images: N x 1 x 28 x 28; compare only values of one N.
    Raises ValueError where N is not in k + 1..6,000. (Kynkaanniemi et al. 2019, Improved precision
    and recall metric.)
    """
    N = len(images)
    if not 0 < k < N <= MOST:
        raise ValueError(f"Recall with k = {k} takes {k + 1} to {MOST:,} images, not {N}.")
    drawn, real = features(images), _real_features(N)[:N]
    covered = torch.zeros(N, dtype=torch.bool)
    for part in drawn.split(500):
        # An image is its own nearest neighbour, hence k + 1.
        radius = torch.cdist(part, drawn).kthvalue(k + 1, dim=1).values
        covered |= (torch.cdist(real, part) <= radius).any(1)
    return covered.double().mean().item()


def nearest_training(images: Tensor) -> tuple[Tensor, Tensor]:
    """The training picture nearest to each of the images: has a model learned pictures by heart?

    images: N x 1 x 28 x 28. Returns N training pictures and their N distances: the root of the mean
    squared difference of the pixels, 0 for a copy and 2 at most.
    """
    drawn, known = _checked(images).flatten(1), datasets.mnist()[0].flatten(1)
    # The fast way is not exact, and copies would not be at distance 0: it only finds candidates.
    squares = torch.cat([part.square().sum(1) for part in known.split(5000)])
    near = [
        (squares - 2 * part @ known.T).topk(3, largest=False).indices for part in drawn.split(100)
    ]
    near = torch.cat(near)  # N x 3
    distance = (known[near] - drawn[:, None]).square().mean(2).sqrt()
    best, which = distance.min(1)
    return known[near[torch.arange(len(near)), which]].view(-1, 1, 28, 28), best


SCORES = ("relative_fd", "label_accuracy", "recall", "nfe", "seconds")
"""The columns that are measured, in data/scores and in a lesson's own rows."""
SETUP = ("sha256", "sampler", "eta", "timestep_spacing", "steps", "guidance", "clamp", "pictures")
"""The columns of data/scores that say what was measured, but for the seed of sampling."""


def measured(file: str) -> list[dict]:
    """What `tools.score` measured, in data/scores/FILE.csv: a dict for each generator and sampler.

    The columns that all seeds of sampling share are text; those of `SCORES` are the mean over the
    seeds, None where there is nothing to measure, and with "_sd" the standard deviation. "seeds"
    counts them. Raises FileNotFoundError where there is no such file.
    """
    path = MEASURED / f"{file}.csv"
    if not path.is_file():
        raise FileNotFoundError(
            f"data/scores/{path.name} is missing. Run `python -m tools.score digits`."
        )
    groups: dict[tuple, list[dict]] = {}
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            groups.setdefault(tuple(row[key] for key in SETUP), []).append(row)
    return [_over_seeds(rows) for rows in groups.values()]


def _over_seeds(rows: list[dict]) -> dict:
    found = {key: value for key, value in rows[0].items() if key != "seed"} | {"seeds": len(rows)}
    for key in SCORES:
        values = [float(row[key]) for row in rows if row[key]]
        found[key] = mean(values) if values else None
        found[f"{key}_sd"] = stdev(values) if len(values) > 1 else 0.0
    return found


class Table(str):
    """Markdown that a notebook shows as a table."""

    def _repr_markdown_(self) -> str:
        return str(self)

    __repr__ = str.__str__


def table(rows: Iterable[dict] = ()) -> Table:
    """The scoreboard so far: what stands in data/scores, then a lesson's own rows.

    Each row is a dict with "board", the generator's name, and any of "pictures", their number, and
    `SCORES`. Of the files, rows that have a name are shown. Raises ValueError where a row has
    other keys.
    """
    rows = list(rows)
    for row in rows:
        if not {"board"} <= set(row) <= {"board", "pictures", *SCORES}:
            some = ", ".join(SCORES)
            raise ValueError(f"A row has board and some of pictures, {some}, not {[*row]}.")
    # Sprites and emoji have classifiers of their own, and other columns: no "board" comes first.
    files = [p.stem for p in sorted(MEASURED.glob("*.csv")) if p.read_text().startswith("board,")]
    stored = [row for file in files for row in measured(file)]
    lines = [
        "| generator | pictures | relative Frechet distance | label accuracy | recall "
        "| NFE | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    forms = ("{:.2f}", "{:.1%}", "{:.2f}", "{:.0f}", "{:.1f}")
    for row in [row for row in stored if row["board"]] + rows:
        cells = [_cell(row, key, form) for key, form in zip(SCORES, forms, strict=True)]
        pictures = f"{int(row['pictures']):,}" if "pictures" in row else ""
        lines.append(f"| {row['board']} | {pictures} | {' | '.join(cells)} |")
    return Table("\n".join(lines))


def _cell(row: dict, key: str, form: str) -> str:
    if row.get(key) is None:
        return ""
    spread = row.get(f"{key}_sd") if key == "relative_fd" else None
    return form.format(row[key]) + (f" ± {form.format(spread)}" if spread else "")


def half_a() -> Tensor:
    """The indices of half A in MNIST's training set: 30,000 drawn by chance, always the same."""
    return _shuffled()[: 60_000 // 2]


def half_b() -> Tensor:
    """The indices of half B, in an order drawn by chance: the others."""
    return _shuffled()[60_000 // 2 :]


@cache
def _real_features(n: int) -> Tensor:
    """The features of five samples of n digits from half B."""
    return features(datasets.mnist()[0][half_b()[: REAL_SAMPLES * n]])


def _shuffled() -> Tensor:
    return torch.randperm(60_000, generator=torch.Generator().manual_seed(0))


def _distance_from_half_a(found: Tensor) -> float:
    name = "classifier_plain_half_a"
    half = classifiers.weights(CHECKPOINTS / f"{name}.safetensors", SHA256[name])
    return frechet_distance(*mean_and_covariance(found), half["mean"], half["covariance"])


def mean_and_covariance(found: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (D) and covariance (D x D) of features N x D, in float64."""
    found = found.double()
    return found.mean(0), found.T.cov()


@cache
def _classifier(name: str) -> nn.Module:
    classifier = {
        "classifier_plain": PlainClassifier,
        "classifier_residual": ResidualClassifier,
    }[name]()
    return classifiers.loaded(classifier, CHECKPOINTS / f"{name}.safetensors", SHA256[name])


def _checked(images: Tensor) -> Tensor:
    return classifiers.checked(images, (1, 28, 28))


@torch.no_grad()
def _by_parts(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([function(part) for part in classifiers.parts(_checked(images), 500)])


def psnr(images: Tensor, originals: Tensor) -> Tensor:
    """How well pictures come back, in decibels: N of them, for N x C x H x W in [-1, 1].

    10 log10(range^2 / mean squared error); the range of values is 2. Raises ValueError where the
    shapes differ.
    """
    if images.shape != originals.shape:
        raise ValueError(f"These can't be compared: {[*images.shape]} and {[*originals.shape]}.")
    error = ((images - originals) ** 2).flatten(1).mean(1)
    return 10 * torch.log10(4 / error)
