"""What a learner has solved is kept, whole, where COURSE_PROGRESS says; and nothing else is."""

import json
import subprocess
import sys

import pytest

from course_utils import ROOT, checks
from course_utils.checks import progress


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "of mine" / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    return path


def test_right_answers_are_kept_and_others_are_not(file, capsys):
    assert progress.solved() == set()
    checks.numbers_in_a_batch(784)
    checks.numbers_in_a_batch(...)
    assert not file.exists()
    checks.numbers_in_a_batch(25088)
    checks.numbers_in_a_batch(784)  # what was solved once stays solved
    assert progress.solved() == {"numbers_in_a_batch"}
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert "1 of 69 exercises" in progress.report().replace(str(len(checks.EXERCISES)), "69")


def test_the_report_names_what_comes_next_and_what_is_done(file):
    first = [name for name, exercise in checks.EXERCISES.items() if exercise.lesson == 0]
    file.parent.mkdir()
    file.write_text(json.dumps({"solved": first}))
    command = [sys.executable, "-m", "course_utils.checks.progress"]
    says = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lessons = sum(isinstance(lesson, int) for lesson in progress.by_lesson())
    assert says.stdout.startswith(f"1 of {lessons} lessons done, {len(first)} of ")
    assert says.stdout.endswith("Next: worst_noise, lesson 01.\n") and says.stderr == ""
    file.write_text(json.dumps({"solved": list(checks.EXERCISES)}))
    assert progress.report().endswith("All is done.")


@pytest.mark.parametrize("text", ["{", "[]", '{"solved": 3}', '{"solved": [1]}'])
def test_a_damaged_file_is_named_and_left_alone_and_the_check_still_answers(file, capsys, text):
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ValueError, match="is damaged. Delete it"):
        progress.solved()
    checks.numbers_in_a_batch(25088)
    says = capsys.readouterr().out
    assert says.startswith("Right.") and "could not be noted" in says
    assert file.read_text() == text


def test_where_nothing_can_be_written_the_check_still_answers(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "progress.json"))
    checks.numbers_in_a_batch(25088)
    assert "could not be noted" in capsys.readouterr().out


def test_the_learners_file_is_no_part_of_the_course(monkeypatch):
    monkeypatch.delenv("COURSE_PROGRESS")
    assert progress.place() == ROOT / "progress.json"
    assert "/progress.json" in (ROOT / ".gitignore").read_text().split()
