"""What learners get wrong is refused and named, and what they get right in their own way is not.

The answers are in `wrong_answers/lesson_NN.py`: WRONG[exercise] has pairs of a word that the reply
must have and the answer, RIGHT[exercise] right answers that are written differently. The word is
None for the few answers that are refused without their mistake being named.
"""

import copy
import importlib

import numpy as np
import pytest
from torch import Tensor

from course_utils import checks
from course_utils.checks.compare import Stopped
from course_utils.checks.slips import names_of, slips

LESSONS = [importlib.import_module(f"tests.wrong_answers.lesson_{i:02}") for i in range(15)]
WRONG = {name: pairs for lesson in LESSONS for name, pairs in lesson.WRONG.items()}
RIGHT = {name: answers for lesson in LESSONS for name, answers in lesson.RIGHT.items()}
FUNCTIONS = [name for name, exercise in checks.EXERCISES.items() if callable(exercise.right)]
VAGUE = [
    "the numbers are not: they are off",
    "the result's shape should be",
    "that is not the value looked for",
    "that is not what is looked for",
    "is not what was asked for",
    "your code stopped with",
    "no weight of",
]
"""Replies that say where an answer is wrong, and name no mistake."""
SYMMETRIC = {
    ("best_guess", "`a` and `b` are exchanged."),
    ("first_end", "`ids` and `end` are exchanged."),
    ("pull_and_push", "`images` and `texts` are exchanged."),
    ("decibels", "`images` and `originals` are exchanged."),
    ("conv_operations", "`inputs` and `outputs` are exchanged."),
    ("score_memory", "`height` and `width` are exchanged."),
    ("score_memory", "`heads` and `size` are exchanged."),
}
"""Slips that change nothing."""


@pytest.mark.parametrize("name", checks.EXERCISES)
def test_wrong_answers_are_refused_by_name(name):
    assert len(WRONG[name]) >= 8
    for i, (word, answer) in enumerate(WRONG[name]):
        passed, says = checks.EXERCISES[name].judge(answer)
        assert not passed, f"number {i} is accepted"
        assert says.startswith("Not yet: ")
        assert word is None or word in says, f"number {i}: {word!r} is not in {says!r}"
        assert word is None or not any(vague in says for vague in VAGUE), f"number {i}: {says}"


def test_nearly_all_mistakes_are_named():
    words = [word for pairs in WRONG.values() for word, _ in pairs]
    assert len(words) > 1000
    assert sum(word is not None for word in words) > 0.95 * len(words)


@pytest.mark.parametrize("name", checks.EXERCISES)
def test_right_answers_that_are_written_differently_are_accepted(name):
    assert len(RIGHT[name]) >= 2
    for i, answer in enumerate(RIGHT[name]):
        passed, says = checks.EXERCISES[name].judge(answer)
        assert passed, f"number {i}: {says}"


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if not checks.EXERCISES[n].measured])
def test_small_slips_make_a_right_answer_wrong(name):
    exercise = checks.EXERCISES[name]
    turned = (
        "the sign is",
        "this is the square",
        "this is upside",
        "this is 1 minus",
        "this is too",
    )
    made = ("is missing: add it.", "should not be.", "once too often.", "are exchanged.")
    names = names_of(exercise.right, exercise.right, len(exercise.cases()[0]))
    for answer, says in slips(exercise.right, names):
        if says.startswith(turned) or says.endswith(made):
            assert not exercise.judge(answer)[0] or (name, says) in SYMMETRIC, says


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_answer_that_fits_only_one_example_is_refused(name):
    exercise = checks.EXERCISES[name]
    assert len(exercise.cases()) >= 2
    for case in exercise.cases():
        if exercise.outcome is None:
            known = exercise.right(*case)
            assert not exercise.judge(lambda *_, known=known: copy.deepcopy(known))[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_is_changed_in_place(name):
    exercise = checks.EXERCISES[name]
    for i, argument in enumerate(exercise.cases()[0]):
        if isinstance(argument, (Tensor, np.ndarray, list, dict)):

            def careless(*case, i=i):
                result = exercise.right(*case)
                _change(case[i])
                return result

            assert "in place" in exercise.judge(careless)[1]


def _change(argument):
    if isinstance(argument, (list, dict)):
        argument.clear()
    else:
        argument[:] = argument.flip(0) + 1 if isinstance(argument, Tensor) else argument[::-1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_forgotten_return_and_a_call_too_many_are_explained(name):
    exercise = checks.EXERCISES[name]

    def without_return(*case):
        exercise.right(*case)

    assert "return" in exercise.judge(without_return)[1]
    if exercise.outcome is None:
        passed, says = exercise.judge(exercise.right(*exercise.cases()[0]))
        assert not passed and "the function's name alone" in says


@pytest.mark.parametrize("name", checks.EXERCISES)
def test_the_right_answer_never_stops(name):
    """Or every answer that stops in the same way would be taken for right."""
    outcomes = checks.EXERCISES[name]._outcomes(checks.EXERCISES[name].right)
    assert not any(isinstance(outcome, Stopped) for outcome in outcomes)
