"""How much faster than a plain loop is the course's? `python -m tools.benchmark_training`

Trains lesson 03's U-Net on MNIST with the same batches and threads in two ways and prints pictures
per second: a plain float32 loop over a `DataLoader` on a `TensorDataset` in memory, and
`course_utils.built.train` as the lessons call it.
"""

import time
from collections.abc import Iterator
from itertools import islice
from statistics import median

import torch
from torch.utils.data import DataLoader, TensorDataset

from course_utils import training
from course_utils.built.denoise import denoising_loss
from course_utils.built.plain_unet import PlainUNet
from course_utils.built.train import train
from course_utils.data import datasets

BATCH, STEPS, WARM_UP = 128, 40, 5


def plain_loop(model: PlainUNet, images: torch.Tensor, generator: torch.Generator):
    """The loop of most tutorials."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for (batch,) in DataLoader(TensorDataset(images), BATCH, shuffle=True, generator=generator):
        loss = denoising_loss(model, batch, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def course_loop(model: PlainUNet, images: torch.Tensor, generator: torch.Generator):
    precision = training.autocast(torch.device("cpu"))
    yield from train(model, denoising_loss, (images,), 10_000, generator, BATCH, 1e-3, precision)


def step_seconds(loop: Iterator[float]) -> list[float]:
    """Seconds of each step after the first few."""
    seconds, last = [], time.perf_counter()
    for _ in islice(loop, STEPS + WARM_UP):
        now = time.perf_counter()
        seconds.append(now - last)
        last = now
    return seconds[WARM_UP:]


def main() -> None:
    images, _ = datasets.mnist()
    speed = {}
    for name, loop in (("plain loop", plain_loop), ("course loop", course_loop)):
        generator = training.seed(0)
        speed[name] = BATCH / median(step_seconds(loop(PlainUNet(), images, generator)))
        print(f"{name:12} {speed[name]:6.0f} pictures/s")
    bf16 = "with" if training.has_bf16(torch.device("cpu")) else "without"
    ratio = speed["course loop"] / speed["plain loop"]
    print(f"{ratio:.2f} times as fast, {torch.get_num_threads()} threads, {bf16} bfloat16")


if __name__ == "__main__":
    main()
