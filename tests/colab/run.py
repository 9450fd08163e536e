"""Run a notebook in the environment of `tools/try_colab.py`: `run.py NOTEBOOK CONTENT`.

CONTENT is in the place of /content, where Colab's kernels start. Ends with 1, and says where, when
a cell fails, or shows fewer or more pictures than the committed notebook.
"""

import re
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError


def pictures(cell):
    kinds = [kind for output in cell.get("outputs", []) for kind in output.get("data", {})]
    return sum(kind.startswith("image/") for kind in kinds)


def main(path, content):
    start, name = time.time(), "/".join(path.split("/")[-2:])
    nb = nbformat.read(path, as_version=4)
    wanted = [pictures(cell) for cell in nb.cells]
    for cell in nb.cells:
        if "setup" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace("/content", content)
    nb.metadata["kernelspec"]["name"] = "python3"
    where = {"metadata": {"path": content}}
    try:
        NotebookClient(nb, timeout=600, resources=where).execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        said = re.sub(r"\x1b\[[\d;]*m", "", str(error))  # without colours
        sys.exit(f"--  {name}\n{said}")
    for number, (cell, count) in enumerate(zip(nb.cells, wanted, strict=True)):
        if pictures(cell) != count:
            sys.exit(f"--  {name}: cell {number} shows {pictures(cell)} pictures, not {count}")
    print(f"ok  {name}  {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
