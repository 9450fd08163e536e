"""How an exercise's outcomes are compared."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor


class NotYet(Exception):
    """Raised where an outcome is compared: its text is the sentence that the learner reads."""


class Stopped(NamedTuple):
    """The outcome of a case in which the learner's code raised an error."""

    says: str


def as_array(value: Any) -> np.ndarray | None:
    """Numbers as a float64 array; None for whatever is not made of numbers."""
    if isinstance(value, (str, bytes)):
        return None  # numpy would read "12" as 12
    try:
        if isinstance(value, Tensor):
            return None if value.is_complex() else value.detach().cpu().double().numpy()
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        return None


def counts(value: Any) -> bool:
    """Whether a right answer is made of whole numbers, which are compared without tolerance."""
    if isinstance(value, Tensor):
        return not value.is_floating_point()
    try:
        return np.asarray(value).dtype.kind in "biu"
    except ValueError:  # lists of different lengths
        return False


def close(found: Any, wanted: Any, tolerance: float) -> bool:
    """Whether two outcomes of a case are equal: to within the tolerance, or exactly."""
    left, right = as_array(found), as_array(wanted)
    if left is None or right is None:
        texts = (str, Stopped)  # all else that is not made of numbers differs from what is
        return isinstance(wanted, texts) and type(found) is type(wanted) and found == wanted
    limit = 1e-9 if counts(wanted) else tolerance
    return left.shape == right.shape and np.allclose(left, right, limit, limit, True)


def all_close(found: Sequence, wanted: Sequence, tolerance: float) -> bool:
    """Whether the outcomes of all cases are equal."""
    return all(close(a, b, tolerance) for a, b in zip(found, wanted, strict=True))


def with_gradient(answer: Callable, *case: Any) -> Any:
    """An outcome: the answer itself, which gradients must be able to pass; else raises NotYet."""
    found = answer(*case)
    if found is None or found is ...:
        return found
    leaves = [x.clone().requires_grad_() if isinstance(x, Tensor) else x for x in case]
    if not getattr(answer(*leaves), "requires_grad", False):
        raise NotYet(
            "no gradient can pass, so nothing is learned from it: leave out `.item()`, `.detach()` "
            "and whatever else turns the result into a plain number."
        )
    return found
