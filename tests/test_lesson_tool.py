"""The tools that keep lessons tidy, tried on a small course of their own."""

import json
import os

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tools import lessons, measure

TITLE = """\
# 01 · Doubling

*What is twice as much?*

**You build** `double`, a function that doubles.

**Takes** to be measured"""
BUILT = '''\
"""Doubling."""


def double(x):
    """Twice x."""
    return 2 * x


@staticmethod
def _helper(x):
    return x
'''
SHOWN = 'def double(x):\n    """Twice x."""\n    return 2 * x'
README = "before\n<!-- lessons -->\n\n<!-- end of lessons -->\nafter\n"


def notebook(*cells):
    nb = nbformat.v4.new_notebook()
    nb.cells = [
        nbformat.v4.new_markdown_cell(TITLE),
        nbformat.v4.new_code_cell("# set-up", metadata={"tags": ["setup"]}),
        *(nbformat.v4.new_code_cell(source) for source in cells),
    ]
    return nb


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one lesson and its solutions; the tool's paths point at it."""
    built, notebooks = tmp_path / "course_utils" / "built", tmp_path / "notebooks"
    for folder in (built, notebooks / "solutions", tmp_path / "data"):
        folder.mkdir(parents=True)
    paths = [notebooks / "01_doubling.ipynb", notebooks / "solutions" / "01_doubling.ipynb"]
    (built / "doubling.py").write_text(BUILT)
    (tmp_path / "pyproject.toml").write_text('[tool.course]\nrepository = ""\n')
    (tmp_path / "README.md").write_text(README)
    nbformat.write(notebook(SHOWN, "print(double(21))"), paths[0])
    nbformat.write(notebook("print(42)"), paths[1])
    for name, value in dict(
        ROOT=tmp_path,
        BUILT=built,
        NOTEBOOKS=notebooks,
        LESSONS=paths[:1],
        BESIDE=[],
        SOLUTIONS=paths[1:],
        MEASURED=tmp_path / "data" / "measured.json",
    ).items():
        monkeypatch.setattr(lessons, name, value)
    return tmp_path


def read(course, name="notebooks/01_doubling.ipynb"):
    return nbformat.read(course / name, as_version=4)


def edit(course, change, name="notebooks/01_doubling.ipynb"):
    nb = read(course, name)
    change(nb)
    nbformat.write(nb, course / name)


def complaint():
    """What `check` says; empty when it is content."""
    try:
        lessons.main("check")
    except SystemExit as stop:
        return str(stop.code)
    return ""


# --- run, check, sync ---------------------------------------------------------------------------


def test_run_keeps_outputs_and_check_is_content(course):
    assert "out of sync" in complaint()
    lessons.main("run")
    assert complaint() == ""
    nb = read(course)
    assert [c.execution_count for c in nb.cells if c.cell_type == "code"] == [1, 2, 3]
    assert nb.cells[3].outputs[0].text == "42\n"
    assert nb.metadata.course.executed == lessons.code_hash(nb)
    before = [path.read_bytes() for path in lessons.LESSONS + lessons.SOLUTIONS]
    lessons.main("run", "01")
    assert before == [path.read_bytes() for path in lessons.LESSONS + lessons.SOLUTIONS]


def test_a_lesson_that_fails_is_left_as_it_was(course):
    edit(course, lambda nb: nb.cells[3].update(source="1 / 0"))
    before = (course / "notebooks" / "01_doubling.ipynb").read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        lessons.main("run")
    assert (course / "notebooks" / "01_doubling.ipynb").read_bytes() == before


def test_a_definition_that_changed_in_built_is_found_and_copied(course):
    lessons.main("run")
    built = course / "course_utils" / "built" / "doubling.py"
    built.write_text(BUILT.replace("return 2 * x", "return x + x"))
    assert complaint().startswith("01_doubling.ipynb is out of sync with what it shows: make sync")
    lessons.main("sync")
    assert read(course).cells[2].source == SHOWN.replace("2 * x", "x + x")
    assert "01_doubling.ipynb was not run since its code changed" in complaint()
    lessons.main("run")
    assert complaint() == ""


def test_a_definition_that_changed_in_the_lesson_is_set_back(course):
    edit(course, lambda nb: nb.cells[2].update(source=SHOWN.replace("2 *", "3 *") + "\n\ny = 1"))
    lessons.main("sync")
    assert read(course).cells[2].source == SHOWN + "\n\ny = 1"


def test_code_changed_since_the_run_is_found_and_prose_is_free(course):
    lessons.main("run")
    more = read(course).cells[0].source.replace("\n\n", "\n\nMore prose.\n\n", 1)
    edit(course, lambda nb: nb.cells[0].update(source=more))
    assert complaint() == ""
    edit(course, lambda nb: nb.cells[3].update(source="print(double(22))"))
    assert complaint() == (
        "01_doubling.ipynb was not run since its code changed: make run LESSON=01"
    )


def test_one_name_defined_twice_in_built_is_refused(course):
    (course / "course_utils" / "built" / "again.py").write_text(BUILT)
    with pytest.raises(SystemExit, match="double is defined twice"):
        lessons.main("sync")


def test_definitions_are_exact_with_their_decorators():
    found = lessons.definitions(BUILT)
    assert found == {"double": SHOWN, "_helper": "@staticmethod\ndef _helper(x):\n    return x"}


def test_cells_of_magics_are_left_out():
    nb = notebook("%time", "!ls", "x = 1")
    assert [cell.source for cell in lessons.code_cells(nb)] == ["# set-up", "x = 1"]


def test_an_unknown_command_explains(course):
    with pytest.raises(SystemExit, match="sync,run,check"):
        lessons.main("tidy")


