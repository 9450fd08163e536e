"""What can be said of an answer that is wrong in none of the known ways."""

import os
from typing import Any

import numpy as np

from course_utils.checks.compare import Stopped, all_close, as_array, close
from course_utils.checks.relation import relation


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
