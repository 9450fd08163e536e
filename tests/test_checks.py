"""Every exercise accepts its right answer, names its classic mistakes, and survives nonsense."""

import pytest
import torch

from course_utils import checks
from course_utils.checks.exercise import NOT_DONE

exercises = pytest.mark.parametrize("name", checks.EXERCISES)


@exercises
def test_right_answer_is_accepted(name):
    exercise = checks.EXERCISES[name]
    assert exercise.judge(exercise.right)[0]


@exercises
def test_each_classic_mistake_is_refused_by_its_own_name(name):
    exercise = checks.EXERCISES[name]
    assert len(exercise.mistakes) >= 2
    for mistake in exercise.mistakes:
        passed, message = exercise.judge(mistake.answer)
        assert not passed
        assert mistake.says in message


@exercises
def test_stub_and_nonsense_are_refused_politely(name):
    exercise = checks.EXERCISES[name]
    assert exercise.judge(None) == (False, NOT_DONE)
    assert exercise.judge(...) == (False, NOT_DONE)
    if callable(exercise.right):
        assert exercise.judge(lambda *arguments, **named: None) == (False, NOT_DONE)
    for nonsense in ("a text", [], torch.zeros(3, 1, 4), object()):
        passed, message = exercise.judge(nonsense)
        assert not passed and message.startswith("Not yet")


@exercises
def test_hints_unfold_one_by_one(name, capsys):
    exercise = checks.EXERCISES[name]
    assert len(exercise.hints) >= 2
    for i, hint in enumerate(exercise.hints, 1):
        exercise.hint()
        assert capsys.readouterr().out == f"Hint {i} of {len(exercise.hints)}: {hint}\n"
    exercise.hint()
    assert "last hint" in capsys.readouterr().out


def test_a_raising_answer_and_a_changed_argument_are_explained():
    exercise = checks.Exercise(right=lambda x: x + 1, cases=lambda: [(torch.zeros(2),)])
    assert "ZeroDivisionError" in exercise.judge(lambda x: 1 / 0)[1]
    assert "in place" in exercise.judge(lambda x: x.add_(1))[1]
    assert "shape" in exercise.judge(lambda x: torch.zeros(3))[1]
    assert "not finite" in exercise.judge(lambda x: x / 0)[1]
    assert exercise.judge(lambda x: 1.0 + x.clone())[0]
