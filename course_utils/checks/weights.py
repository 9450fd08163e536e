"""Answers that are weighted sums of their arguments: which of the weights is wrong, and how."""

from typing import Any

import numpy as np
from torch import Tensor

from course_utils.checks.compare import as_array


def wrong_weight(
    found: list, wanted: list, tries: list[dict[str, Any]], tolerance: float
) -> str | None:
    """The sentence for an answer in which an argument has another weight than in the right one.

    found and wanted: the outcomes of all cases. tries: the arguments of each, by their names.
    None where the outcomes are no sums of arguments with a number before each.
    """
    names = _summands(wanted, tries)
    yours, right = (_weights(outcomes, tries, names, tolerance) for outcomes in (found, wanted))
    if not names or yours is None or right is None or yours.shape != right.shape:
        return None
    limit = 10 * tolerance
    wrong = [
        i for i in range(len(names)) if not np.allclose(yours[:, i], right[:, i], limit, limit)
    ]
    if not wrong:
        return None
    fine = [f"`{name}`" for i, name in enumerate(names) if i not in wrong]
    how = [_how(yours, right, i, names, limit) for i in wrong]
    if not fine and not any(how):
        numbers = ", ".join(_number(weight) for weight in yours[0])
        which = "`, `".join(names)
        return f"no weight of `{which}` is right: in the first try they are {numbers}."
    says = [f"the weight of {' and of '.join(fine)} is right."] if fine else []
    for i, known in zip(wrong, how, strict=True):
        known = known or f"is not right: in the first try it is {_number(yours[0, i])}."
        says.append(f"{'The' if says else 'the'} weight of `{names[i]}` {known}")
    return " ".join(says)


def _number(weight: float) -> str:
    return f"{round(float(weight), 4) + 0.0:g}"  # and no minus zero


def _summands(wanted: list, tries: list[dict[str, Any]]) -> list[str]:
    """The names of the arguments that have the shape of the result, in all cases."""
    return [
        name
        for name, value in tries[0].items()
        if isinstance(value, Tensor)
        and all(getattr(w, "shape", 0) == t[name].shape for w, t in zip(wanted, tries, strict=True))
        and value.ndim >= 1
    ]


def _weights(outcomes: list, tries: list[dict], names: list[str], tolerance: float) -> Any:
    """The weights, a row for each picture of each case; None where they are no such sums."""
    rows = []
    for outcome, arguments in zip(outcomes, tries, strict=True):
        result = as_array(outcome)
        parts = [as_array(arguments[name]) for name in names]
        if result is None or not parts or result.shape != parts[0].shape:
            return None
        if not np.isfinite(result).all():
            return None
        pictures = len(result) if result.ndim >= 3 else 1
        b = result.reshape(pictures, -1)
        a = np.stack(parts, -1).reshape(pictures, -1, len(names))
        if a.shape[1] <= len(names):
            return None
        for matrix, numbers in zip(a, b, strict=True):
            weights = np.linalg.lstsq(matrix, numbers, rcond=None)[0]
            if not np.allclose(matrix @ weights, numbers, 10 * tolerance, 10 * tolerance):
                return None
            rows.append(weights)
    return np.array(rows)


def _how(
    yours: np.ndarray, right: np.ndarray, i: int, names: list[str], limit: float
) -> str | None:
    """In which known way column i of the weights is wrong, in all cases."""
    a, b = yours[:, i], right[:, i]
    others = [(right[:, j], f"is that of `{name}`.") for j, name in enumerate(names) if j != i]
    with np.errstate(all="ignore"):
        known = [
            (0 * b, "is 0: it is missing."),
            (-b, "has the wrong sign."),
            *others,
            (1 + 0 * b, "is 1, as if nothing were to be done to it."),
            (np.sign(b) * b**2, "is the square of the right one: a square root is missing."),
            (np.sign(b) * np.abs(b) ** 0.5, "is the square root of the right one: one too many."),
            (1 / b, "is upside down: divide where you multiply."),
            (1 - b, "is 1 minus the right one."),
            ((1 - b**2) ** 0.5, "is the root of 1 minus the square of the right one."),
            (1 - (1 - b**2) ** 0.5, "is wrong: the squares of two parts add up, not the parts."),
        ]
        for other, says in known:
            if np.allclose(a, other, limit, limit):
                return says
        if np.ptp(a / b) < limit:
            return f"is {np.mean(a / b):.4g} times the right one."
    return None
