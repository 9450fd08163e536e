"""Keep the lessons tidy: `python -m tools.lessons {sync,run,check} [LESSON ...]`.

sync   copy into the lessons what stands elsewhere: definitions of course_utils/built, the Colab
       set-up cell and badge, the measured time and memory, the course's map (and the table in the
       README)
run    sync, execute the lesson in place, keep its outputs and a hash of the code that made them
check  fail where a lesson is out of sync, or was not run since its code changed

A LESSON is a number ("03": the lesson and its solutions), a name ("playground") or a path. Without
one: all.
"""

import ast
import hashlib
import json
import os
import re
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from course_utils.io import files
from course_utils.notebook import course_map
from tools.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "course_utils" / "built"
NOTEBOOKS = ROOT / "notebooks"
SOLUTIONS = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))
LESSONS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
BESIDE = sorted({*NOTEBOOKS.glob("*.ipynb")} - {*LESSONS})  # without a number: playground, clinic
MEASURED = ROOT / "data" / "measured.json"
# What a lesson fetches where the network allows; all run without.
DOWNLOADS = {"01_noise": "YOLO's weights (5 MB) if it can, and works without"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

SETUP = """\
# @title Set-up: in Google Colab this cell fetches the course; anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    import io
    import os
    import shutil
    import subprocess
    import tempfile
    import zipfile
    from pathlib import Path

    repository = "{repository}"
    course = Path("/content/course")
    if repository and not course.is_dir():
        subprocess.run(["git", "clone", "--depth=1", repository, str(course)], check=True)
    if not course.is_dir():  # no address yet: the course comes in a zip, of `make colab`
        from google.colab import drive, files

        name, my_drive = "diffusion-course*.zip", Path("/content/drive/MyDrive")
        zips = [*course.parent.glob(name), *my_drive.glob(name)]
        if not zips:
            print("Upload diffusion-course.zip; to take it from your Google Drive, cancel.")
            zips = [io.BytesIO(content) for content in files.upload().values()]
        if not zips:
            drive.mount("/content/drive")
            zips = [*my_drive.glob(name)]
        assert zips, "There is no diffusion-course.zip: `make colab` packs it. Run this cell again."
        assert zipfile.is_zipfile(zips[0]), "The zip is not whole: delete it, and upload it again."
        with tempfile.TemporaryDirectory(dir=course.parent) as unpacked:
            zipfile.ZipFile(zips[0]).extractall(unpacked)
            inside = [*Path(unpacked).rglob("course_utils/colab.py")]
            assert inside, "This zip is not the course: delete it, and upload that of `make colab`."
            shutil.move(inside[0].parents[1], course)
    sys.path.insert(0, str(course))
    os.chdir(course / "{folder}")
    from course_utils import colab

    colab.install_missing()
    colab.say_where_links_lead(repository)"""
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}
"""How the set-up cell's code is hidden: Colab shows its title alone, Jupyter three dots."""


def repository():
    """The course's public address, or "" as long as it has none."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return settings["tool"]["course"]["repository"].rstrip("/")


def definitions(source):
    """Map the name of each top-level def or class to its exact text."""
    lines = source.splitlines()
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name] = "\n".join(lines[first - 1 : node.end_lineno])
    return found


def built_definitions():
    """The source of each public definition of `built/`, by its name. Ends the program where two
    files define one."""
    found = {}
    for module in sorted(BUILT.glob("**/*.py")):
        for name, text in definitions(module.read_text()).items():
            if name in found:
                raise SystemExit(f"{name} is defined twice in course_utils/built ({module.name})")
            found[name] = text
    return found


def code_cells(nb):
    """Cells of plain Python; a cell of magics starts with % or !."""
    return [c for c in nb.cells if c.cell_type == "code" and not c.source.startswith(("%", "!"))]


def tags(cell):
    """The tags of a cell, which say how nbval and the reading edition treat it."""
    return cell.metadata.get("tags", [])


def code_hash(nb):
    """A hash of the code whose outputs are kept: all but the set-up cell, which has none."""
    code = [c.source for c in nb.cells if c.cell_type == "code" and "setup" not in tags(c)]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()[:16]


def measured():
    """What tools.measure has found: seconds and memory of each lesson, and the processor."""
    return json.loads(MEASURED.read_text()) if MEASURED.exists() else {"lessons": {}}


def minutes(seconds):
    """Seconds as a reader wants them: to the half minute, rounded up."""
    halves = -(-seconds // 30)
    return "under half a minute" if halves <= 1 else f"{halves / 2:g} min"


def takes(stem):
    """The line at a lesson's top that states its time, memory and downloads, or None."""
    found = measured()["lessons"].get(stem)
    if found is None:
        return None
    downloads = DOWNLOADS.get(stem, "nothing")
    return (
        f"**Takes** {minutes(found['seconds'])} and {found['memory_gb']:.1f} GB of memory on 2 "
        f"processor cores. Downloads {downloads}."
    )


def here(stem):
    """The lines at a lesson's top that hold the course's map, and lead to pages beside it."""
    found, part = [], ""
    for row, lessons in course_map.ROWS.items():
        links = [_on_the_map(lesson, stem) for lesson in lessons if course_map.written(lesson)]
        found.append(f"{' '.join(row.split())}: {' '.join(links)}")
        if stem in {lesson.stem for lesson in lessons}:
            part = row.split()[-1]
    sheet = f", [cheat sheet](../docs/cheat_sheet_{part}.md)" if part else ""
    pages = "[notation](../docs/notation.md), [glossary](../docs/glossary.md)"
    return [f"**You are here** {' · '.join(found)}", f"Symbols and terms: {pages}{sheet}."]


