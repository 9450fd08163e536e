"""What an exercise is: a right answer, the classic wrong ones by name, and hints."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

NOT_DONE = "Not done yet: replace the `...` with your answer and run the cell again."


class Mistake(NamedTuple):
    """A wrong answer that people give, and the sentence that names it."""

    answer: Any
    says: str


@dataclass
class Exercise:
    """One exercise; call it with the learner's answer to hear at once whether it is right.

    right:     the right answer: a function with the learner's arguments, or a plain value.
    cases:     makes the list of argument tuples that a function is tried on; seeded.
    mistakes:  classic wrong answers, each with the sentence that names it.
    hints:     shown one at a time by `hint()`, from a nudge to nearly the solution.
    praise:    what a right answer is told, after "Right."
    outcome:   what is compared, computed as outcome(answer, *case); by default answer(*case).
    tolerance: largest difference that counts as equal, relative to numbers above 1.
    """

    right: Any
    cases: Callable[[], list[tuple]] = lambda: [()]
    mistakes: Sequence[Mistake] = ()
    hints: Sequence[str] = ()
    praise: str = ""
    outcome: Callable[..., Any] = lambda answer, *case: answer(*case)
    tolerance: float = 1e-4
    _hints_shown: int = field(default=0, repr=False)

    def __call__(self, answer: Any) -> None:
        """Print whether the answer is right, and what is wrong with it if it is not."""
        print(self.judge(answer)[1])

    def hint(self) -> None:
        """Print the next hint."""
        if self._hints_shown < len(self.hints):
            text = self.hints[self._hints_shown]
            self._hints_shown += 1
            print(f"Hint {self._hints_shown} of {len(self.hints)}: {text}")
        else:
            print("That was the last hint. The solution is in notebooks/solutions/.")

    def judge(self, answer: Any) -> tuple[bool, str]:
        """Whether the answer is right, and the sentence that says so or names the mistake."""
        try:
            found = self._outcomes(answer)
        except Exception as error:  # whatever the learner's code raises is an answer to explain
            return False, f"Not yet: your code stopped with {type(error).__name__}: {error}"
        if isinstance(found, str):
            return False, found
        wanted = self._outcomes(self.right)
        if self._all_close(found, wanted):
            return True, f"Right. {self.praise}".strip()
        for mistake in self.mistakes:
            if self._all_close(found, self._outcomes(mistake.answer)):
                return False, f"Not yet: {mistake.says}"
        return False, "Not yet: " + self._difference(found, wanted)

    def _outcomes(self, answer: Any) -> list | str:
        """The answer's outcome in each case, or the sentence that says why there is none."""
        if not callable(answer):
            return NOT_DONE if answer is None or answer is ... else [answer]
        outcomes = []
        for case in self.cases():
            given = copy.deepcopy(case)
            outcome = self.outcome(answer, *given)
            if outcome is None or outcome is ...:
                return NOT_DONE
            if any(
                isinstance(a, Tensor) and not torch.equal(a, b)
                for a, b in zip(case, given, strict=True)
            ):
                return "Not yet: your function changes its argument in place. Make a new tensor."
            outcomes.append(outcome)
        return outcomes

    def _all_close(self, found: list, wanted: list | str) -> bool:
        return len(found) == len(wanted) and all(
            _close(a, b, self.tolerance) for a, b in zip(found, wanted, strict=True)
        )

    def _difference(self, found: list, wanted: list) -> str:
        a, b = next(
            (a, b) for a, b in zip(found, wanted, strict=True) if not _close(a, b, self.tolerance)
        )
        numbers, expected = _as_array(a), _as_array(b)
        if numbers is None or expected is None:
            return f"the answer should be a {type(b).__name__}, and yours is {a!r:.80}."
        if numbers.shape != expected.shape:
            return f"the result's shape should be {expected.shape}, and yours is {numbers.shape}."
        if not np.isfinite(numbers).all():
            return (
                "your result has values that are not finite (nan or inf): look for a division by 0."
            )
        if numbers.size == 1:
            return f"your answer is {numbers.item():.4g}, and that is not the value looked for."
        gap = np.abs(numbers - expected)
        return (
            f"the shape is right and the numbers are not: they are off by up to {gap.max():.3g}, "
            f"by {gap.mean():.3g} on average."
        )


def _as_array(value: Any) -> np.ndarray | None:
    """Numbers as a float64 array; None for whatever is not made of numbers."""
    if isinstance(value, Tensor):
        return value.detach().cpu().double().numpy()
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _close(a: Any, b: Any, tolerance: float) -> bool:
    left, right = _as_array(a), _as_array(b)
    if left is None or right is None:
        return type(a) is type(b) and a == b
    return left.shape == right.shape and np.allclose(left, right, rtol=tolerance, atol=tolerance)
