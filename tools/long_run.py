"""Training runs of minutes to hours: the course's one loop and its average, made to go on.

Started with `torchrun --nproc-per-node=2 tools/...`, several processes train one model together, by
torch's DistributedDataParallel: each draws its share of every batch, and they average gradients.
"""

import argparse
import atexit
import copy
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from course_utils.built.ema import EMA
from course_utils.built.train import train
from course_utils.resume import load_run, save_run, saved_counts
from tools.score_table import add_row


def join() -> tuple[int, int]:
    """This process's number, and how many train together: more than one under torchrun."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1 and not distributed.is_initialized():
        gpu = torch.cuda.is_available()
        if gpu:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if gpu else "gloo")
        atexit.register(distributed.destroy_process_group)  # else its threads may abort the exit
    return rank, world


class Objective(nn.Module):
    """A loss as a module, as DistributedDataParallel wants to see all that is computed."""

    def __init__(self, model: nn.Module, loss_of: Callable[..., Tensor]):
        super().__init__()
        self.model, self.loss_of = model, loss_of

    def forward(self, *batch: object) -> Tensor:
        return self.loss_of(self.model, *batch)


def shared(model: nn.Module, loss_of: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`loss_of`, whose backward pass averages the gradients of all processes."""
    if not distributed.is_initialized():
        return loss_of
    model.to(memory_format=torch.channels_last)  # as `train` wants it, before DDP looks at it
    objective = DistributedDataParallel(Objective(model, loss_of))
    return lambda _, *batch: objective(*batch)


def share(batch_size: int) -> int:
    """This process's part of a batch. Raises ValueError where the batch can't be shared out."""
    world = join()[1]
    if batch_size % world:
        raise ValueError(f"A batch of {batch_size} can't be shared by {world} processes.")
    return batch_size // world


def steps_within(
    minutes: float,
    model: nn.Module,
    loss_of: Callable[..., Tensor],
    data: tuple[Tensor, ...],
    batch_size: int,
    precision: AbstractContextManager,
    trial: int = 12,
) -> int:
    """How many steps fit into so many minutes here: a short trial on a copy of `model` tells.

    The trial is made as the run is: processes that train together also wait for each other in it.
    """
    generator, times, twin = torch.Generator().manual_seed(0), [], copy.deepcopy(model)
    how = (data, trial, generator, share(batch_size), 1e-4, precision)
    for _ in train(twin, shared(twin, loss_of), *how):
        times.append(time.perf_counter())
    seconds = torch.tensor((times[-1] - times[2]) / (trial - 3))  # the first ones are slower
    if distributed.is_initialized():
        seconds = seconds.to(next(model.parameters()).device)
        distributed.broadcast(seconds, 0)
    return max(1, int(60 * minutes / seconds.item()))


def arguments(about: str, given: Sequence[str], steps: int, **flags: str) -> argparse.Namespace:
    """What a training script was asked for; `about` is its docstring, `steps` its own length.

    flags: options of this script alone, and what each does.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0].split(": `")[0])
    parser.add_argument("--steps", type=int, default=steps, help="length of the run")
    parser.add_argument("--minutes", type=float, help="as many steps as fit into these, instead")
    parser.add_argument(
        "--go-on", action="store_true", help="begin with the weights that are there, not at random"
    )
    for name, what in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=what)
    return parser.parse_args(given)


def planned(asked: argparse.Namespace, state: Path, *run: object) -> int:
    """The steps of a run: as asked, or by the minutes; those of the run that was cut off, if any.

    run: what `steps_within` takes after the minutes.
    """
    if asked.minutes is None:
        return asked.steps
    return int(saved_counts(state).get("steps", 0)) or steps_within(asked.minutes, *run)


def counted(step: int, seconds: float, loss: float) -> dict[str, float]:
    """The first columns of a curve."""
    return {"step": step, "seconds": round(seconds), "loss": round(loss, 5)}


def begin_curve(path: Path, asked: argparse.Namespace, state: Path) -> None:
    """Remove an older run's curve, unless this run goes on with its weights or was cut off."""
    if join()[0] == 0 and not asked.go_on and not state.exists():
        path.unlink(missing_ok=True)


def add_to_curve(path: Path, counts: dict[str, float]) -> None:
    """Add a line to a run's curve."""
    add_row(path, counts, list(counts))


def long_run(
    state: Path,
    model: nn.Module,
    ema: EMA,
    loss_of: Callable[..., Tensor],
    data: tuple[Tensor, ...],
    steps: int,
    generator: torch.Generator,
    batch_size: int,
    learning_rate: float,
    precision: AbstractContextManager,
    every: int = 500,
) -> Iterator[tuple[int, float, float]]:
    """Train as `built.train` does; after each `every` steps, and the last, save and yield.

    Yields the steps made, the seconds they took and the mean loss since the last time, in the
    first process only. If the file `state` is there, the run goes on from it, number for number,
    and it is deleted after the yield of the last step. Where several processes train, each draws
    from a generator of its own, which is seeded anew after each save. Raises ValueError where
    `state` is of a run of another length.
    """
    rank, world = join()
    seed = generator.initial_seed()
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
    if world > 1:
        generator.manual_seed(seed + done * world + rank)
    ema.updates, since, losses = done, time.perf_counter(), []
    for loss in train(
        model,
        shared(model, loss_of),
        data,
        steps,
        generator,
        share(batch_size),
        learning_rate,
        precision,
        optimizer,
        start=done,
    ):
        ema.update(model)
        losses.append(loss)
        done += 1
        if done % every == 0 or done == steps:
            if world > 1:
                generator.manual_seed(seed + done * world + rank)
            if rank == 0:
                seconds += time.perf_counter() - since
                counts = {"steps": steps, "done": done, "seconds": seconds}
                save_run(state, optimizer, generator, modules, **counts)
                mean = sum(losses) / len(losses)
                print(f"step {done:6} of {steps}, loss {mean:.4f}, {seconds:.0f} s", flush=True)
                yield done, seconds, mean
            since, losses = time.perf_counter(), []
    if rank == 0:
        state.unlink(missing_ok=True)
    if world > 1:
        distributed.barrier()  # what comes next may read what the first process has just written
