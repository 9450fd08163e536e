"""What learners get wrong is refused and named, and what they get right in their own way is not.

`wrong_answers/lesson_NN.py`, or `beside_NAME.py`, has what neither an exercise's own mistakes nor
the table make: WRONG[exercise] has pairs of a word that the reply must have and the answer,
RIGHT[exercise] right answers that are written differently. The word is None for the few answers
that are refused without their mistake being named.
"""

import copy
import importlib
from dataclasses import replace

import numpy as np
import pytest
from torch import Tensor

from course_utils import checks
from course_utils.checks.engine import Write
from course_utils.checks.engine.compare import Stopped, all_close, as_array
from course_utils.checks.engine.diagnosis import names_of
from course_utils.checks.engine.slips import slips
from tests.test_checks import numbered

NAMES = [*(f"lesson_{i:02}" for i in range(16)), "beside_clinic"]
LESSONS = [importlib.import_module(f"tests.wrong_answers.{name}") for name in NAMES]
WRONG = {name: pairs for lesson in LESSONS for name, pairs in lesson.WRONG.items()}
RIGHT = {name: answers for lesson in LESSONS for name, answers in lesson.RIGHT.items()}
WITH_RIGHT = [name for name, exercise in checks.EXERCISES.items() if hasattr(exercise, "right")]
FUNCTIONS = [name for name in WITH_RIGHT if isinstance(checks.EXERCISES[name], Write)]
PLAIN = [name for name in FUNCTIONS if not checks.EXERCISES[name].measured]
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
    ("both_at_once", "`a` and `b` are exchanged."),
    ("elbo_loss", "`x` and `back` are exchanged."),
    ("conv_operations", "`inputs` and `outputs` are exchanged."),
    ("score_memory", "`height` and `width` are exchanged."),
    ("score_memory", "`heads` and `size` are exchanged."),
    ("x0_of_v", "`out` and `noise_std` are exchanged."),
    ("x0_of_v", "`xt` and `signal` are exchanged."),
    ("lora_forward", "`alpha` and `scale` are exchanged."),
    ("lora_merged", "`alpha` and `scale` are exchanged."),
}
"""Slips that change nothing."""


@pytest.mark.parametrize("name", WRONG, ids=numbered)
def test_wrong_answers_are_refused_by_name(name):
    for i, (word, answer) in enumerate(WRONG[name]):
        passed, says = checks.EXERCISES[name].judge(answer)
        assert not passed, f"number {i} is accepted"
        assert says.startswith("Not yet: ")
        assert word is None or word in says, f"number {i}: {word!r} is not in {says!r}"
        assert word is None or not any(vague in says for vague in VAGUE), f"number {i}: {says}"


def test_nearly_all_mistakes_are_named():
    own = sum(len(checks.EXERCISES[name].mistakes) for name in WITH_RIGHT)
    words = [word for pairs in WRONG.values() for word, _ in pairs]
    unnamed = sum(word is None for word in words)
    assert unnamed < 0.08 * (own + len(words))


@pytest.mark.parametrize("name", WITH_RIGHT, ids=numbered)
def test_a_right_answer_agrees_with_those_that_are_written_differently(name):
    """Each becomes the measure of the exercise's own, which else would be its own judge."""
    for other in RIGHT[name]:
        measure = replace(checks.EXERCISES[name], right=other)
        assert measure.judge(checks.EXERCISES[name].right)[0]


@pytest.mark.parametrize("name", WITH_RIGHT, ids=numbered)
def test_right_answers_that_are_written_differently_are_accepted(name):
    assert len(RIGHT[name]) >= 2
    for i, answer in enumerate(RIGHT[name]):
        passed, says = checks.EXERCISES[name].judge(answer)
        assert passed, f"number {i}: {says}"


@pytest.mark.parametrize("name", PLAIN, ids=numbered)
def test_small_slips_make_a_right_answer_wrong_and_are_named(name):
    exercise = checks.EXERCISES[name]
    turned = ("minus", "the square of", "1 /", "1 -", "the right result +", "the right result -")
    made = ("is missing: add it.", "should not be.", "once too often.", "are exchanged.")
    names = names_of(exercise.right, exercise.right, len(exercise.cases()[0]))
    for answer, says in slips(exercise.right, names):
        if says.removeprefix("this is ").startswith(turned) or says.endswith(made):
            passed, reply = exercise.judge(answer)
            assert not passed or (name, says) in SYMMETRIC, says
            numbers = [as_array(outcome) for outcome in exercise.outcomes(answer)]
            if all(number is not None and np.isfinite(number).all() for number in numbers):
                assert passed or not any(vague in reply for vague in VAGUE), says


@pytest.mark.parametrize("name", PLAIN, ids=numbered)
def test_an_argument_that_is_given_back_or_not_used_is_named(name):
    exercise = checks.EXERCISES[name]
    wanted, first = exercise.outcomes(exercise.right), exercise.cases()[0]
    for i in range(len(first)):
        passed, says = exercise.judge(lambda *case, i=i: case[i])
        assert not passed
        frozen = lambda *case, i=i: exercise.right(*case[:i], first[i], *case[i + 1 :])  # noqa: E731
        found = exercise.outcomes(frozen)
        if not any(isinstance(outcome, Stopped) for outcome in found):
            assert exercise.judge(frozen)[0] == all_close(found, wanted, exercise.tolerance)


@pytest.mark.parametrize("name", FUNCTIONS, ids=numbered)
def test_an_answer_that_fits_only_one_example_is_refused(name):
    exercise = checks.EXERCISES[name]
    assert len(exercise.cases()) >= 2
    for case in exercise.cases():
        if exercise.outcome is None:
            known = exercise.right(*case)
            assert not exercise.judge(lambda *_, known=known: copy.deepcopy(known))[0]


@pytest.mark.parametrize("name", FUNCTIONS, ids=numbered)
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


@pytest.mark.parametrize("name", FUNCTIONS, ids=numbered)
def test_a_forgotten_return_and_a_call_too_many_are_explained(name):
    exercise = checks.EXERCISES[name]

    def without_return(*case):
        exercise.right(*case)

    assert "return" in exercise.judge(without_return)[1]
    if exercise.outcome is None:
        passed, says = exercise.judge(exercise.right(*exercise.cases()[0]))
        assert not passed and "the function's name alone" in says


@pytest.mark.parametrize("name", WITH_RIGHT, ids=numbered)
def test_the_right_answer_never_stops(name):
    """Or every answer that stops in the same way would be taken for right."""
    outcomes = checks.EXERCISES[name].outcomes(checks.EXERCISES[name].right)
    assert not any(isinstance(outcome, Stopped) for outcome in outcomes)
