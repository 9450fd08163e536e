"""Who may import whom: the layers of CONTRIBUTING.md, read off the sources."""

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from course_utils import ROOT
from tools.lessons import LESSONS, code_cells, definitions

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "course_utils").rglob("*.py"))
}
BELOW = {
    "built": {"built"},
    "io": {"io"},
    "data": {"data", "io"},
    "training": {"io"},
    "evaluation": {"evaluation", "built", "data", "io"},
    "diffusers_format": {"diffusers_format", "built", "io"},
    "notebook": {"notebook", "data", "io", "training", "colab"},
    "checks": {"checks", "built", "data", "evaluation", "diffusers_format", "notebook", "io"},
    "colab": set(),
}
"""What each room of course_utils, a folder or a file, may import. None may import tools."""


class Import(NamedTuple):
    """That one module imports another, and whether as soon as it is imported itself."""

    module: str
    imported: str
    at_once: bool


def imports(module: str, path: Path) -> list[Import]:
    """All imports in a file; `from package import module` counts as an import of the module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_once = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: the course's imports name the whole module"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in inside]
        found += [Import(module, name, id(node) in at_once) for name in names]
    return found


EVERY = [found for module, path in MODULES.items() for found in imports(module, path)]
OURS = [found for found in EVERY if found.imported.split(".")[0] in ("course_utils", "tools")]


def room(module: str) -> str:
    """The folder or file of course_utils that a module is in; "" for the package itself."""
    return (module.split(".") + ["", ""])[1]


def lesson_of(module: str) -> int | None:
    """The lesson that builds a file of `built`, by the first line of its docstring."""
    first = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    found = re.search(r"\(lesson (\d\d)\)\.$", first.splitlines()[0])
    return int(found[1]) if found else None


BUILT = [module for module in MODULES if module.startswith("course_utils.built.")]


def test_every_room_has_its_rule():
    assert {room(module) for module in MODULES} - {""} == set(BELOW)


@pytest.mark.parametrize("module", [m for m in MODULES if room(m)])
def test_imports_only_what_lies_below(module):
    for found in OURS:
        if found.module == module:
            assert not found.imported.startswith("tools"), f"{module} imports {found.imported}"
            assert room(found.imported) in BELOW[room(module)] | {""}, (
                f"{module} imports {found.imported}"
            )


def test_no_module_imports_itself_by_way_of_others():
    graph = {module: set() for module in MODULES}
    for found in OURS:
        if found.at_once:
            graph[found.module].add(found.imported)
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_what_the_learner_builds_needs_python_and_torch_alone():
    used = {f.imported.split(".")[0] for f in EVERY if f.module in BUILT}
    assert used - sys.stdlib_module_names == {"torch", "course_utils"}


def test_the_check_of_a_machine_and_the_colab_cell_start_where_packages_are_missing():
    modules = ("notebook.environment", "notebook.cures", "notebook.smoke_tests", "colab")
    for module in modules:
        at_once = {
            f.imported.split(".")[0]
            for f in EVERY
            if f.module == f"course_utils.{module}" and f.at_once
        }
        assert at_once - sys.stdlib_module_names == {"course_utils"}


@pytest.mark.parametrize("module", BUILT)
def test_a_lesson_builds_on_lessons_before_it(module):
    lesson = lesson_of(module)
    assert lesson is not None, "the first line of its docstring ends with its lesson: (lesson 09)."
    for found in OURS:
        if found.module == module and found.imported in BUILT:
            assert lesson_of(found.imported) <= lesson, f"{module} imports {found.imported}"


@pytest.mark.parametrize("module", BUILT)
def test_the_docstring_names_the_lesson_that_shows_it(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    names = [n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    notebooks = {int(path.stem[:2]): path for path in LESSONS}
    notebook = notebooks[lesson_of(module)]
    cells = code_cells(nbformat.read(notebook, as_version=4))
    shown = {name for cell in cells for name in definitions(cell.source)}
    assert {name for name in names if not name.startswith("_")} - shown == set()