def _on_the_map(lesson, stem):
    number, title = lesson.stem[:2], " ".join(lesson.title.split())
    return f"**{number} {title}**" if lesson.stem == stem else f"[{number}]({lesson.stem}.ipynb)"


def badge(path):
    """The Markdown of a lesson's "Open in Colab" badge."""
    notebook = path.relative_to(ROOT).as_posix()
    opens = repository().replace("github.com", "colab.research.google.com/github", 1)
    image = "https://colab.research.google.com/assets/colab-badge.svg"
    return f"[![Open in Colab]({image})]({opens}/blob/main/{notebook})"


def sync_first_cell(nb, path):
    """The badge above the title; below it the measured line, the map, links to other pages."""
    cell = nb.cells[0]
    kept = [line for line in cell.source.splitlines() if not line.startswith("[![Open in Colab]")]
    if path in LESSONS + BESIDE:
        line = takes(path.stem)
        kept = [line if line and old.startswith("**Takes**") else old for old in kept]
        kept = [old for old in kept if not old.startswith(("**You are here**", "Symbols and"))]
        kept = "\n".join(kept).rstrip().splitlines() + [f"\n{line}" for line in here(path.stem)]
    text = "\n".join(kept).lstrip("\n")
    cell.source = f"{badge(path)}\n\n{text}" if repository() else text


def sync(nb, path):
    """Bring a lesson up to date with `built/`, the set-up cell and its measured time."""
    sync_first_cell(nb, path)
    built = built_definitions()
    for cell in code_cells(nb):
        if "setup" in tags(cell):
            folder = path.parent.relative_to(ROOT).as_posix()
            cell.source = SETUP.format(repository=repository(), folder=folder)
            cell.metadata.update(nbformat.from_dict(FOLDED))
        for name, text in definitions(cell.source).items():
            cell.source = cell.source.replace(text, built.get(name, text))


def run(nb, folder):
    """Execute a notebook in a fresh kernel; it keeps what does not differ from run to run."""
    where = {"metadata": {"path": str(folder)}}
    # What a kernel sends in one piece or in two, as chance has it, is one output.
    how = {"timeout": 600, "record_timing": False, "coalesce_streams": True}
    with tempfile.TemporaryDirectory() as own:  # nothing is solved yet, whatever ran before
        env = os.environ | SETTINGS | {"COURSE_PROGRESS": f"{own}/progress.json"}
        NotebookClient(nb, resources=where, **how).execute(env=env)
    tidy(nb)
    nb.metadata["course"] = {"executed": code_hash(nb)}


def tidy(nb):
    """Drop what changes from run to run: timings, widgets, versions. The set-up stays folded."""
    nb.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in nb.cells:
        kept = {"tags", *FOLDED} if "setup" in tags(cell) else {"tags"}
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in kept}
        if cell.cell_type == "code":
            cell.outputs = [
                output
                for output in cell.outputs
                if "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            ]


def readme_table():
    """The README's table of lessons, from each lesson's own first cell and the measured times."""
    rows = ["| lesson | question | on 2 cores | you build |", "|---|---|---|---|"]
    for path in LESSONS:
        first = nbformat.read(path, as_version=4).cells[0].source
        title = re.search(r"^# (.+)$", first, re.M)[1]
        question = re.search(r"^\*(.+)\*$", first, re.M)[1]
        builds = re.search(r"^\*\*You build\*\* (.+)$", first, re.M)[1].rstrip(".")
        seconds = measured()["lessons"].get(path.stem, {}).get("seconds")
        time = minutes(seconds) if seconds is not None else ""
        rows.append(f"| [{title}](notebooks/{path.name}) | {question} | {time} | {builds} |")
    return "\n".join(rows)


def sync_readme(text):
    """README with a new table of lessons."""
    return re.sub(
        r"(<!-- lessons -->\n).*?(\n<!-- end of lessons -->)",
        lambda m: m[1] + readme_table() + m[2],
        text,
        flags=re.S,
    )


def named(name):
    """The notebooks that a number or a path on the command line means."""
    every = LESSONS + BESIDE + SOLUTIONS
    found = [p for p in every if p.stem == name or p.stem.startswith(f"{name}_")]
    found = found or [p for p in every if p == Path(name).resolve()]
    return found or sys.exit(f"There is no lesson {name!r} in notebooks/.")


def main(command, *names):
    if command not in ("sync", "run", "check"):
        sys.exit(__doc__)
    stale = []
    for path in [p for name in names for p in named(name)] or LESSONS + BESIDE + SOLUTIONS:
        before = path.read_text()
        nb = nbformat.reads(before, as_version=4)
        sync(nb, path)
        if command == "run":
            print(f"running {path.relative_to(ROOT)}", flush=True)
            run(nb, path.parent)
        after = nbformat.writes(nb) + "\n"
        if command != "check":
            with files.whole(path) as beside:  # a full disk must not cost a lesson
                beside.write_text(after)
        elif after != before:
            stale.append(f"{path.name} is out of sync with what it shows: make sync")
        elif nb.metadata.get("course", {}).get("executed") != code_hash(nb):
            stale.append(
                f"{path.name} was not run since its code changed: make run LESSON={path.stem[:2]}"
            )
    readme = ROOT / "README.md"
    synced = sync_readme(readme.read_text())
    if command != "check":
        readme.write_text(synced)
    elif synced != readme.read_text():
        stale.append("README.md's table of lessons is out of date: make sync")
    if stale:
        sys.exit("\n".join(stale))


if __name__ == "__main__":
    main(*sys.argv[1:] or [""])