# --- which lessons ------------------------------------------------------------------------------


def test_named_by_number_and_by_path(course):
    assert lessons.named("01") == lessons.LESSONS + lessons.SOLUTIONS
    assert lessons.named(str(lessons.SOLUTIONS[0])) == lessons.SOLUTIONS
    for name in ("02", "0", "doubling", "notebooks"):
        with pytest.raises(SystemExit, match=f"There is no lesson '{name}'"):
            lessons.named(name)


# --- tidy ---------------------------------------------------------------------------------------


def test_tidy_drops_what_changes_from_run_to_run():
    nb = notebook("x")
    nb.metadata.update(widgets={"state": 1}, language_info={"name": "python", "version": "3.11.2"})
    cell = nb.cells[2]
    cell.metadata = {"tags": ["kept"], "execution": {"at": "noon"}, "scrolled": True}
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}
    cell.outputs = [
        nbformat.v4.new_output("display_data", widget),
        nbformat.v4.new_output("display_data", {"text/plain": "kept"}),
        nbformat.v4.new_output("stream", text="kept too"),
    ]
    lessons.tidy(nb)
    assert set(nb.metadata) == {"kernelspec", "language_info"}
    assert nb.metadata.language_info == {"name": "python"}
    assert cell.metadata == {"tags": ["kept"]}
    assert [o.get("text") or o.data["text/plain"] for o in cell.outputs] == ["kept", "kept too"]


# --- measured times -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seconds, expected",
    [
        (3, "under half a minute"),
        (30, "under half a minute"),
        (30.1, "1 min"),
        (60, "1 min"),
        (61, "1.5 min"),
        (170, "3 min"),
    ],
)
def test_minutes_are_rounded_up_to_halves(seconds, expected):
    assert lessons.minutes(seconds) == expected


def write_measured(**found):
    lessons.MEASURED.write_text(json.dumps({"lessons": found}))


def test_measured_numbers_are_stamped_into_the_lesson_and_the_readme(course):
    assert lessons.takes("01_doubling") is None
    write_measured(**{"01_doubling": {"seconds": 80.0, "memory_gb": 0.83}})
    lessons.main("sync")
    line = "**Takes** 1.5 min and 0.8 GB of memory on 2 processor cores. Downloads nothing."
    first = read(course).cells[0].source
    assert first.startswith(TITLE.replace("**Takes** to be measured", line))
    assert "**You are here** noise and networks: [00]" in first and "[glossary]" in first
    assert "Takes** to be" in read(course, "notebooks/solutions/01_doubling.ipynb").cells[0].source
    row = (
        "| [01 · Doubling](notebooks/01_doubling.ipynb) | What is twice as much? | 1.5 min "
        "| `double`, a function that doubles |"
    )
    readme = (course / "README.md").read_text()
    assert row in readme
    assert readme.startswith("before\n<!-- lessons -->\n| ") and readme.endswith("-->\nafter\n")
    write_measured(**{"01_doubling": {"seconds": 10.0, "memory_gb": 0.83}})
    assert "README.md's table of lessons is out of date" in complaint()


def test_a_lesson_runs_in_the_settings_of_the_tests_and_is_timed_with_two_threads(course):
    """And nothing of this process changes."""
    asked = "import os\nprint([os.environ.get(k) for k in ('OMP_NUM_THREADS', 'COURSE_CAMERA')])"
    edit(course, lambda nb: nb.cells[3].update(source=asked))
    before = dict(os.environ)
    lessons.main("run", "01")
    assert read(course).cells[3].outputs[0].text == "['1', 'sample']\n"
    edit(course, lambda nb: nb.cells[3].update(source=f"{asked}\nassert os.environ[k] == '2'"))
    edit(
        course,
        lambda nb: nb.cells[3].update(
            source="import os\nassert os.environ['OMP_NUM_THREADS'] == '2'"
        ),
    )
    measure.main("01")
    assert before == dict(os.environ)


def test_measure_runs_a_lesson_and_keeps_the_other_numbers(course, capsys):
    hungry = "import time\nx = bytearray(300_000_000)\ndel x\ntime.sleep(1)\nprint('once more')"
    edit(course, lambda nb: nb.cells[3].update(source=hungry))
    before = (course / "notebooks" / "01_doubling.ipynb").read_bytes()
    write_measured(**{"00_other": {"seconds": 5.0, "memory_gb": 0.5}})
    measure.main("01")
    found = json.loads(lessons.MEASURED.read_text())
    assert found["processor"] and found["threads"] == 2
    assert list(found["lessons"]) == ["00_other", "01_doubling"]
    assert found["lessons"]["00_other"] == {"seconds": 5.0, "memory_gb": 0.5}
    assert 1 < found["lessons"]["01_doubling"]["seconds"] < 60
    assert 0.3 < found["lessons"]["01_doubling"]["memory_gb"] < 0.6
    assert (course / "notebooks" / "01_doubling.ipynb").read_bytes() == before
    assert "measuring 01_doubling.ipynb" in capsys.readouterr().out


def test_measure_says_which_cell_failed_and_writes_nothing(course):
    edit(course, lambda nb: nb.cells[3].update(source="1 / 0"))
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        measure.main()
    assert not lessons.MEASURED.exists()


def test_of_several_measurements_the_fastest_counts(course, monkeypatch):
    times = iter((5.0, 3.0, 4.0))
    monkeypatch.setattr(measure, "measure", lambda path: {"seconds": next(times), "memory_gb": 1})
    measure.main("01", "--runs", "3")
    found = json.loads(lessons.MEASURED.read_text())["lessons"]
    assert found == {"01_doubling": {"seconds": 3.0, "memory_gb": 1}} and next(times, None) is None
