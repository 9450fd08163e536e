"""What an exercise is: a right answer, the classic wrong ones by name, and hints."""

import copy
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_utils.checks.compare import NotYet, Stopped, all_close, as_array, close
from course_utils.checks.diagnosis import diagnose
from course_utils.checks.slips import Slip, names_of, slips, unchanged
from course_utils.checks.weights import wrong_weight

NOT_DONE = "Not done yet: replace the `...` with your answer and run the cell again."
_NO_RETURN = "Not yet: your function gives nothing back (None). Does it end with `return`?"
_NO_FUNCTION = (
    "Not yet: this check wants a function, to call it with arguments of its own. Give it the "
    "function's name alone, without brackets behind it."
)


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
               It may raise NotYet with a sentence for answers that it can't compare.
    measured:  whether the outcome is not the answer itself but what was measured on it; then only
               the exercise's own mistakes are looked for.
    tolerance: largest difference that counts as equal, relative to numbers above 1. Whole numbers
               are compared exactly.
    """

    right: Any
    cases: Callable[[], list[tuple]] = lambda: [()]
    mistakes: Sequence[Mistake] = ()
    hints: Sequence[str] = ()
    praise: str = ""
    outcome: Callable[..., Any] | None = None
    measured: bool = False
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
        found = self._outcomes(answer)
        if isinstance(found, str):
            return False, found
        wanted = self._outcomes(self.right)
        if all_close(found, wanted, self.tolerance):
            return True, f"Right. {self.praise}".strip()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what mistakes do to numbers
            return False, "Not yet: " + self._explained(answer, found, wanted)

    def _makes(self, found: list, mistake: Any) -> bool:
        """Whether these outcomes are those of a mistake."""
        outcomes = self._outcomes(mistake)
        return not isinstance(outcomes, str) and all_close(found, outcomes, self.tolerance)

    def _explained(self, answer: Any, found: list, wanted: list) -> str:
        """The sentence for a wrong answer: the exercise's own, or one that is true of any."""
        for mistake in self.mistakes:
            if self._makes(found, mistake.answer):
                return mistake.says
        if self.measured or not callable(self.right):
            tries = None if self.measured else [{}]
            return diagnose(found, wanted, self.tolerance, tries)
        return self._slipped(answer, found, wanted)

    def _slipped(self, answer: Callable, found: list, wanted: list) -> str:
        """The sentence for a function that makes none of the exercise's own mistakes."""
        again = self._outcomes(answer)
        if any(
            as_array(a) is not None and not close(a, b, 1e-6)
            for a, b in zip(found, again, strict=True)
        ):
            return (
                "two calls with the same arguments give different results: draw nothing yourself, "
                "and use the arguments that are given."
            )
        names = names_of(answer, self.right, len(self.cases()[0]))
        tries = [dict(zip(names, case, strict=True)) for case in self.cases()]
        return (
            self._slip(found, unchanged(names))
            or self._unused(answer, found, wanted, names)
            or self._slip(found, slips(self.right, names))
            or wrong_weight(found, wanted, tries, self.tolerance)
            or diagnose(found, wanted, self.tolerance, tries)
        )

    def _slip(self, found: list, known: Iterable[Slip]) -> str | None:
        """The sentence of the first slip with these outcomes."""
        if all(isinstance(outcome, Stopped) for outcome in found):
            return None
        return next((says for slip, says in known if self._makes(found, slip)), None)

    def _unused(self, answer: Callable, found: list, wanted: list, names: list[str]) -> str | None:
        """The sentence for an argument that makes no difference, where it should make one."""
        cases = self.cases()
        for i, name in enumerate(names):
            other = [
                (*case[:i], following[i], *case[i + 1 :])
                for case, following in zip(cases, cases[1:] + cases[:1], strict=True)
            ]
            mine, right = ([self._outcome(f, c) for c in other] for f in (answer, self.right))
            stopped = any(isinstance(outcome, Stopped) for outcome in mine + right)
            same = all_close(mine, found, self.tolerance)
            if not stopped and same and not all_close(right, wanted, self.tolerance):
                return f"`{name}` makes no difference here, and it should: it is not used."
        return None

    def _outcomes(self, answer: Any) -> list | str:
        """The answer's outcome in each case, or the sentence that says why there is none."""
        if answer is None or answer is ...:
            return NOT_DONE
        if not callable(answer):
            return [answer] if not callable(self.right) else _NO_FUNCTION
        outcomes = []
        for case in self.cases():
            given = copy.deepcopy(case)
            outcome = self._outcome(answer, given)
            changed = next((a for a, b in zip(case, given, strict=True) if not _same(a, b)), None)
            if changed is not None:
                kind = "tensor" if isinstance(changed, Tensor) else type(changed).__name__
                return f"Not yet: your function changes its argument in place. Make a new {kind}."
            if outcome is None or outcome is ...:
                return NOT_DONE if outcome is ... or _is_stub(answer) else _NO_RETURN
            outcomes.append(outcome)
        return outcomes

    def _outcome(self, answer: Callable, case: tuple) -> Any:
        """What is compared in one case; whatever the learner's code raises is an answer, too."""
        try:
            return answer(*case) if self.outcome is None else self.outcome(answer, *case)
        except NotYet as sentence:
            return Stopped(str(sentence))
        except Exception as error:
            return Stopped(f"your code stopped with {type(error).__name__}: {error}")


def _same(a: Any, b: Any) -> bool:
    """Whether an argument is what it was before the call."""
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return a == b if isinstance(a, (list, dict)) else True


def _is_stub(answer: Callable) -> bool:
    """Whether a function does nothing but return: its `...` was not replaced."""
    code = getattr(answer, "__code__", None)
    return code is not None and code.co_code[::2] == (lambda: None).__code__.co_code[::2]
