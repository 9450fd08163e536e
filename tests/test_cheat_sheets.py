"""The cheat sheets: what they show is in the code, and what they name is in the libraries."""

import importlib

import pytest

from course_utils.notebook import course_map
from tools import cheat_sheets
from tools.cheat_sheets import SHEETS, Row

ROWS = [row for _, rows in SHEETS.values() for row in rows]


@pytest.mark.parametrize("part", SHEETS)
def test_each_page_is_what_the_code_says(part):
    wanted = cheat_sheets.page(part)
    assert cheat_sheets.path_of(part).read_text() == wanted, "python -m tools.cheat_sheets"


def test_there_is_a_page_for_each_row_of_the_map():
    assert [*SHEETS] == [row.split()[-1] for row in course_map.ROWS]


def found(dotted):
    """The thing of that name: a module, or what is in one."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            thing = getattr(thing, name)
        return thing
    raise AssertionError(f"there is no {dotted}")


@pytest.mark.parametrize("name", sorted({row.library for row in ROWS} - {""}))
def test_libraries_have_what_is_named(name):
    assert callable(found(name))


def test_a_name_that_is_not_there_is_found_out():
    with pytest.raises(AttributeError):
        found("diffusers.DDPMScheduler.add_noises")


def test_a_line_that_changed_is_found_out():
    row = Row("x", "x", "mix_noise", "return no such line", "", "")
    with pytest.raises(ValueError, match="0 lines"):
        cheat_sheets.line_of(row, cheat_sheets.built_definitions())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.idea)
def test_each_idea_fits_on_a_line_or_two(row):
    assert len(row.remember) <= 90 and "$$" not in row.formula
    assert row.formula.count("{") == row.formula.count("}")
