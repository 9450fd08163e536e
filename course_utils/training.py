"""What every training run needs and no lesson explains: device, seeds, precision, progress, files.

The training loop itself is `course_utils.built.train`; lesson 02 builds it.
"""

import os
import random
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from course_utils import files


def device() -> torch.device:
    """The fastest device at hand: CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed(number: int) -> torch.Generator:
    """Seed Python, numpy and torch; return a CPU generator with this seed, to draw noise from."""
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.manual_seed(number)
    return torch.Generator().manual_seed(number)


def budget(steps: int) -> int:
    """`steps` times the environment's COURSE_BUDGET (default 1), at least 1.

    A learner with a GPU sets COURSE_BUDGET=10 before starting Jupyter and trains ten times longer.
    Raises ValueError where COURSE_BUDGET is not a positive number.
    """
    text = os.environ.get("COURSE_BUDGET", "1")
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise ValueError(f"COURSE_BUDGET is {text!r}; set it to a positive number such as 1 or 10.")
    return max(1, round(steps * factor))


def has_bf16(where: torch.device) -> bool:
    """Whether `where` multiplies bfloat16 matrices faster than float32 ones."""
    if where.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if where.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        found = torch.cpu.get_capabilities()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    return False


def autocast(where: torch.device) -> torch.autocast:
    """A context in which layers compute in bfloat16 where the device is faster at it.

    Weights stay float32. On other devices the context does nothing.
    """
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=has_bf16(where))


@contextmanager
def _interrupt_as_flag() -> Iterator[threading.Event]:
    """Within it, Jupyter's stop button (SIGINT) sets a flag; a second press raises as usual."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may change signal handlers
        return

    def handler(signum, frame):
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def progress(losses: Iterable[float], total: int) -> Iterator[float]:
    """Pass on what a training loop yields, under a progress bar with the time that is left.

    When the learner interrupts the cell, the loop ends after the step it is in and returns
    normally: the model keeps what it has learned. A second interrupt stops the step itself, with
    KeyboardInterrupt. `losses` yields one number a step; `total` is the number of steps.
    """
    done = 0
    # To stdout: what stderr gets, Jupyter shows on the red of an error.
    bar = tqdm(total=total, unit="step", mininterval=0.5, file=sys.stdout)
    with _interrupt_as_flag() as asked, bar:
        for loss in losses:
            done += 1
            bar.update()
            if done % 10 == 0:
                bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            yield loss
            if asked.is_set():
                break
    if asked.is_set() and done < total:
        print(f"Interrupted after step {done} of {total}. The model keeps what it has learned.")


def expect(ok: bool, claim: str, *, done: int, planned: int) -> None:
    """Assert what the text claims of a training run, if the run was a full one.

    `done` steps were made, `planned` is what the lesson plans at COURSE_BUDGET=1. After a shorter
    run (interrupted, or a small budget) nothing is raised; the line says what a full one reaches.
    Raises AssertionError where a full run missed the claim.
    """
    if done < planned:
        print(f"This run made {done} of {planned} steps. A full run reaches: {claim}.")
        return
    assert ok, f"This run should have reached: {claim}. Run the lesson again from its top."
    print(f"Reached: {claim}.")


def write_tensors(path: str | Path, tensors: dict[str, Tensor], **notes: object) -> Path:
    """Write tensors to `path` (.safetensors), whole or not at all.

    A full disk or a killed kernel leaves the older file as it was (`files.whole`). `notes` are kept
    in the file's header as text. Raises OSError where the file cannot be written.
    """
    # Copies, as the format knows neither shared memory nor strides.
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    with files.whole(path) as beside:
        try:
            save_file(copies, beside, {key: str(value) for key, value in notes.items()})
        except SafetensorError as error:  # which is no OSError, whatever the disk says
            raise OSError(str(error)) from error
    return Path(path)


def save_checkpoint(path: str | Path, model: nn.Module, **notes: object) -> Path:
    """Write a model's weights to `path` (.safetensors), whole or not at all.

    Weights that the model shares under two names are written under both. `notes` are kept in the
    file's header as text. Raises OSError where the file cannot be written.
    """
    return write_tensors(path, model.state_dict(), **notes)


def load_checkpoint(path: str | Path, model: nn.Module) -> nn.Module:
    """Load weights that `save_checkpoint` wrote into `model`, and return the model.

    Raises FileNotFoundError where there is no such file, and ValueError where the file is damaged
    or belongs to another model.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no checkpoint {path}. Train the model first, or `git pull`."
        )
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path.name} is damaged or only half there ({error}). Delete it; then train again, or "
            f'restore the course\'s file with `git checkout "{path}"`.'
        ) from error
    _check_same_layout(path.name, weights, model.state_dict())
    model.load_state_dict(weights)
    return model


def _check_same_layout(name: str, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    differing = sorted(
        key
        for key in found.keys() | wanted.keys()
        if key not in found or key not in wanted or found[key].shape != wanted[key].shape
    )
    if differing:
        raise ValueError(
            f"{name} holds the weights of another model: {len(differing)} tensors differ in name "
            f"or shape, the first is {differing[0]!r}. Build the model with the arguments it was "
            f"trained with."
        )
