"""Stands in for google.colab.files."""

import os
from pathlib import Path


def upload(target_dir: str = "") -> dict[str, bytes]:
    """The chosen file, written to the working folder as Colab does, and its content by its name."""
    chosen = os.environ.get("COLAB_UPLOAD")
    if not chosen:
        return {}
    content = Path(chosen).read_bytes()
    (Path(target_dir) / Path(chosen).name).write_bytes(content)
    return {Path(chosen).name: content}
