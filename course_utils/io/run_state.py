"""Training runs that can be cut off: their whole state in one file, from which they go on.

A run that goes on makes the steps that it would have made, number for number: besides the weights
the file holds the optimizer's averages, the random generator's state and what has been counted.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from course_utils.io.tensors import read_tensors, write_tensors


def save_run(
    path: str | Path,
    optimizer: torch.optim.Optimizer | None,
    generator: torch.Generator,
    modules: dict[str, nn.Module],
    **counts: float,
) -> None:
    """Write the state of a run to `path` (.safetensors), whole or not at all.

    modules: what is trained, and its averages, by name. optimizer: None between parts of a run that
    each begin with a new one. counts: numbers that come back from `load_run`, such as the steps
    made. Raises what `tensors.write_tensors` raises, for a run that has become nan too.
    """
    tensors = {"generator": generator.get_state()}
    for name, module in modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    state = optimizer.state_dict() if optimizer else {"state": {}, "param_groups": []}
    for index, values in state["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in values.items()}
    write_tensors(
        path, tensors, counts=json.dumps(counts), groups=json.dumps(state["param_groups"])
    )


def load_run(
    path: str | Path,
    optimizer: torch.optim.Optimizer | None,
    generator: torch.Generator,
    modules: dict[str, nn.Module],
) -> dict[str, float]:
    """Put a run that `save_run` wrote back into the same objects; return its counts.

    Raises FileNotFoundError where there is no such file, and ValueError where it is damaged or of
    another run; the objects may then be half changed: make new ones.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no saved run {path}: start one.")
    try:
        tensors, notes = read_tensors(path)
        counts, groups = json.loads(notes["counts"]), json.loads(notes["groups"])
        for name, module in modules.items():
            module.load_state_dict(_part(tensors, name))
        if optimizer:
            optimizer.load_state_dict({"state": _by_index(tensors), "param_groups": groups})
            _lay_out_as_weights(optimizer)
        generator.set_state(tensors["generator"])
    except (SafetensorError, OSError, KeyError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged, or of another run ({str(error).splitlines()[0]}). Delete it to "
            f"start anew."
        ) from error
    return counts


def saved_counts(path: str | Path) -> dict[str, float]:
    """The counts of a run that `save_run` wrote; none where there is no such file."""
    try:
        with safe_open(path, "pt") as file:
            return json.loads(file.metadata()["counts"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return {}


def _lay_out_as_weights(optimizer: torch.optim.Optimizer) -> None:
    """Put averages into the weights' memory format: fused optimizers go by memory, not by strides.

    With weights in channels_last and averages that are not, each weight would get another's.
    """
    for weight, values in optimizer.state.items():
        for key, value in values.items():
            if value.shape == weight.shape:
                values[key] = torch.empty_like(weight).copy_(value)


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}


def _by_index(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _part(tensors, "optimizer").items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    return state
