"""The tables of data/scores: which rows are there, what is missing, and how it came about."""

import csv
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


def about(tool: str, checkpoint: Path, arguments: Sequence[str]) -> dict:
    """The columns that say how a row came about: of what, on what, and what to type."""
    where = training.device().type
    return {
        "checkpoint": checkpoint.name,
        "threads": torch.get_num_threads(),
        "processor": processor() if where == "cpu" else where,
        "command": shlex.join(["python", f"tools/{tool}.py", *arguments]),
    }


def add_missing(
    file: Path,
    columns: Sequence[str],
    about: dict,
    wanted: Iterable[dict],
    measure: Callable[[dict], dict],
) -> None:
    """Measure what the file lacks, one row after the other, and print what was found.

    columns: of the file. about: what all rows have in common. wanted: the settings of each row, the
    digest of the weights first; a row of the same settings is not measured again.
    """
    for settings in wanted:
        if tuple(map(str, settings.values())) in rows_there(file, [*settings]):
            continue
        found = measure(settings)
        add_row(file, about | settings | found, columns)
        print(*[*settings.values()][1:], found, flush=True)
