"""Several processes that train one model together, under torchrun, by torch's
DistributedDataParallel: each draws its share of every batch, and they average gradients."""

import atexit
import os
from collections.abc import Callable

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from course_utils.built.train import channels_last


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
    channels_last(model)  # as the loop wants it, before DDP looks at it
    objective = DistributedDataParallel(Objective(model, loss_of))
    return lambda _, *batch: objective(*batch)


def share(batch_size: int) -> int:
    """This process's part of a batch. Raises ValueError where the batch can't be shared out."""
    world = join()[1]
    if batch_size % world:
        raise ValueError(f"A batch of {batch_size} can't be shared by {world} processes.")
    return batch_size // world


def seed_apart(generator: torch.Generator, seed: int, done: int) -> None:
    """Where several processes train, seed this one's generator apart from the others'."""
    rank, world = join()
    if world > 1:
        generator.manual_seed(seed + done * world + rank)
