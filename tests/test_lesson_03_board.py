"""The board of lesson 03's open question: its scores are those of the methods that it names."""

from itertools import pairwise

import pytest
import torch

from course_utils import checks
from course_utils.checks import lesson_03


def adams_bashforth(guess, x):
    """Of second order: the direction, carried on from the last two."""
    amounts, last = [1 - i / 6 for i in range(7)], None
    for a, b in pairwise(amounts):
        now = (x - guess(x, a)) / a
        x, last = x - (a - b) * (now if last is None else 1.5 * now - 0.5 * last), now
    return x


def test_the_board_holds_what_its_methods_score():
    board = list(checks.six_guesses.board.values())
    assert lesson_03._off_the_mark(lesson_03.equal_moves) == pytest.approx(board[0], abs=1e-4)
    assert lesson_03._off_the_mark(adams_bashforth) == pytest.approx(board[1], abs=1e-4)
    free = lambda guess, x: lesson_03.equal_moves(lesson_03.best_guess, x, 12)  # noqa: E731
    assert lesson_03._off_the_mark(free) == pytest.approx(board[2], abs=1e-4)
    passed, says = checks.six_guesses.judge(adams_bashforth)
    assert passed and "Better than six equal moves" in says and "Adams" in says
    assert not checks.six_guesses.judge(lesson_03.equal_moves)[0]


def test_a_seventh_guess_and_a_half_way_answer_are_named():
    cheat = lambda guess, x: lesson_03.equal_moves(guess, x, 7)  # noqa: E731
    assert "seventh guess" in checks.six_guesses.judge(cheat)[1]
    assert "as many as x" in checks.six_guesses.judge(lambda guess, x: None if x is None else 3)[1]


def test_the_best_guess_is_the_mean_of_what_may_lie_under_it():
    generator = torch.Generator().manual_seed(0)
    data = lesson_03.MEANS[torch.randint(3, (400_000,), generator=generator)]
    data = data + lesson_03.STD * torch.randn(len(data), generator=generator)
    noisy = 0.5 * data + 0.5 * torch.randn(len(data), generator=generator)
    near = (noisy - 0.3).abs() < 0.02
    wanted = lesson_03.best_guess(torch.tensor([0.3], dtype=torch.float64), 0.5)
    assert data[near].mean().item() == pytest.approx(wanted.item(), abs=0.02)
