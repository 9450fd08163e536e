"""The training loop: the one that every lesson uses (lesson 02)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


def train(
    model: nn.Module,
    loss_of: Callable[..., Tensor],
    data: tuple[Tensor, ...],
    steps: int,
    generator: torch.Generator,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    precision: AbstractContextManager | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    start: int = 0,
) -> Iterator[float]:
    """Train `model` for `steps` steps, yielding the loss of each: the caller logs and plots.

    loss_of(model, *batch, generator) is the number to make small. data: tensors of equal length
    on the CPU, such as (images, labels); each step draws a batch from them with the CPU
    `generator`. The learning rate rises over the first tenth of the steps and falls to 0 along
    a cosine. precision: the context of the forward pass, such as `training.autocast(device)`.
    A run that was cut off goes on with its own optimizer, after the first `start` steps.
    """
    if optimizer is None:
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.99))
    warm_up = 0.1 if steps > 10 else 0.0  # the part of the run in which the rate rises
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, steps, pct_start=warm_up, last_epoch=start - 1
    )
    device = next(model.parameters()).device
    model.to(memory_format=torch.channels_last).train()  # the order convolutions are fastest in
    for _ in range(start, steps):
        chosen = torch.randint(len(data[0]), (batch_size,), generator=generator)
        batch = [tensor[chosen].to(device) for tensor in data]
        with precision or nullcontext():
            loss = loss_of(model, *batch, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        yield loss.item()
