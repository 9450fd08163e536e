"""Measure lessons on this machine: `python -m tools.measure [LESSON ...] [--runs N]` (Linux only).

Executes each lesson in a fresh kernel, without touching its file, and writes into
data/measured.json how long the whole run took, kernel start included, and the most memory that
the kernel's process held. A LESSON is a number or a path as for tools.lessons; without one: all.
What is there of other lessons stays. Of several runs the fastest counts: what else the machine does
only adds to it. `python -m tools.lessons sync` then stamps the numbers.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tools import lessons, machine
from tools.settings import TIMED


def measure(path: Path) -> dict[str, float]:
    """Execute a notebook and return its seconds and memory_gb. Raises what a cell raises."""
    nb = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    client = NotebookClient(nb, timeout=600, resources={"metadata": {"path": str(path.parent)}})
    with client.setup_kernel(env=os.environ | TIMED):
        for index, cell in enumerate(nb.cells):
            client.execute_cell(cell, index)
        memory = machine.memory("VmHWM", client.km.provisioner.pid)
    return {"seconds": round(time.perf_counter() - started, 1), "memory_gb": round(memory, 2)}


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.measure", description=__doc__)
    parser.add_argument("lessons", nargs="*", help="numbers or paths; all without one")
    parser.add_argument("--runs", type=int, default=1, help="of each lesson; the fastest counts")
    asked = parser.parse_args(arguments)
    if not Path("/proc/self/status").exists():
        sys.exit("Memory is read from /proc: measure on Linux.")
    paths = [path for name in asked.lessons for path in lessons.named(name)]
    paths = [path for path in paths if path in lessons.LESSONS]
    if asked.lessons and not paths:
        sys.exit(f"{' '.join(asked.lessons)}: only numbered lessons are measured.")
    for path in paths or lessons.LESSONS:
        print(f"measuring {path.name}", end=" ", flush=True)
        found = min((measure(path) for _ in range(asked.runs)), key=lambda run: run["seconds"])
        print(f"{found['seconds']} s, {found['memory_gb']} GB")
        kept = lessons.measured()
        kept.update(processor=machine.processor(), threads=int(TIMED["OMP_NUM_THREADS"]))
        kept["lessons"] = dict(sorted((kept["lessons"] | {path.stem: found}).items()))
        lessons.MEASURED.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
