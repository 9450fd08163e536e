"""Simple relations between the numbers of a wrong answer and those of the right one."""

import itertools

import numpy as np

from course_utils.checks.compare import as_array

Pair = tuple[np.ndarray, np.ndarray]
"""An outcome and the right one, as arrays."""


_WHOLE = ((np.sum, "sum"), (np.mean, "mean"), (np.prod, "product"))


def relation(found: list, wanted: list, tolerance: float) -> str | None:
    """The sentence for the relation that holds in all cases; None where there is none."""
    pairs = [(as_array(a), as_array(b)) for a, b in zip(found, wanted, strict=True)]
    if any(a is None or b is None or not a.size or not np.isfinite(a).all() for a, b in pairs):
        return None
    limits = {"rtol": tolerance, "atol": tolerance}
    if any(a.shape != b.shape for a, b in pairs):
        return _not_reduced(pairs, limits) or _same_numbers(pairs, limits)
    return _factor(pairs, limits) or _same_numbers(pairs, limits)


def _factor(pairs: list[Pair], limits: dict[str, float]) -> str | None:
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


def _not_reduced(pairs: list[Pair], limits: dict[str, float]) -> str | None:
    """A sum or a mean that is still to be taken."""
    axes = pairs[0][0].ndim
    for number in range(1, axes + 1):
        for over in itertools.combinations(range(axes), number):
            for whole, name in _WHOLE:
                if all(a.ndim == axes and _is(whole(a, over), b, limits) for a, b in pairs):
                    which = " and ".join(map(str, over))
                    plural = "s" if number > 1 else ""
                    return (
                        f"right so far, but the {name} over dimension{plural} {which} is missing."
                    )
    return None


def _same_numbers(pairs: list[Pair], limits: dict[str, float]) -> str | None:
    """The right numbers in another order or shape."""
    if any(a.size != b.size or b.size < 3 for a, b in pairs):
        return None
    if not all(np.allclose(np.sort(a, None), np.sort(b, None), **limits) for a, b in pairs):
        return None
    if all(np.allclose(a.ravel(), b.ravel(), **limits) for a, b in pairs):
        a, b = pairs[0]
        return f"the numbers are right; their shape should be {b.shape}, and yours is {a.shape}."
    return "these are the right numbers, in the wrong places: look at the order of the dimensions."


def _is(a: np.ndarray, b: np.ndarray, limits: dict[str, float]) -> bool:
    return a.shape == b.shape and np.allclose(a, b, **limits)
