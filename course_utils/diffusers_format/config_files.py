"""Configs: JSON files that hold one dictionary, written whole and read with clear errors."""

import json
from pathlib import Path

from course_utils.io import files
from course_utils.io.tensor_files import damaged, mend


def write_json(path: Path, content: dict) -> None:
    """Write a config. Raises OSError where that is not possible."""
    with files.whole(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """Read a config. Raises FileNotFoundError where it is missing, ValueError where damaged."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} lacks {path.name}. {mend(path.parent)}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
    except ValueError as error:
        raise damaged(path, error) from error
    return content
