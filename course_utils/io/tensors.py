"""Weights and other tensors as safetensors files, written whole or not at all."""

import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from course_utils.io import files
from course_utils.io.tensor_files import opened

EARLIER = re.compile(r"(^|\.)(enter|leave|shrink|grow|looks|self_attention|cross_attention)\.")
"""What stands in the names of weights that were saved before version 0.2."""


def write_tensors(path: str | Path, tensors: dict[str, Tensor], **notes: object) -> Path:
    """Write tensors to `path` (.safetensors), whole or not at all.

    A full disk or a killed kernel leaves the older file as it was (`files.whole`). `notes` are kept
    in the file's header as text. Raises OSError where the file cannot be written, and ValueError
    where a tensor holds nan or infinity: weights that are lost never replace good ones.
    """
    _check_finite(Path(path).name, tensors)
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


def _check_finite(name: str, tensors: dict[str, Tensor]) -> None:
    spoiled = [key for key, tensor in tensors.items() if not tensor.isfinite().all()]
    if spoiled:
        raise ValueError(
            f"{name} was not written: {len(spoiled)} of its {len(tensors)} tensors hold nan or "
            f"infinity, the first is {spoiled[0]!r}. What was there before is as it was. Train "
            f"again from there, with a smaller learning rate or in float32."
        )


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a .safetensors file and the notes in its header, in memory of their own.

    What safetensors returns lies in the file itself, mapped into memory, and holds it open: on
    Windows nothing could then be saved in its place. Raises ValueError where the file is damaged,
    OSError where it cannot be read.
    """
    with opened(Path(path)) as file:
        tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def save_checkpoint(path: str | Path, model: nn.Module, **notes: object) -> Path:
    """Write a model's weights to `path` (.safetensors), whole or not at all.

    Weights that the model shares under two names are written under both. `notes` are kept in the
    file's header as text. Raises what `write_tensors` raises.
    """
    return write_tensors(path, model.state_dict(), **notes)


def load_checkpoint(path: str | Path, model: nn.Module) -> nn.Module:
    """Load weights that `save_checkpoint` wrote into `model`, and return the model.

    Raises FileNotFoundError where there is no such file, ValueError where the file is damaged or
    belongs to another model, and OSError where its disk can't be read.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no checkpoint {path}. Train the model first, or `git pull`."
        )
    weights, _ = read_tensors(path)
    _check_same_layout(path.name, weights, model.state_dict())
    model.load_state_dict(weights)
    return model


def _check_same_layout(name: str, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    differing = sorted(
        key
        for key in found.keys() | wanted.keys()
        if key not in found or key not in wanted or found[key].shape != wanted[key].shape
    )
    if any(EARLIER.search(key) for key in found):
        raise ValueError(
            f"{name} was saved by an earlier version of the course, whose layers had other names. "
            f"Train the model again, and save it under this name."
        )
    if differing:
        raise ValueError(
            f"{name} holds the weights of another model: {len(differing)} tensors differ in name "
            f"or shape, the first is {differing[0]!r}. Build the model with the arguments it was "
            f"trained with."
        )
