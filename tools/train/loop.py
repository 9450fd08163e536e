"""The one loop of every training run: the steps of lesson 02's `train`, made to go on."""

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from course_utils import ROOT, training
from course_utils.built.ema import EMA
from course_utils.built.train import channels_last
from course_utils.io import files
from course_utils.io.run_state import load_run, save_run, saved_counts
from tools.train.muon import MuonWithAdamW
from tools.train.processes import join, seed_apart, share, shared

CHECKPOINTS = ROOT / "data" / "checkpoints"
DOWNLOADS = ROOT / "downloads"
Loss = Callable[..., Tensor]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run depends on. The header of the weights that it writes holds all of it, as JSON."""

    name: str  # data set and stage, as in "emoji_vae"
    network: dict  # the arguments of the model's class
    steps: int
    batch_size: int  # of all processes together
    learning_rate: float  # its peak
    restarts: tuple[float, ...] = ()  # the peaks of further legs, each as long as the first
    weight_decay: float = 0.01
    ema: float = 0.999  # the average's decay; 0: no average, but the weights themselves
    every: int = 500  # steps between two saves
    seed: int = 0
    from_weights: bool = False  # begin with the weights that are there, not at random

    def groups(self, model: nn.Module, peak: float) -> list[dict]:
        """What is trained, and the peaks of the learning rates: all weights, with one, by AdamW.

        Groups that are marked with "muon" are trained by Muon (`tools.train.muon`).
        """
        return [{"params": [*model.parameters()], "lr": peak}]

    @property
    def state(self) -> Path:
        """The file from which a run that was cut off goes on."""
        return DOWNLOADS / f"train_{self.name}.safetensors"


@dataclass(frozen=True)
class Saved:
    """A run when it has saved its state: the steps made, the seconds that they took, the mean loss
    since the last time, and the averaged weights."""

    settings: Settings
    step: int
    seconds: float
    loss: float
    model: nn.Module

    @property
    def last(self) -> bool:
        return self.step == self.settings.steps

    def half(self) -> nn.Module:
        """The weights as they are shipped: a copy in half precision."""
        return copy.deepcopy(self.model).half().to(memory_format=torch.contiguous_format)

    def counts(self) -> dict[str, float]:
        """The first columns of a curve."""
        return dict(step=self.step, seconds=round(self.seconds), loss=round(self.loss, 5))

    def notes(self) -> dict[str, object]:
        """What the header of the weights says of the run, the command that repeats it first."""
        settings, processes = asdict(self.settings), join()[1]
        words = ["python" if processes == 1 else f"torchrun --nproc-per-node={processes}"]
        words += ["-m tools.train", *settings["name"].split("_"), f"--steps {settings['steps']}"]
        words += [f"--{key.replace('_', '-')}" for key, value in settings.items() if value is True]
        return {"made_by": " ".join(words), "settings": json.dumps(settings)} | self.counts()


def fit(
    settings: Settings,
    model: nn.Module,
    loss_of: Loss,
    data: tuple[Tensor, ...],
    *,
    minutes: float | None = None,
    resume: bool = False,
) -> Iterator[Saved]:
    """Train as `built.train` does, in one leg or more; after each `every` steps, and the last, save
    and yield.

    Yields in the first process only. minutes: make as many steps as fit into these. resume: go on
    from `settings.state`, number for number. That file is deleted after the yield of the last step.
    Where several processes train, each draws from a generator of its own, which is seeded anew
    after each save.
    """
    rank, _ = join()
    ema, generator = EMA(model, settings.ema), torch.Generator().manual_seed(settings.seed)
    modules, done, seconds = {"model": model, "average": ema.model}, 0, 0.0
    if resume:
        counts = load_run(settings.state, None, generator, modules)
        done, seconds = counts["done"], counts["seconds"]
        if done > settings.steps:
            raise SystemExit(
                f"{settings.state} has made {done} steps already, more than {settings.steps}: "
                f"ask for more with --steps, or leave it out."
            )
        print(f"going on after step {done}", flush=True)
        if rank == 0 and done == settings.steps:  # cut off while the last step was measured
            yield Saved(settings, done, seconds, counts["loss"], ema.model)
    else:
        settings = planned(settings, minutes, model, loss_of, data)
    ema.updates, since, losses = done, time.perf_counter(), []
    seed_apart(generator, settings.seed, done)
    for loss, optimizer in legs(settings, model, shared(model, loss_of), data, generator, done):
        ema.update(model)
        losses.append(loss)
        done += 1
        if done % settings.every == 0 or done == settings.steps:
            seed_apart(generator, settings.seed, done)
            if rank == 0:
                seconds += time.perf_counter() - since
                saved = Saved(settings, done, seconds, sum(losses) / len(losses), ema.model)
                save(saved, optimizer, generator, modules)
                yield saved
            since, losses = time.perf_counter(), []
    if rank == 0:
        settings.state.unlink(missing_ok=True)
    if distributed.is_initialized():
        distributed.barrier()  # what comes next may read what the first process has just written


def legs(
    settings: Settings,
    model: nn.Module,
    loss_of: Loss,
    data: tuple[Tensor, ...],
    generator: torch.Generator,
    start: int,
) -> Iterator[tuple[float, Optimizer]]:
    """The steps after the first `start`: the loss of each, and the optimizer that made it.

    Each leg has an optimizer of its own, and a learning rate that rises to its peak and falls to 0
    (warm restarts, Loshchilov and Hutter 2017).
    """
    peaks = (settings.learning_rate, *settings.restarts)
    ends = [settings.steps * i // len(peaks) for i in range(len(peaks) + 1)]
    channels_last(model).train()  # before there are averages of gradients: they are laid out so
    for peak, (begin, end) in zip(peaks, pairwise(ends), strict=True):
        if start >= end:
            continue
        how = dict(betas=(0.9, 0.99), weight_decay=settings.weight_decay, fused=True)
        groups, made = settings.groups(model, peak), max(0, start - begin)
        optimizer, rates = MuonWithAdamW(groups, **how), [group["lr"] for group in groups]
        if made:
            load_run(settings.state, optimizer, torch.Generator(), {})
        warm_up = 0.1 if end - begin > 10 else 0.0  # as in `train`
        given = (optimizer, rates, end - begin)
        rate = OneCycleLR(*given, pct_start=warm_up, last_epoch=made - 1)
        for _ in range(made, end - begin):
            loss = one_step(model, loss_of, data, generator, optimizer, share(settings.batch_size))
            rate.step()
            yield loss, optimizer


def one_step(
    model: nn.Module,
    loss_of: Loss,
    data: tuple[Tensor, ...],
    generator: torch.Generator,
    optimizer: Optimizer,
    batch_size: int,
) -> float:
    """Draw a batch, and change the weights; its loss.

    Raises FloatingPointError where that is nan or infinite, before it changes the weights.
    """
    device = next(model.parameters()).device
    chosen = torch.randint(len(data[0]), (batch_size,), generator=generator)
    batch = [tensor[chosen].to(device) for tensor in data]
    with training.autocast(device):
        loss = loss_of(model, *batch, generator)
    value = loss.item()
    if not math.isfinite(value):
        raise FloatingPointError(
            f"The loss is {value}: training has diverged and stops here. What it saved before is "
            f"as it was. Begin again with a lower learning_rate in the settings of the run."
        )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return value


def save(
    saved: Saved, optimizer: Optimizer, generator: torch.Generator, modules: dict[str, nn.Module]
) -> None:
    """Write the state of a run, and say how far it is."""
    settings, step = saved.settings, saved.step
    counts = dict(done=step, seconds=saved.seconds, loss=saved.loss, settings=asdict(settings))
    save_run(settings.state, optimizer, generator, modules, **counts)
    of = f"{settings.name}: step {step:6} of {settings.steps}"
    print(f"{of}, loss {saved.loss:.4f}, {saved.seconds:.0f} s", flush=True)


def resumed(settings: Settings) -> Settings:
    """The settings of the run that was cut off. Ends the program where there was none."""
    counts = saved_counts(settings.state)
    if not counts:
        raise SystemExit(f"{settings.state} holds no run to resume: begin one without --resume.")
    return replace(settings, **counts["settings"])


def planned(settings: Settings, minutes: float | None, *run: object) -> Settings:
    """The settings, with as many steps as fit into the minutes. Ends the program where a run that
    was cut off would be lost. run: what `steps_within` takes besides."""
    if settings.state.exists():
        raise SystemExit(f"{settings.state} is of a run that was cut off: --resume, or delete it.")
    if minutes is None:
        return settings
    return replace(settings, steps=steps_within(minutes, settings, *run))


def steps_within(
    minutes: float, settings: Settings, model: nn.Module, loss_of: Loss, data: tuple[Tensor, ...]
) -> int:
    """How many steps fit into so many minutes here: a short trial on a copy of `model` tells.

    The trial is made as the run is: processes that train together also wait for each other in it.
    """
    trial, generator, twin, times = 12, torch.Generator().manual_seed(0), copy.deepcopy(model), []
    short = replace(settings, steps=trial, learning_rate=1e-4, restarts=())
    for _ in legs(short, twin, shared(twin, loss_of), data, generator, 0):
        times.append(time.perf_counter())
    seconds = torch.tensor((times[-1] - times[2]) / (trial - 3))  # the first ones are slower
    if distributed.is_initialized():
        seconds = seconds.to(next(model.parameters()).device)
        distributed.broadcast(seconds, 0)
    return max(1, int(60 * minutes / seconds.item()))


def print_digest(path: Path) -> None:
    """Print a file's size and SHA-256, which its reader in `course_utils.evaluation` holds."""
    raw = path.read_bytes()
    print(path.name, f"{len(raw):,} bytes, SHA-256", hashlib.sha256(raw).hexdigest(), flush=True)


def add_to_curve(path: Path, saved: Saved, **found: float) -> None:
    """Add a line to a run's curve. A run from random weights begins the file anew."""
    counts = saved.counts() | found
    first = saved.step == min(saved.settings.every, saved.settings.steps)
    old = path.read_text() if path.exists() else ""
    if not old or (first and not saved.settings.from_weights):
        old = ",".join(counts) + "\n"
    line = ",".join(map(str, counts.values())) + "\n"
    with files.whole(path) as beside:
        beside.write_text(old if old.endswith(f"\n{line}") else old + line)
