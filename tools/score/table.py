"""The tables of data/scores: which rows are there, what is missing, and how it came about."""

import csv
import hashlib
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from course_utils import training
from tools.machine import processor


def rows_there(file: Path, settings: Sequence[str]) -> set[tuple[str, ...]]:
    """The values of the columns `settings` in each row of the file, as text; none if no file."""
    if not file.exists():
        return set()
    with file.open(newline="") as lines:
        return {tuple(row[key] for key in settings) for row in csv.DictReader(lines)}


def add_row(file: Path, row: dict, columns: Sequence[str]) -> None:
    """Add a row to the file, which is begun with its header if it is not there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    with file.open("a", newline="") as lines:
        writer = csv.DictWriter(lines, columns, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def digest(path: Path) -> str:
    """The first 16 digits of the SHA-256 of a file; of a folder, of the names and bytes of all that
    makes the model."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    whole, makes = hashlib.sha256(), {".json", ".txt", ".safetensors"}
    for file in sorted(p for p in path.rglob("*") if p.suffix in makes):
        whole.update(file.relative_to(path).as_posix().encode() + file.read_bytes())
    return whole.hexdigest()[:16]


def about(checkpoint: Path, arguments: Sequence[str]) -> dict:
    """The columns that say how a row came about: of what, on what, and what to type."""
    where = training.device().type
    return {
        "checkpoint": checkpoint.name,
        "threads": torch.get_num_threads(),
        "processor": processor() if where == "cpu" else where,
        "command": shlex.join(["python", "-m", "tools.score", *arguments]),
    }


def add_missing(
    file: Path,
    columns: Sequence[str],
    about: dict,
    wanted: Iterable[dict],
    measure: Callable[[dict], dict],
) -> None:
    """Measure what the file lacks, one row after the other, and print what was found.

    columns: of the file. about: what all rows have in common. wanted: the settings of each row; a
    row of the same settings is not measured again.
    """
    for settings in wanted:
        if tuple(map(str, settings.values())) in rows_there(file, [*settings]):
            continue
        found = measure(settings)
        add_row(file, about | settings | found, columns)
        print(*settings.values(), found, flush=True)
