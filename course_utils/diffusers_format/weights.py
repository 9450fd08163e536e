"""Weights in safetensors files: found, checked against a network, and read one tensor at a time."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from course_utils.io.tensor_files import damaged, mend, opened

PICKLED = (".ckpt", ".bin", ".pt", ".pth", ".pkl")


class Weights:
    """The names and shapes of the tensors in some safetensors files; reads them when asked.

    Raises FileNotFoundError for a missing file; OSError where the disk can't be read; ValueError
    for a damaged file, or one that holds something else than safetensors: that is not opened.
    """

    def __init__(self, *files: Path):
        self.files = files
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.file_of: dict[str, Path] = {}
        for path in files:
            refuse_foreign(path)
            with opened(path) as file:
                for name in file.keys():
                    self.shapes[name] = tuple(file.get_slice(name).get_shape())
                    self.file_of[name] = path

    def read(self, names: set[str]) -> Iterator[tuple[str, Tensor]]:
        """These tensors with their names, one after the other, as they are in the files."""
        for path in self.files:
            with opened(path) as file:
                for name in names & set(file.keys()):
                    yield name, file.get_tensor(name)


def refuse_foreign(path: Path) -> None:
    """Raise ValueError where a file is surely no safetensors file; its first bytes tell."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    with path.open("rb") as file:
        first = file.read(64)
    if path.suffix in PICKLED or first[:2] in (b"PK", b"\x80\x02", b"\x80\x04"):
        raise ValueError(
            f"{path.name} is a pickled checkpoint, and opening one can run any code that somebody "
            f"put into it. Take the file of the same model that ends in .safetensors."
        )
    if first.startswith(b"version https://git-lfs"):
        raise ValueError(
            f"{path.name} is only the pointer that git keeps: run `git lfs pull` in its folder."
        )


def find_files(folder: Path, stem: str, half: bool = False) -> list[Path]:
    """The files in which a part's weights are published: one or several, in one of the variants.

    stem: the name without endings; a variant stands behind it ("fp16", "non_ema", ...), or behind
    the index. half: whether half precision is taken first. Raises FileNotFoundError where there are
    no files, ValueError where there are only pickled ones or an index is damaged.
    """
    name = rf"{stem}(?:\.(\w+))?\.safetensors(?:\.index(?:\.(\w+))?\.json)?"
    first = ["fp16", "bf16", "", "fp32"] if half else ["", "fp32", "fp16", "bf16"]
    there = {}
    for path in folder.glob(f"{stem}.*"):
        if path.is_file() and (match := re.fullmatch(name, path.name)):
            variant = match[1] or match[2] or ""
            rank = first.index(variant) if variant in first else len(first)
            there[rank, variant, path.suffix == ".json"] = path
    if not there:
        for path in sorted(folder.glob(f"*{stem}*")):
            refuse_foreign(path)
        raise FileNotFoundError(f"{folder} lacks {stem}.safetensors. {mend(folder)}")
    chosen = there[min(there)]
    if chosen.suffix == ".safetensors":
        return [chosen]
    try:
        return sorted({folder / n for n in json.loads(chosen.read_text())["weight_map"].values()})
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise damaged(chosen, error) from error


def reshaped(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a tensor is as wanted, or a linear layer written as a 1 x 1 convolution."""
    return shape == wanted or (len(wanted) == 2 and shape == (*wanted, 1, 1))


def fill(
    model: nn.Module,
    weights: Weights,
    names: Mapping[str, str],
    modern: Callable[[str], str] = str,
    left_over: str = "$^",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """Give a model that was built on the meta device its weights, and return it.

    names: ours -> theirs. modern: turns a name in the files into the one that `names` has.
    left_over: a pattern of names that may be in the files and are not needed. Nothing else may be
    missing or left over. Raises ValueError, with a name, where it is or shapes differ.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    theirs = {modern(name): name for name in weights.shapes if not re.fullmatch(left_over, name)}
    differing = theirs.keys() ^ set(names.values())
    differing |= {
        their
        for our, their in names.items()
        if their in theirs and not reshaped(weights.shapes[theirs[their]], shapes[our])
    }
    if differing:
        raise ValueError(
            f"{weights.files[0]} holds the weights of another model: {len(differing)} tensors "
            f"differ in name or shape from what is expected, the first is {min(differing)!r}."
        )
    ours = {theirs[their]: our for our, their in names.items()}
    filled = {
        ours[name]: tensor.to(device, dtype, copy=True).reshape(shapes[ours[name]])
        for name, tensor in weights.read(set(ours))
    }
    model.load_state_dict(filled, assign=True)
    return model
