"""The open exercise of lesson 01: its board holds what was measured, and tells rows apart."""

import math

import torch
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, pad
from torchvision.transforms.v2.functional import gaussian_blur

from course_utils import checks

BOARD = checks.blind_denoiser.board


def averaged(side):
    return lambda xt: avg_pool2d(xt / 0.6, side, 1, side // 2, count_include_pad=False)


def cosines(xt):
    """Each block of 8 x 8 pixels as cosines; what is under three deviations of noise is dropped."""
    i, k = torch.arange(8.0), torch.arange(8.0)[:, None]
    basis = torch.cos(math.pi * (i + 0.5) * k / 8) / 2
    basis[0] /= 2**0.5
    blocks = torch.einsum("ai,bj->abij", basis, basis).reshape(64, 1, 8, 8)
    found = conv2d(pad(xt / 0.6, [8] * 4, mode="reflect").flatten(0, 1)[:, None], blocks)
    keep = found.abs() > 3 * 0.4 / 0.6
    keep[:, 0] = True
    back = conv_transpose2d(found * keep, blocks) / 64
    return back[..., 8:-8, 8:-8].reshape(xt.shape).clamp(-1, 1)


ROWS = {
    "leaving it as it is": lambda xt: xt,
    "a mean over 3 x 3 pixels": averaged(3),
    "a mean over 5 x 5 pixels": averaged(5),
    "a Gaussian blur, 2 pixels wide": lambda xt: gaussian_blur(xt / 0.6, [15, 15], [2.0, 2.0]),
    "cosines of 8 x 8 pixels, the weak ones dropped": cosines,
}


def test_the_rows_of_the_board_are_measured():
    assert list(ROWS) == list(BOARD)
    for name, denoiser in ROWS.items():
        assert abs(float(checks.blind_denoiser.score(denoiser)) - BOARD[name]) < 6e-4, name


def test_the_baseline_does_not_beat_itself_and_others_are_placed():
    assert not checks.blind_denoiser.judge(lambda xt: 1.0 * xt)[0]
    passed, says = checks.blind_denoiser.judge(averaged(7))
    assert passed and "Better than a mean over" in says
    assert "same shape" in checks.blind_denoiser.judge(lambda xt: xt[:1])[1]
