"""*Explore*: an open question with a score of its own, and no wrong answers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from course_utils.checks.engine.exercise import NOT_DONE, Exercise
from course_utils.checks.engine.write import is_stub


@dataclass(kw_only=True)
class Explore(Exercise):
    """The answer gets a score, and the check says how far it came.

    score:  the answer's score, one number; seeded. It may raise ValueError with a sentence for
            answers that it cannot score.
    board:  scores to beat, by their names; the first is the baseline. Their order is free else.
    higher: whether a higher score is better.
    unit:   what stands behind a score when it is told, such as " dB".
    """

    score: Callable[[Any], float]
    board: dict[str, float]
    higher: bool = True
    unit: str = ""

    def judge(self, answer: Any) -> tuple[bool, str]:
        """Whether the answer beats the baseline, and where it stands on the board."""
        if answer is None or answer is ... or is_stub(answer):
            return False, NOT_DONE
        try:
            score = float(self.score(answer))
        except Exception as error:
            reason = str(error) if isinstance(error, ValueError) else repr(error)
            return False, f"Not scored yet: {reason}"
        if not math.isfinite(score):
            return False, f"Not scored yet: the score is {score}. Look for a division by 0."
        beaten = [name for name, other in self.board.items() if self._better(score, other)]
        ahead = [name for name in self.board if name not in beaten]
        passed = next(iter(self.board)) in beaten
        return passed, " ".join(self._told(score, beaten, ahead, passed))

    def _better(self, score: float, other: float) -> bool:
        return score > other if self.higher else score < other

    def _told(self, score: float, beaten: list, ahead: list, passed: bool) -> list[str]:
        """The sentences: the score, what it beats, what comes next."""
        best_first = sorted(self.board, key=self.board.get, reverse=self.higher)
        said = [f"Your score: {self._number(score)}."]
        if beaten:
            best = next(name for name in best_first if name in beaten)
            said.append(f"Better than {best} ({self._number(self.board[best])}).")
        if ahead:
            following = [name for name in reversed(best_first) if name in ahead][0]
            other = self.board[following]
            gap = self._number(abs(other - score))
            said.append(f"Not yet better than {following} ({self._number(other)}): {gap} to go.")
        return [*said, self.praise] if passed and self.praise else said

    def _number(self, value: float) -> str:
        return f"{value:.4g}{self.unit}"
