"""The open exercise of lesson 02: its board holds what was measured, and tells rows apart."""

import torch

from course_utils import checks
from course_utils.data import datasets

BOARD = checks.best_denoiser.board


def blurred(xt):
    return torch.nn.functional.avg_pool2d(2 * xt, 3, 1, 1).clamp(-1, 1)


def test_the_rows_of_the_board_are_measured():
    mean = datasets.mnist()[0].mean(0)
    rows = {
        "leaving it as it is": lambda xt: xt,
        "the mean digit": mean.expand_as,
        "doubled, blurred by 3 x 3 and clipped": blurred,
    }
    for name, denoiser in rows.items():
        assert abs(float(checks.best_denoiser.score(denoiser)) - BOARD[name]) < 6e-4, name


def test_the_baseline_does_not_beat_itself_and_others_are_placed():
    assert not checks.best_denoiser.judge(lambda xt: 1.0 * xt)[0]
    passed, says = checks.best_denoiser.judge(lambda xt: 0.99 * blurred(xt))
    assert passed and "Better than the mean digit" in says and "Not yet better than" in says
    assert "same shape" in checks.best_denoiser.judge(lambda xt: xt[:2])[1]
