"""The training loop: the one that every lesson uses (lesson 02)."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


def channels_last(model: nn.Module) -> nn.Module:
    """The model, changed in place to the order in which convolutions are fastest.

    Not on Apple's MPS: some versions of torch fail there in the backward pass, and others compute
    something else without a word (github.com/pytorch/pytorch, issues 140902 and 180984).
    """
    if next(model.parameters()).device.type != "mps":
        model.to(memory_format=torch.channels_last)
    return model


def _check_loss(value: float, name: str, step: int, steps: int, learning_rate: float) -> None:
    if not math.isfinite(value):
        raise FloatingPointError(
            f"The loss ({name}) of step {step} of {steps} is {value}: training has diverged and "
            f"stops here. Make the model anew, and try a learning rate under {learning_rate:g}, "
            f"float32 in the place of half precision, and data in [-1, 1] without nan."
        )


def train(
    model: nn.Module,
    loss_of: Callable[..., Tensor],
    data: tuple[Tensor, ...],
    steps: int,
    generator: torch.Generator,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    precision: AbstractContextManager | None = None,
) -> Iterator[float]:
    """Train `model` for `steps` steps, yielding the loss of each: the caller logs and plots.

    loss_of(model, *batch, generator) is the number to make small. data: tensors of equal length
    on the CPU, such as (images, labels); each step draws a batch from them with the CPU
    `generator`. The learning rate rises over the first tenth of the steps and falls to 0 along
    a cosine. precision: the context of the forward pass, such as `training.autocast(device)`.
    Raises FloatingPointError where the loss is nan or infinite, before it changes the weights.
    """
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, betas=(0.9, 0.99), fused=True)
    warm_up = 0.1 if steps > 10 else 0.0  # the part of the run in which the rate rises
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=warm_up)
    device = next(model.parameters()).device
    name = getattr(loss_of, "__name__", "loss_of")
    channels_last(model).train()
    for step in range(steps):
        chosen = torch.randint(len(data[0]), (batch_size,), generator=generator)
        batch = [tensor[chosen].to(device) for tensor in data]
        with precision or nullcontext():
            loss = loss_of(model, *batch, generator)
        value = loss.item()  # waits for a GPU, once a step; what follows here it does meanwhile
        _check_loss(value, name, step + 1, steps, learning_rate)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        yield value
