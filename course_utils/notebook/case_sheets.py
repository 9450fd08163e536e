"""Runs of training as cases on a sheet: what each drew, and how its loss fell."""

from collections.abc import Sequence
from typing import Protocol

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_utils.notebook.plotting import COLOURS, Picture, montage, plain_ticks


class Case(Protocol):
    """What is known of a run: its samples, pictures as `plotting` takes them, and its losses."""

    samples: Sequence[Picture]
    losses: Sequence[float]


def sheet(
    cases: dict[int | str, Case], beside: Case | None = None, columns: int = 4, across: int = 4
) -> Figure:
    """A figure of all cases under their names, `columns` in a row; samples with `across` in a row.

    Below the samples stands the loss by training step, as a running mean over 20 steps, all on the
    same axes; in grey the loss of the case `beside`. Show it with `plotting.show`.
    """
    rows = -(-len(cases) // columns)
    figure = plt.figure(figsize=(1.9 * columns, 2.75 * rows))
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=[3, 1] * rows, hspace=0.16)
    for i, (name, case) in enumerate(cases.items()):
        row, column = 2 * (i // columns), i % columns
        above, below = (figure.add_subplot(grid[row + part, column]) for part in (0, 1))
        pictures = [np.asarray(sample) for sample in case.samples]
        above.imshow(montage(pictures, across), interpolation="nearest")
        above.axis("off")
        above.set_title(str(name), fontsize=9, pad=3)
        if beside is not None:
            below.plot(_smooth(beside.losses), color="#bbbbbb", linewidth=2.5)
        below.plot(_smooth(case.losses), color=COLOURS[0], linewidth=1.2)
        below.set(yscale="log", ylim=(0.008, 2.5), xlim=(0, None), xticks=[])
        plain_ticks(below.yaxis)
        below.tick_params(labelsize=6, labelleft=column == 0)
        below.tick_params(which="minor", labelleft=False)
    return figure


def _smooth(losses: Sequence[float], window: int = 20) -> np.ndarray:
    sums = np.cumsum(np.concatenate([[0.0], np.asarray(losses, dtype=float)]))
    return (sums[window:] - sums[:-window]) / window
