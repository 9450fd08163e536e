"""Slips that can be made in any exercise: the right answer, with something small done to it."""

import copy
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

Slip = tuple[Callable, str]
"""An answer that makes the slip, and the sentence that names it."""

AFTER = [
    (lambda y: -y, "the sign is turned: this is minus the right result."),
    (lambda y: y**2, "this is the square of the right result: a square root is missing."),
    (lambda y: y**0.5, "this is the square root of the right result: square it."),
    (lambda y: 1 / y, "this is upside down: 1 divided by the right result."),
    (lambda y: 1 - y, "this is 1 minus the right result."),
    (lambda y: y + 1, "this is too large by 1: check where you start and stop counting."),
    (lambda y: y - 1, "this is too small by 1: check where you start and stop counting."),
    (lambda y: y.clamp(-1, 1), "the values beyond [-1, 1] were cut off, which nobody asked for."),
    (lambda y: y.clamp(0, 1), "the values beyond [0, 1] were cut off, which nobody asked for."),
    (lambda y: y.half(), "half precision is too coarse here: keep float32."),
    (lambda y: y.trunc(), "what is behind the point was cut off: keep the fractions."),
    (lambda y: y.round(), "the numbers were rounded: keep the fractions."),
    (lambda y: y.mean(), "this is one number, the mean of all that is asked for."),
    (lambda y: y.sum(), "this is one number, the sum of all that is asked for."),
    (lambda y: y.mean(0), "this is the mean over the batch: keep one result for each part."),
    (lambda y: y.sum(0), "this is the sum over the batch: keep one result for each part."),
    (lambda y: y.chunk(2, -1)[0], "only the first half of the result is there."),
    (lambda y: y.chunk(2, -1)[1], "only the second half of the result is there."),
    (lambda y: y.exp(), "this is e to the power of the right result: one exp too many."),
    (lambda y: y.log(), "this is the logarithm of the right result."),
    (lambda y: y[None], "right, with a dimension of 1 too many in front."),
    (lambda y: y[..., None], "right, with a dimension of 1 too many at the end."),
    (lambda y: y[0], "only the first part of the result is there."),
    (lambda y: y[:-1], "the last part of the result is missing."),
    (lambda y: y[1:], "the first part of the result is missing."),
    (lambda y: y[::-1], "the order is turned round: what comes first should come last."),
    (lambda y: y.flip(0), "the order is turned round: what comes first should come last."),
    (lambda y: y.flip(-1), "the last dimension is turned round: what is first should be last."),
    (lambda y: y.flatten(), "the numbers are right, and all in one row: keep the dimensions."),
    (lambda y: y.flatten(1), "the numbers are right, but the last dimensions were joined."),
    (lambda y: y - y.mean(), "the mean was subtracted, which nobody asked for."),
    (lambda y: [n + 1 for n in y], "each number is too large by 1: check where counting starts."),
    (lambda y: [n - 1 for n in y], "each number is too small by 1: check where counting starts."),
]
"""What is done to the right result, and what is then said of it."""

BEFORE = [
    (lambda x: -x, "-`{}`"),
    (lambda x: 0 * x, "0"),
    (lambda x: x**2, "the square of `{}`"),
    (lambda x: x**0.5, "the square root of `{}`"),
    (lambda x: 1 - x, "1 - `{}`"),
    (lambda x: 1 / x, "1 / `{}`"),
    (lambda x: 2 * x, "2 * `{}`"),
    (lambda x: x / 2, "`{}` / 2"),
    (lambda x: torch.as_tensor(x).exp(), "e to the power of `{}`"),
    (lambda x: torch.as_tensor(x).log(), "the logarithm of `{}`"),
    (lambda x: x + 1, "`{}` + 1"),
    (lambda x: x - 1, "`{}` - 1"),
    (lambda x: torch.ones_like(x) if isinstance(x, Tensor) else 1, "1"),
    (lambda x: x[:1].expand(x.shape), "the first of the `{}`"),
    (lambda x: x.mean().expand(x.shape), "the mean of `{}`"),
    (lambda x: x.mT, "`{}`, its last two dimensions exchanged,"),
    (lambda x: x.abs(), "the absolute value of `{}`"),
    (lambda x: x.clamp(-1, 1), "`{}`, cut to [-1, 1],"),
]
"""What is done to an argument, and how that is called; `{}` is the argument's name."""


def slips(right: Callable, names: list[str]) -> Iterator[Slip]:
    """Every slip that can be made with the right answer of an exercise.

    names: those of its arguments, for the sentences.
    """
    for change, says in AFTER:
        yield _after(right, change), says
    yield from _axes(right)
    for i, name in enumerate(names):
        for change, what in BEFORE:
            says = f"this would be right with {what.format(name)} in the place of `{name}`."
            yield _before(right, i, change), says
        yield _after(right, lambda y, x: y - x, i), f"`{name}` is missing: add it."
        yield _after(right, lambda y, x: y + x, i), f"`{name}` was added, and should not be."
        yield (
            _after(right, lambda y, x: y * x, i),
            f"this is multiplied by `{name}` once too often.",
        )
        yield _after(right, lambda y, x: y / x, i), f"multiply by `{name}`, once more than you do."
    for i, j in itertools.combinations(range(len(names)), 2):
        yield _swapped(right, i, j), f"`{names[i]}` and `{names[j]}` are exchanged."


def unchanged(names: list[str]) -> Iterator[Slip]:
    """An argument given back as it came."""
    for i, name in enumerate(names):
        yield (lambda *case, i=i: case[i]), f"this is `{name}` itself: nothing is done to it."


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


def _after(right: Callable, change: Callable, *at: int) -> Callable:
    def answer(*case):
        arguments = [case[i] for i in at]
        return change(right(*copy.deepcopy(case)), *arguments)

    return answer


def _before(right: Callable, i: int, change: Callable) -> Callable:
    return lambda *case: right(*case[:i], change(case[i]), *case[i + 1 :])


def _swapped(right: Callable, i: int, j: int) -> Callable:
    def answer(*case):
        turned = list(case)
        turned[i], turned[j] = case[j], case[i]
        return right(*turned)

    return answer


def _axes(right: Callable) -> Iterator[Slip]:
    """Two dimensions of the result exchanged."""
    for a, b in itertools.combinations(range(4), 2):
        says = f"the numbers are right, and dimensions {a} and {b} are exchanged."
        yield _after(right, lambda y, a=a, b=b: _exchanged(y, a, b)), says


def _exchanged(y: Any, a: int, b: int) -> Tensor:
    return y.transpose(a, b)
