"""What all kinds of exercises share: a verdict, graded hints, and the record of what is solved."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from course_utils.checks.engine import record

NOT_DONE = "Not done yet: replace the `...` with your answer and run the cell again."


class Mistake(NamedTuple):
    """A wrong answer that people give, and the sentence that names it."""

    answer: Any
    says: str


@dataclass(kw_only=True)
class Exercise:
    """One exercise; call it with the learner's answer to hear at once whether it is right.

    hints:  shown one at a time by `hint()`, from a nudge to nearly the solution.
    praise: what a right answer is told, after "Right.".
    name:   the exercise's name in the course; `checks` sets it. lesson: its lesson's number, or the
            name of a notebook beside the lessons.
    """

    hints: Sequence[str] = ()
    praise: str = ""
    name: str = ""
    lesson: int | str | None = None
    _hints_shown: int = field(default=0, repr=False)

    def __call__(self, answer: Any) -> None:
        """Print whether the answer is right, and what is wrong with it if it is not."""
        passed, says = self.judge(answer)
        print(says)
        if passed and self.name:
            try:
                record.keep(self.name)
            except (OSError, ValueError) as error:  # the answer is right all the same
                print(f"(This could not be noted. {error})")

    def judge(self, answer: Any) -> tuple[bool, str]:
        """Whether the answer is right, and the sentence that says so or names the mistake."""
        raise NotImplementedError

    def hint(self) -> None:
        """Print the next hint."""
        if self._hints_shown < len(self.hints):
            text = self.hints[self._hints_shown]
            self._hints_shown += 1
            print(f"Hint {self._hints_shown} of {len(self.hints)}: {text}")
        else:
            print("That was the last hint. The solution is in notebooks/solutions/.")
