"""What is said of a wrong answer that makes none of the exercise's own mistakes."""

import copy
import inspect
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from course_utils.checks.engine.compare import Stopped, all_close, as_array, close
from course_utils.checks.engine.numbers import relation, wrong_weight
from course_utils.checks.engine.slips import Slip, slips


def explain(exercise: Any, answer: Callable, found: list, wanted: list) -> str:
    """The sentence for a wrong function of an exercise of the kind `Write`.

    found and wanted: the outcomes of all cases, of the answer and of the right one.
    """
    if _draws(found, exercise.outcomes(answer)):
        return (
            "two calls with the same arguments give different results: draw nothing yourself, "
            "and use the arguments that are given."
        )
    cases, limit = exercise.cases(), exercise.tolerance
    names = names_of(answer, exercise.right, len(cases[0]))
    tries = [dict(zip(names, case, strict=True)) for case in cases]
    return (
        _slip(exercise, found, _unchanged(names))
        or _unused(exercise, answer, found, wanted, names)
        or _slip(exercise, found, slips(exercise.right, names))
        or wrong_weight(found, wanted, tries, 10 * limit)
        or diagnose(found, wanted, limit, tries)
    )


def names_of(like: Any, right: Any, number: int) -> list[str]:
    """The names of an exercise's arguments: the learner's, where there are as many."""
    for function in (like, right):
        try:
            names = list(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            continue
        if len(names) == number:
            return names
    return [f"argument {i + 1}" for i in range(number)]


def _draws(found: list, again: list) -> bool:
    """Whether two calls with the same arguments differ."""
    pairs = zip(found, again, strict=True)
    return any(as_array(a) is not None and not close(a, b, 1e-6) for a, b in pairs)


def _unchanged(names: list[str]) -> list[Slip]:
    """An argument given back as it came."""
    says = "this is `{}` itself: nothing is done to it."
    return [(lambda *case, i=i: case[i], says.format(name)) for i, name in enumerate(names)]


def _slip(exercise: Any, found: list, known: Iterable[Slip]) -> str | None:
    """The sentence of the first slip with these outcomes."""
    if all(isinstance(outcome, Stopped) for outcome in found):
        return None
    cases = exercise.cases()

    def is_this(slip: Callable) -> bool:  # most differ in the first case already
        return all(
            close(a, exercise.try_on(slip, copy.deepcopy(case)), exercise.tolerance)
            for a, case in zip(found, cases, strict=True)
        )

    return next((says for slip, says in known if is_this(slip)), None)


def _unused(
    exercise: Any, answer: Callable, found: list, wanted: list, names: list[str]
) -> str | None:
    """The sentence for an argument that makes no difference, where it should make one."""
    cases = exercise.cases()
    for i, name in enumerate(names):
        other = [
            (*case[:i], following[i], *case[i + 1 :])
            for case, following in zip(cases, cases[1:] + cases[:1], strict=True)
        ]
        mine, right = ([exercise.try_on(f, c) for c in other] for f in (answer, exercise.right))
        stopped = any(isinstance(outcome, Stopped) for outcome in mine + right)
        same = all_close(mine, found, exercise.tolerance)
        if not stopped and same and not all_close(right, wanted, exercise.tolerance):
            return f"`{name}` makes no difference here, and it should: it is not used."
    return None


def diagnose(
    found: list, wanted: list, tolerance: float, tries: list[dict[str, Any]] | None
) -> str:
    """The sentence for a wrong answer: a factor, or where and by how much it is wrong.

    found and wanted: the outcomes of all cases. tries: the arguments of each, by their names; None
    where the outcomes are not the answers themselves, but something that was measured on them.
    """
    wrong = [i for i, a in enumerate(found) if not close(a, wanted[i], tolerance)]
    stopped = next((a.says for a in found if isinstance(a, Stopped)), None)
    where = ""
    if len(found) > 1 and not stopped and all_close(found[1:], found[:-1], tolerance):
        where = "the same comes out for all arguments: "
    elif len(wrong) < len(found):
        told = _told(tries[wrong[0]]) if tries else "in another"
        where = f"right in {len(found) - len(wrong)} of {len(found)} tries, and wrong {told}: "
    related = relation(found, wanted, tolerance) if tries else None
    difference = _difference(found[wrong[0]], wanted[wrong[0]], bool(tries))
    return where + (stopped or related or difference)


def _told(arguments: dict[str, Any]) -> str:
    """The arguments of a try that are short enough to be told."""
    plain = [
        f"{name} = {value}"
        for name, value in arguments.items()
        if isinstance(value, (int, float, str, list, tuple)) and len(repr(value)) < 40
    ]
    return "for " + ", ".join(plain) if plain else "in another"


def _difference(found: Any, wanted: Any, plain: bool) -> str:
    """How an outcome differs from the right one."""
    numbers, expected = as_array(found), as_array(wanted)
    if expected is None and type(found) is type(wanted):
        fine = os.path.commonprefix([found, wanted])
        return f"yours is {found!r:.80}" + (f": it goes wrong after {fine!r}." if fine else ".")
    if numbers is None or expected is None:
        kind = type(found).__name__
        yours = f"a {kind} of {len(found)}" if isinstance(found, (tuple, list)) else repr(found)
        return f"the answer should be a {type(wanted).__name__}, and yours is {yours:.80}."
    if not plain:
        return "the result is not what was asked for."
    if numbers.shape != expected.shape:
        return f"the result's shape should be {expected.shape}, and yours is {numbers.shape}."
    if not np.isfinite(numbers).all():
        return "your result has values that are not finite (nan or inf): look for a division by 0."
    if numbers.size == 1:
        return f"your answer is {numbers.item():.4g}, and that is not the value looked for."
    gap = np.abs(numbers - expected)
    return (
        f"the shape is right and the numbers are not: they are off by up to {gap.max():.3g}, "
        f"by {gap.mean():.3g} on average."
    )
