"""What every training run needs and no lesson explains: device, seeds, precision, progress, files.

The training loop itself is `course_utils.built.train`; lesson 02 builds it.
"""

import math
import os
import random
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from tqdm import tqdm


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
        if signal.getsignal(signal.SIGINT) is handler:  # else a later loop has it by now
            signal.signal(signal.SIGINT, before)


def progress(losses: Iterable[float], total: int) -> Iterator[float]:
    """Pass on what a training loop yields, under a progress bar with the time that is left.

    When the learner interrupts the cell, the loop ends after the step it is in and returns
    normally: the model keeps what it has learned. A second interrupt stops the step itself, with
    KeyboardInterrupt. `losses` yields one number a step; `total` is the number of steps. Raises
    FloatingPointError where one is nan or infinite: also for loops of the learner's own.
    """
    done = 0
    # To stdout: what stderr gets, Jupyter shows on the red of an error. At position 0: below a bar
    # that was left by `break` and is still open, tqdm would print a new line at every step.
    bar = tqdm(total=total, unit="step", mininterval=0.5, file=sys.stdout, position=0)
    with _interrupt_as_flag() as asked, bar:
        for loss in losses:
            done += 1
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"The loss of step {done} of {total} is {float(loss)}: training has diverged "
                    f"and stops here. Make the model anew, and try a smaller learning rate, "
                    f"float32 in the place of half precision, and data in [-1, 1] without nan."
                )
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
