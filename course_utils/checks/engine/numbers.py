"""What the numbers of a wrong answer tell: a wrong weight, a factor, another shape."""

import itertools
from typing import Any

import numpy as np
from torch import Tensor

from course_utils.checks.engine.compare import as_array
from course_utils.checks.engine.slips import TABLE


def relation(found: list, wanted: list, tolerance: float) -> str | None:
    """The sentence for what holds in all cases between found and wanted numbers, or None."""
    pairs = [(as_array(a), as_array(b)) for a, b in zip(found, wanted, strict=True)]
    if any(a is None or b is None or not a.size or not np.isfinite(a).all() for a, b in pairs):
        return None
    limits = {"rtol": tolerance, "atol": tolerance}
    if any(a.shape != b.shape for a, b in pairs):
        return _not_reduced(pairs, limits) or _same_numbers(pairs, limits)
    return _factor(pairs, limits) or _same_numbers(pairs, limits)


def _factor(pairs: list, limits: dict[str, float]) -> str | None:
    """Everywhere the same multiple of the right number, or as much too large."""
    a, b = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    if b.size < 2 or np.ptp(b) < limits["atol"]:
        return None  # any single number is some multiple of any other
    factor, distance = (a @ b) / (b @ b), (a - b).mean()
    if abs(factor) > 1e-12 and np.allclose(a / factor, b, **limits):
        return (
            f"every number is {factor:.4g} times what it should be: look for a factor that is "
            "missing or too many."
        )
    if np.allclose(a - distance, b, **limits):
        return f"every number is too {'large' if distance > 0 else 'small'} by {abs(distance):.4g}."
    return None


def _not_reduced(pairs: list, limits: dict[str, float]) -> str | None:
    """A sum, mean or product that is still to be taken."""
    axes = range(pairs[0][0].ndim)
    for over in itertools.chain(*(itertools.combinations(axes, n + 1) for n in axes)):
        for whole, name in ((np.sum, "sum"), (np.mean, "mean"), (np.prod, "product")):
            if all(
                a.ndim == len(axes)
                and whole(a, over).shape == b.shape
                and np.allclose(whole(a, over), b, **limits)
                for a, b in pairs
            ):
                which = f"dimension{'s' * (len(over) > 1)} {' and '.join(map(str, over))}"
                return f"right so far, but the {name} over {which} is missing."
    return None


def _same_numbers(pairs: list, limits: dict[str, float]) -> str | None:
    """The right numbers in another order or shape."""
    if any(a.size != b.size or b.size < 3 for a, b in pairs):
        return None
    if not all(np.allclose(np.sort(a, None), np.sort(b, None), **limits) for a, b in pairs):
        return None
    if all(np.allclose(a.ravel(), b.ravel(), **limits) for a, b in pairs):
        a, b = pairs[0]
        return f"the numbers are right; their shape should be {b.shape}, and yours is {a.shape}."
    return "these are the right numbers, in the wrong places: look at the order of the dimensions."


def wrong_weight(found: list, wanted: list, tries: list[dict[str, Any]], limit: float):
    """The sentence for a weighted sum of arguments in which a weight is wrong.

    tries: the arguments of each case, by their names. None where the outcomes are no such sums.
    """
    names = [
        name
        for name, value in tries[0].items()
        if isinstance(value, Tensor) and value.ndim
        if all(getattr(w, "shape", 0) == t[name].shape for w, t in zip(wanted, tries, strict=True))
    ]
    yours, right = (_weights(outcomes, tries, names, limit) for outcomes in (found, wanted))
    if yours is None or right is None or yours.shape != right.shape:
        return None
    says = {
        name: None
        if np.allclose(yours[:, i], right[:, i], limit, limit)
        else _how(yours[:, i], right, i, names, limit)
        for i, name in enumerate(names)
    }
    wrong = [f"the weight of `{name}` {how}" for name, how in says.items() if how]
    fine = " and of ".join(f"`{name}`" for name, how in says.items() if how is None)
    if len(wrong) == len(names) and all("is not right" in how for how in wrong):
        numbers = ", ".join(f"{w:.4g}" for w in yours[0])
        return f"no weight of `{'`, `'.join(names)}` is right: in the first try they are {numbers}."
    if not wrong:
        return None
    first = [f"the weight of {fine} is right."] if fine else []
    sentences = first + wrong
    return " ".join([sentences[0], *(s[0].upper() + s[1:] for s in sentences[1:])])


def _weights(outcomes: list, tries: list[dict], names: list[str], limit: float):
    """The weights, a row for each picture of each case; None where they are no such sums."""
    rows = []
    for outcome, arguments in zip(outcomes, tries, strict=True):
        result, parts = as_array(outcome), [as_array(arguments[name]) for name in names]
        if result is None or not parts or result.shape != parts[0].shape:
            return None
        pictures = len(result) if result.ndim >= 3 else 1
        a = np.stack(parts, -1).reshape(pictures, -1, len(names))
        if not np.isfinite(result).all() or a.shape[1] <= len(names):
            return None
        for matrix, numbers in zip(a, result.reshape(pictures, -1), strict=True):
            weights = np.linalg.lstsq(matrix, numbers, rcond=None)[0]
            if not np.allclose(matrix @ weights, numbers, limit, limit):
                return None
            rows.append(weights)
    return np.array(rows)


def _how(a: np.ndarray, right: np.ndarray, i: int, names: list[str], limit: float) -> str:
    """In which way of the table these weights differ from column i of the right ones."""
    b = right[:, i]
    known = [(right[:, j], f"is that of `{name}`.") for j, name in enumerate(names) if j != i]
    with np.errstate(all="ignore"):
        for change in TABLE:
            for make in (change.make, lambda b, m=change.make: np.sign(b) * m(np.abs(b))):
                try:
                    known.append((as_array(make(b)), f"is {change.says('the right one')}"))
                except Exception:
                    continue  # a change of tensors, and these are arrays
        for other, says in known:
            if other is not None and other.shape == a.shape and np.allclose(a, other, limit, limit):
                return says
        if np.ptp(a / b) < limit:
            return f"is {np.mean(a / b):.4g} times the right one."
    return f"is not right: in the first try it is {a[0]:.4g}."
