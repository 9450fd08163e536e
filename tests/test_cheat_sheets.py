"""The cheat sheets: as the code is now, a page long, and every name on them exists."""

import inspect
import pkgutil
import re

import pytest

from course_utils.notebook import course_map
from tools import cheat_sheets

ROWS = [row for rows in cheat_sheets.SHEETS.values() for row in rows]


def arguments(function):
    try:
        return inspect.signature(function).parameters
    except ValueError:  # torch's own, written in C++: its text begins with them
        return re.findall(r"(\w+)=", function.__doc__.strip().split("->")[0])


def look_up(name):
    """What a row of a sheet names elsewhere: "a.b.C", "a.b.f(argument)", "a.b.C().attribute"."""
    path, brackets, argument, attribute = re.fullmatch(
        r"([\w.]+)(\((\w*)\))?(?:\.(\w+))?", name
    ).groups()
    found = pkgutil.resolve_name(path)
    if argument and argument not in arguments(found):
        raise AttributeError(f"{path} has no argument {argument}")
    if brackets and not argument:
        found = found()
    return getattr(found, attribute) if attribute else found


@pytest.mark.parametrize("sheet", cheat_sheets.SHEETS)
def test_a_page_is_as_the_code_is_now(sheet):
    page = cheat_sheets.path_of(sheet).read_text(encoding="utf-8")
    assert page == cheat_sheets.page(sheet), "make sync"
    assert 12 <= len(cheat_sheets.SHEETS[sheet]) <= 20


def test_each_part_of_the_map_has_a_sheet_and_its_rows_are_of_its_lessons():
    parts = [part.split()[-1] for part in course_map.ROWS]
    assert parts == list(cheat_sheets.SHEETS)
    for sheet, rows in cheat_sheets.SHEETS.items():
        lessons = {lesson.stem[:2] for lesson in cheat_sheets.part_of(sheet)[1]}
        taught = [cheat_sheets.lesson_of(row) for row in rows]
        assert taught == sorted(taught)
        assert lessons - {"00"} == set(taught)


@pytest.mark.parametrize("name", sorted({name for row in ROWS for name in row.elsewhere}))
def test_a_name_in_another_library_is_there(name):
    look_up(name)


@pytest.mark.parametrize(
    "name",
    ["diffusers.NoScheduler", "diffusers.DDIMScheduler.step(theta)", "diffusers.DDIMScheduler().a"],
)
def test_a_name_that_is_not_there_is_found_out(name):
    with pytest.raises(AttributeError):
        look_up(name)


def test_a_row_whose_code_is_gone_is_found_out():
    with pytest.raises(ValueError, match="no forward_hop"):
        cheat_sheets.lines_of(cheat_sheets.Row("", "", ("forward_hop", "return"), (), ""))
    with pytest.raises(ValueError, match="begins with 'x = 2'"):
        cheat_sheets.lines_of(cheat_sheets.Row("", "", ("forward_jump", "x = 2"), (), ""))


def test_a_row_is_one_line_of_a_table():
    for sheet in cheat_sheets.SHEETS:
        lines = cheat_sheets.page(sheet).splitlines()
        rows = [line for line in lines if line.startswith("| [")]
        assert len(rows) == len(cheat_sheets.SHEETS[sheet])
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
