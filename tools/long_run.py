"""Training runs of minutes to hours: the course's one loop and its average, made to go on."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import nn

from course_utils.built.ema import EMA
from course_utils.built.train import train
from course_utils.resume import load_run, save_run


def long_run(
    state: Path,
    model: nn.Module,
    ema: EMA,
    loss_of: Callable[..., torch.Tensor],
    data: tuple[torch.Tensor, ...],
    steps: int,
    generator: torch.Generator,
    batch_size: int,
    learning_rate: float,
    precision: AbstractContextManager,
    every: int = 500,
) -> Iterator[tuple[int, float, float]]:
    """Train as `built.train` does; after each `every` steps, and the last, save and yield.

    Yields the steps made, the seconds they took and the mean loss since the last time. If the file
    `state` is there, the run goes on from it, number for number, and it is deleted after the
    yield of the last step. Raises ValueError where `state` is of a run of another length.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.99))
    modules, done, seconds = {"model": model, "average": ema.model}, 0, 0.0
    if state.exists():
        counts = load_run(state, optimizer, generator, modules)
        if counts["steps"] != steps:
            raise ValueError(
                f"{state} is of a run of {counts['steps']} steps: finish or delete it."
            )
        done, seconds = counts["done"], counts["seconds"]
        print(f"going on after step {done}", flush=True)
    ema.updates, since, losses = done, time.perf_counter(), []
    for loss in train(
        model,
        loss_of,
        data,
        steps,
        generator,
        batch_size,
        learning_rate,
        precision,
        optimizer,
        start=done,
    ):
        ema.update(model)
        losses.append(loss)
        done += 1
        if done % every == 0 or done == steps:
            seconds += time.perf_counter() - since
            counts = {"steps": steps, "done": done, "seconds": seconds}
            save_run(state, optimizer, generator, modules, **counts)
            mean = sum(losses) / len(losses)
            print(f"step {done:6} of {steps}, loss {mean:.4f}, {seconds:.0f} s", flush=True)
            yield done, seconds, mean
            since, losses = time.perf_counter(), []
    state.unlink(missing_ok=True)
