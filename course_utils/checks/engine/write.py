"""*Predict*, *write* and *repair*: exercises that have a right answer."""

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.checks.engine.compare import NotYet, Stopped, all_close
from course_utils.checks.engine.diagnosis import diagnose, explain
from course_utils.checks.engine.exercise import NOT_DONE, Exercise, Mistake

_NO_RETURN = "Not yet: your function gives nothing back (None). Does it end with `return`?"
_NO_FUNCTION = (
    "Not yet: this check wants a function, to call it with arguments of its own. Give it the "
    "function's name alone, without brackets behind it."
)


@dataclass(kw_only=True)
class _WithRightAnswer(Exercise):
    """An exercise with a right answer, and classic mistakes, each with the sentence for it.

    tolerance: largest difference that counts as equal, relative to numbers above 1. Whole numbers
               are compared exactly.
    """

    right: Any
    mistakes: Sequence[Mistake] = ()
    tolerance: float = 1e-4

    def judge(self, answer: Any) -> tuple[bool, str]:
        """Whether the answer is right, and the sentence that says so or names the mistake."""
        found = self.outcomes(answer)
        if isinstance(found, str):
            return False, found
        wanted = self.outcomes(self.right)
        if all_close(found, wanted, self.tolerance):
            return True, f"Right. {self.praise}".strip()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what mistakes do to numbers
            own = (m.says for m in self.mistakes if self._makes(found, m.answer))
            return False, "Not yet: " + (next(own, "") or self._explained(answer, found, wanted))

    def outcomes(self, answer: Any) -> list | str:
        """What is compared, a list; or the sentence that says why there is nothing to compare."""
        raise NotImplementedError

    def _makes(self, found: list, mistake: Any) -> bool:
        outcomes = self.outcomes(mistake)
        return not isinstance(outcomes, str) and all_close(found, outcomes, self.tolerance)

    def _explained(self, answer: Any, found: list, wanted: list) -> str:
        """The sentence for an answer that makes none of the exercise's own mistakes."""
        return diagnose(found, wanted, self.tolerance, [{}])


@dataclass(kw_only=True)
class Predict(_WithRightAnswer):
    """A number or a choice, told before the cell runs; `praise` says why it is so.

    choices: the words that may be chosen, for a question with a choice; `right` is one of them,
             and each other one is a mistake with its sentence.
    """

    choices: Sequence[str] = ()

    def outcomes(self, answer: Any) -> list | str:
        """The answer itself, or the sentence for one that is none of the choices."""
        if callable(answer):
            try:
                answer = answer()
            except Exception as error:
                return f"Not yet: {_stopped(error)}"
        if answer is None or answer is ...:
            return NOT_DONE
        if not self.choices:
            return [answer]
        word = answer.strip().lower() if isinstance(answer, str) else answer
        if word not in [*self.choices]:
            return f"Not yet: choose one of {', '.join(map(repr, self.choices))}."
        return [word]


@dataclass(kw_only=True)
class Write(_WithRightAnswer):
    """A function that the learner writes; it is tried on cases, beside the right one.

    cases:    makes the list of argument tuples that the function is tried on; seeded.
    outcome:  what is compared, computed as outcome(answer, *case); by default answer(*case).
              It may raise NotYet with a sentence for answers that it can't compare.
    measured: whether the outcome is not the answer itself but what was measured on it; then only
              the exercise's own mistakes are looked for.
    """

    cases: Callable[[], list[tuple]] = lambda: [()]
    outcome: Callable[..., Any] | None = None
    measured: bool = False

    def outcomes(self, answer: Any) -> list | str:
        """The answer's outcome in each case, or the sentence that says why there is none."""
        if answer is None or answer is ...:
            return NOT_DONE
        if not callable(answer):
            return _NO_FUNCTION
        outcomes = []
        for case in self.cases():
            given = copy.deepcopy(case)
            outcome = self.try_on(answer, given)
            changed = next((a for a, b in zip(case, given, strict=True) if not _same(a, b)), None)
            if changed is not None:
                kind = "tensor" if isinstance(changed, Tensor) else type(changed).__name__
                return f"Not yet: your function changes its argument in place. Make a new {kind}."
            if outcome is None or outcome is ...:
                return NOT_DONE if outcome is ... or is_stub(answer) else _NO_RETURN
            outcomes.append(outcome)
        return outcomes

    def try_on(self, answer: Callable, case: tuple) -> Any:
        """What is compared in one case; whatever the learner's code raises is an answer, too."""
        try:
            return answer(*case) if self.outcome is None else self.outcome(answer, *case)
        except NotYet as sentence:
            return Stopped(str(sentence))
        except Exception as error:
            return Stopped(_stopped(error))

    def _explained(self, answer: Callable, found: list, wanted: list) -> str:
        if self.measured:
            return diagnose(found, wanted, self.tolerance, None)
        return explain(self, answer, found, wanted)


@dataclass(kw_only=True)
class Repair(Write):
    """A function, or a training run, that is broken as real ones are; the learner mends it.

    broken:  the function as the lesson shows it. Its picture is the symptom.
    symptom: what is seen of it, a sentence; told as long as the answer does what `broken` does.
    """

    broken: Callable
    symptom: str

    def judge(self, answer: Any) -> tuple[bool, str]:
        """Whether the answer is mended, or still broken, or broken in another way."""
        found = self.outcomes(answer)
        if not isinstance(found, str) and self._makes(found, self.broken):
            return False, f"Not done yet: it is still broken. {self.symptom}"
        return super().judge(answer)


def _stopped(error: Exception) -> str:
    return f"your code stopped with {type(error).__name__}: {error}"


def _same(a: Any, b: Any) -> bool:
    """Whether an argument is what it was before the call."""
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return a == b if isinstance(a, (list, dict)) else True


def is_stub(answer: Any) -> bool:
    """Whether a function does nothing but return: its `...` was not replaced."""
    code = getattr(answer, "__code__", None)
    if code is None or any(isinstance(value, (int, float)) for value in code.co_consts):
        return False  # `return 1.5` is an answer
    return code.co_code[::2] == (lambda: None).__code__.co_code[::2]
