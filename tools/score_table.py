"""The tables of data/scores: which rows are there, and one more."""

import csv
from collections.abc import Sequence
from pathlib import Path


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
