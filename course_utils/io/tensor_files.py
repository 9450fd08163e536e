"""Safetensors files, opened wherever they lie, and what to do where that is not possible."""

import json
from pathlib import Path
from types import SimpleNamespace

from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor

from course_utils import ROOT


def mend(path: Path) -> str:
    """What to do about a file or folder that is missing or damaged."""
    if Path(path).resolve().is_relative_to(ROOT):
        return (
            f'If it came with the course, `git checkout "{path}"` restores it; if it is yours, '
            f"train or fetch it again."
        )
    return "Fetch it again from where it came from, or train and save it again."


def damaged(path: Path, why: object) -> ValueError:
    """The error that says that a file is damaged, and what to do."""
    return ValueError(f"{path} is damaged or only half there ({why}). {mend(path)}")


class Unmapped:
    """A safetensors file that is read tensor by tensor and not mapped; else as `safe_open`.

    Eight bytes hold the length of a header; the header is JSON and says of each tensor what it is
    and where it lies. Raises ValueError for a damaged file, OSError for one that can't be read.
    """

    def __init__(self, path: Path):
        self.path = path
        length = int.from_bytes(self.bytes_at(0, 8), "little")
        self.start = 8 + length
        size = path.stat().st_size
        if not 8 < self.start <= size:
            raise damaged(path, "its header ends beyond the file")
        try:
            self.header = json.loads(self.bytes_at(8, length))
            self.notes = self.header.pop("__metadata__", None)
            end = max((entry["data_offsets"][1] for entry in self.header.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(path, error) from error
        if self.start + end != size:
            raise damaged(path, f"it has {size} bytes and should have {self.start + end}")

    def bytes_at(self, start: int, number: int) -> bytes:
        """So many bytes of the file."""
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(number)
        except OSError as error:
            raise OSError(
                f"{self.path} can't be read ({error}). The file itself may be whole: see that you "
                f"may read it, and that its disk or network drive answers, or copy it to this "
                f"computer's own disk."
            ) from error

    def __enter__(self) -> "Unmapped":
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open between two reads."""

    def keys(self) -> list[str]:
        """The names of the tensors."""
        return list(self.header)

    def metadata(self) -> dict[str, str] | None:
        """The notes in the header."""
        return self.notes

    def get_slice(self, name: str) -> SimpleNamespace:
        """What knows the shape of a tensor."""
        return SimpleNamespace(get_shape=lambda: self.header[name]["shape"])

    def get_tensor(self, name: str) -> Tensor:
        """A tensor; safetensors reads it from a file with nothing else, made in memory."""
        start, end = self.header[name]["data_offsets"]
        alone = {name: self.header[name] | {"data_offsets": [0, end - start]}}
        header = json.dumps(alone).encode()
        content = self.bytes_at(self.start + start, end - start)
        try:
            return load(len(header).to_bytes(8, "little") + header + content)[name]
        except SafetensorError as error:
            raise damaged(self.path, error) from error


def opened(path: Path) -> safe_open | Unmapped:
    """A safetensors file, to be used in a `with`.

    Some network drives allow no mapping of files into memory ("os error 19"); there the file is
    read in the plain way. Raises ValueError where it is damaged, OSError where it can't be read.
    """
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise damaged(path, error) from error
    except (OSError, RuntimeError):  # the second is torch's, which maps the file as well
        return Unmapped(Path(path))
