"""Rules that every lesson keeps; nbval runs the cells themselves."""

import json
import re
from collections import Counter

import nbformat
import pytest

from course_utils import checks
from tools.lessons import (
    BESIDE,
    LESSONS,
    ROOT,
    SOLUTIONS,
    built_definitions,
    code_cells,
    definitions,
    tags,
    takes,
)

BOTH = LESSONS + BESIDE + SOLUTIONS
lessons = pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
solutions = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)
both = pytest.mark.parametrize("path", BOTH, ids=lambda p: f"{p.stem}-{p.parent.name}")


def read(path):
    return nbformat.read(path, as_version=4)


def defined_in(path):
    return {k: v for cell in code_cells(read(path)) for k, v in definitions(cell.source).items()}


def printed(cell):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


@both
def test_shown_code_is_the_code_in_built(path):
    built = built_definitions()
    for name, text in defined_in(path).items():
        assert built.get(name, text) == text, f"{name}: run `make sync`"


def test_each_public_name_of_built_is_shown_in_exactly_one_lesson():
    shown = Counter(name for path in LESSONS for name in defined_in(path))
    public = {name for name in built_definitions() if not name.startswith("_")}
    assert {name: shown[name] for name in public if shown[name] != 1} == {}


@both
def test_executed_in_order_and_small(path):
    nb = json.loads(path.read_text())
    counts = [c["execution_count"] for c in nb["cells"] if c["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1)), "run `make run`"
    assert path.stat().st_size < 1_500_000


@lessons
def test_a_lesson_is_no_longer_than_an_afternoon(path):
    cells = read(path).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert 40 <= len(cells) <= 90
    assert 1_500 <= sum(len(text.split()) for text in texts) <= 3_500


@both
def test_valid_with_unique_cell_ids_and_no_widget_state(path):
    nb = read(path)
    nbformat.validate(nb)
    ids = [cell.id for cell in nb.cells]
    assert len(ids) == len(set(ids))
    assert "widgets" not in nb.metadata


@both
def test_no_cell_escapes_the_tests(path):
    for cell in read(path).cells:
        assert "nbval-skip" not in tags(cell)
        errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        assert not errors or "raises-exception" in tags(cell)


@both
def test_films_are_not_compared_letter_by_letter(path):
    """nbval skips PNG and JPEG, not GIF: where one pixel differs it would seek the difference for
    minutes, in a text of some hundred thousand letters."""
    for cell in read(path).cells:
        if any("image/gif" in output.get("data", {}) for output in cell.get("outputs", [])):
            assert "nbval-ignore-output" in tags(cell), cell.source[:80]


@both
def test_code_cells_are_short(path):
    for cell in code_cells(read(path)):
        assert len(cell.source.splitlines()) <= 60, cell.source[:80]


@both
def test_starts_with_a_title_and_the_set_up_cell(path):
    first, second = read(path).cells[:2]
    assert re.search(r"^# \S", first.source, re.M)
    assert tags(second) == ["setup"]


@lessons
def test_first_cell_states_the_measured_time_and_memory(path):
    assert takes(path.stem), "run `make measure`"
    assert takes(path.stem) in read(path).cells[0].source


@both
def test_links_and_images_exist(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", cell.source):
                if not target.startswith(("http", "mailto:")):
                    assert (path.parent / target).exists(), target


@lessons
def test_at_least_three_exercises_whose_stubs_say_not_done_yet(path):
    asked = [c for c in code_cells(read(path)) if re.search(r"^checks\.\w+\(", c.source, re.M)]
    assert len(asked) >= 3
    for cell in asked:
        assert "Not done yet" in printed(cell), cell.source


@solutions
def test_solutions_solve_every_exercise_of_their_lesson(path):
    lesson = path.parents[1] / path.name
    pattern = re.compile(r"^checks\.(\w+)\(", re.M)
    asked, solved = (
        {name for cell in code_cells(read(p)) for name in pattern.findall(cell.source)}
        for p in (lesson, path)
    )
    assert asked == solved
    for cell in code_cells(read(path)):
        if pattern.search(cell.source):
            # an `Explore` has no right answer: it says what is beaten
            says = printed(cell)
            assert says.startswith("Right.") or "Better than" in says, cell.source


def test_every_lesson_has_solutions():
    solved = {p.name for p in SOLUTIONS}
    assert {p.name for p in LESSONS} <= solved <= {p.name for p in LESSONS + BESIDE}


def test_every_exercise_is_asked_in_a_lesson():
    text = "".join(path.read_text() for path in LESSONS + BESIDE)
    assert [name for name in checks.EXERCISES if f"checks.{name}(" not in text] == []


def test_readme_counts_the_exercises():
    assert f"{len(checks.EXERCISES)} exercises" in (ROOT / "README.md").read_text()


ROW = r"\| ([^|]+) \| [^|]+ \| \[\d\d\]\(\.\./notebooks/(\w+)\.ipynb\) \|"


def test_the_words_of_the_glossary_stand_in_their_lessons_in_order():
    rows = re.findall(ROW, (ROOT / "docs" / "glossary.md").read_text())
    words = {term: re.findall(r"[a-z0-9]+", term.lower()) for term, _ in rows}
    assert len(rows) > 100 and [*words] == sorted(words, key=words.get)
    for term, lesson in rows:
        cells = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4).cells
        text = " ".join(cell.source for cell in cells).lower()
        assert all(word in text for word in words[term]), f"{term!r} is not in {lesson}"


def test_readme_links_exist():
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text()):
        assert target.startswith("http") or (ROOT / target).exists(), target
