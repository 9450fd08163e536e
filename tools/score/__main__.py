"""Measure what draws: `python -m tools.score digits --samplers ddim dpmpp_2m --steps 10 50`

Adds a row for each setting and seed to a table of data/scores. Rows that are there for the same
weights and settings are not measured again, so a run that was cut off is simply started again.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from course_utils.evaluation import scores
from tools.score import digits, emoji, personal, sprites
from tools.score.table import about, add_missing, digest

TOOLS = {"digits": digits, "sprites": sprites, "emoji": emoji, "personal": personal}
"""Each has a CHECKPOINT, the COLUMNS of its table, and SETTINGS, those of them that say what is
measured; `options` by which they are chosen; and `measurer`, which loads what it measures."""


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tools.score", description=__doc__.split("\n\n")[1])
    of = parser.add_subparsers(dest="what", required=True, metavar="|".join(TOOLS))
    for name, tool in TOOLS.items():
        add = of.add_parser(name, description=tool.__doc__).add_argument
        add("--checkpoint", default=tool.CHECKPOINT, type=Path)
        add("--seeds", dest="seed", type=lambda n: range(int(n)), default=range(tool.SEEDS))
        add("--file", default=scores.MEASURED / f"{name}.csv", type=Path)
        tool.options(add)
    return parser.parse_args(arguments)


def wanted(asked: argparse.Namespace) -> Iterator[dict]:
    """The settings of each row: every choice of one option with every choice of the others."""
    tool = TOOLS[asked.what]
    which = {"sha256": digest(asked.checkpoint)} if "sha256" in tool.COLUMNS else {}
    chosen = [getattr(asked, name) for name in tool.SETTINGS]
    for row in product(*(x if isinstance(x, list | range) else [x] for x in chosen)):
        yield which | tool.adjusted(dict(zip(tool.SETTINGS, row, strict=True)))


def main(*arguments: str) -> None:
    asked = options([*arguments])
    tool, origin = TOOLS[asked.what], about(asked.checkpoint, arguments)
    add_missing(asked.file, tool.COLUMNS, origin, wanted(asked), tool.measurer(asked))


if __name__ == "__main__":
    main(*sys.argv[1:])
