"""Which exercises a learner has solved: one small file of theirs, read and written whole."""

import json
import os
from pathlib import Path

from course_utils import ROOT
from course_utils.io.files import whole


def place() -> Path:
    """The file: `progress.json` beside the course, or what COURSE_PROGRESS names."""
    return Path(os.environ.get("COURSE_PROGRESS") or ROOT / "progress.json")


def solved() -> set[str]:
    """The names of the exercises that were answered rightly, ever.

    Raises ValueError, with what to do, where the file is not what `keep` writes.
    """
    try:
        names = json.loads(place().read_text(encoding="utf-8"))["solved"]
        if all(isinstance(name, str) for name in names):
            return set(names)
    except FileNotFoundError:
        return set()
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"{place()} is damaged. Delete it: your exercises count again from then on.")


def keep(name: str) -> None:
    """Add an exercise to the file; raises OSError or ValueError, with what to do."""
    before = solved()
    if name not in before:
        text = json.dumps({"solved": sorted(before | {name})}, indent=1)
        with whole(place()) as path:
            path.write_text(text, encoding="utf-8")
