"""The one table of slips: what can be done by mistake to a result, an argument or a weight."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

Slip = tuple[Callable, str]
"""An answer that makes the slip, and the sentence that names it."""


class Change(NamedTuple):
    """make: the change. what: its name, with `{}` for what is changed. hint: what to do then."""

    make: Callable[[Any], Any]
    what: str
    hint: str = ""

    def says(self, of: str) -> str:
        """ "this is the square of the right result: a square root is missing", for instance."""
        what = self.what.format(of).removesuffix(",")
        return f"{what}: {self.hint}." if self.hint else f"{what}."


_UNASKED = "nobody asked for that"
_START = "look where counting starts"
TABLE = [
    Change(lambda x: -x, "minus {}", "the sign is turned"),
    Change(lambda x: 0 * x, "0", "it is missing"),
    Change(lambda x: x**2, "the square of {}", "a square root is missing"),
    Change(lambda x: x**0.5, "the square root of {}", "one root too many"),
    Change(lambda x: 1 - x, "1 - {}"),
    Change(lambda x: 1 / x, "1 / {}", "divide where you multiply, or the other way round"),
    Change(lambda x: 2 * x, "2 * {}", "a factor of 2 too many"),
    Change(lambda x: x / 2, "{} / 2", "a factor of 2 is missing"),
    Change(lambda x: torch.as_tensor(x).exp(), "e to the power of {}", "one exp too many"),
    Change(lambda x: torch.as_tensor(x).log(), "the logarithm of {}", "one log too many"),
    Change(lambda x: x + 1, "{} + 1", "one too many"),
    Change(lambda x: x - 1, "{} - 1", "one too few"),
    Change(lambda x: 1 + 0 * x, "1", "as if nothing were to be done"),
    Change(lambda x: (1 - x**2) ** 0.5, "the root of 1 minus the square of {}"),
    Change(
        lambda x: 1 - (1 - x**2) ** 0.5,
        "1 minus the root of 1 minus the square of {}",
        "the squares of two parts add up, not the parts",
    ),
    Change(lambda x: [n + 1 for n in x], "{} with 1 added to each number", _START),
    Change(lambda x: [n - 1 for n in x], "{} with 1 taken from each number", _START),
    Change(lambda x: x.abs(), "the absolute value of {}"),
    Change(lambda x: x.clamp(-1, 1), "{}, cut off beyond [-1, 1],", _UNASKED),
    Change(lambda x: x.clamp(0, 1), "{}, cut off beyond [0, 1],", _UNASKED),
    Change(lambda x: x.half(), "{} in half precision", "too coarse here, so keep float32"),
    Change(lambda x: x.trunc(), "{}, cut off behind the point,", "keep the fractions"),
    Change(lambda x: x.round(), "{}, rounded,", "keep the fractions"),
    Change(lambda x: x - x.mean(), "{} with its mean subtracted", _UNASKED),
    Change(lambda x: x.mean(), "one number, the mean of {}", "keep all that is asked for"),
    Change(lambda x: x.sum(), "one number, the sum of {}", "keep all that is asked for"),
    Change(lambda x: x.mean().expand(x.shape), "the mean of {} everywhere"),
    Change(lambda x: x.mean(0), "the mean of {} over the batch", "keep one result for each part"),
    Change(lambda x: x.sum(0), "the sum of {} over the batch", "keep one result for each part"),
    Change(lambda x: x.chunk(2, -1)[0], "only the first half of {}"),
    Change(lambda x: x.chunk(2, -1)[1], "only the second half of {}"),
    Change(lambda x: x[:1].expand(x.shape), "the first of {} everywhere"),
    Change(lambda x: x[0], "only the first part of {}"),
    Change(lambda x: x[:-1], "{} without its last part", "the last part is missing"),
    Change(lambda x: x[1:], "{} without its first part", "the first part is missing"),
    Change(lambda x: x[::-1], "{}, its order turned round,"),
    Change(lambda x: x.flip(0), "{}, its order turned round,"),
    Change(lambda x: x.flip(-1), "{}, its last dimension turned round,"),
    Change(lambda x: x.mT, "{}, its last two dimensions exchanged,"),
    *(
        Change(lambda x, a=a, b=b: x.transpose(a, b), f"{{}}, dimensions {a} and {b} exchanged,")
        for a, b in itertools.combinations(range(4), 2)
    ),
    Change(lambda x: x[None], "{} with a dimension of 1 too many in front"),
    Change(lambda x: x[..., None], "{} with a dimension of 1 too many at the end"),
    Change(lambda x: x.flatten(), "{}, all in one row,", "keep the dimensions"),
    Change(lambda x: x.flatten(1), "{} with the last dimensions joined"),
]
"""Tried on the right result, on each argument of the right answer, and on each weight of a sum."""

_PAIRS = [
    (lambda y, x: y - x, "`{}` is missing: add it."),
    (lambda y, x: y + x, "`{}` was added, and should not be."),
    (lambda y, x: y * x, "this is multiplied by `{}` once too often."),
    (lambda y, x: y / x, "multiply by `{}`, once more than you do."),
]
"""What can be done to a result with an argument."""


def slips(right: Callable, names: list[str]) -> Iterator[Slip]:
    """Every slip that can be made with the right answer; names: those of its arguments."""
    for change in TABLE:
        yield _after(right, change.make), f"this is {change.says('the right result')}"
    for i, name in enumerate(names):
        for change in TABLE:
            what = change.what.format(f"`{name}`")
            says = f"this would be right with {what} in the place of `{name}`."
            yield _before(right, i, change.make), says
        for change, says in _PAIRS:
            yield _after(right, change, i), says.format(name)
    for i, j in itertools.combinations(range(len(names)), 2):
        yield _swapped(right, i, j), f"`{names[i]}` and `{names[j]}` are exchanged."


def _after(right: Callable, change: Callable, *at: int) -> Callable:
    return lambda *case: change(right(*case), *(case[i] for i in at))


def _before(right: Callable, i: int, change: Callable) -> Callable:
    return lambda *case: right(*case[:i], change(case[i]), *case[i + 1 :])


def _swapped(right: Callable, i: int, j: int) -> Callable:
    order = {i: j, j: i}
    return lambda *case: right(*(case[order.get(k, k)] for k in range(len(case))))
