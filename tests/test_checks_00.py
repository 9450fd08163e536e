"""Lesson 00's exercises accept right answers that are written differently, and explain odd ones."""

import numpy as np
import pytest
import torch

from course_utils import checks
from course_utils.data import datasets


def seeded_in_a_fork(shape, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.randn(*shape)


@pytest.mark.parametrize(
    "name, answer",
    [
        ("numbers_in_a_batch", torch.zeros(32, 1, 28, 28).numel()),
        (
            "picture_to_tensor",
            lambda image: torch.tensor(image.transpose(2, 0, 1) / 255 * 2 - 1, dtype=torch.float32),
        ),
        (
            "tensor_to_picture",
            lambda x: (
                np.rint(255 * np.clip((x.numpy() + 1) / 2, 0, 1))
                .astype(np.uint8)
                .transpose(1, 2, 0)
            ),
        ),
        ("seeded_noise", seeded_in_a_fork),
        ("alpha_bar_of_sigma", lambda sigma: torch.sigmoid(-2 * torch.log(sigma))),
    ],
)
def test_a_right_answer_written_differently_passes(name, answer):
    passed, says = checks.EXERCISES[name].judge(answer)
    assert passed, says


def test_a_picture_of_the_wrong_kind_is_explained():
    says = checks.EXERCISES["picture_to_tensor"].judge(lambda image: image / 127.5 - 1)[1]
    assert "should be a Tensor" in says and "ndarray" in says
    says = checks.EXERCISES["seeded_noise"].judge(lambda shape, seed: np.zeros(shape))[1]
    assert "should be a Tensor" in says and "ndarray" in says


def test_the_board_of_generators_is_measured():
    flat = datasets.mnist()[0].flatten(1)
    labels = datasets.mnist()[1]
    score, board = checks.digit_generator.score, checks.digit_generator.board

    def pixel_by_pixel(count, generator):
        x = flat.mean(0) + flat.std(0) * torch.randn(count, 784, generator=generator)
        return x.view(-1, 1, 28, 28)

    def digit_by_digit(count, generator):
        rows = []
        for digit in range(10):
            own = flat[labels == digit]
            root = torch.linalg.cholesky(torch.cov(own.T) + 1e-5 * torch.eye(784))
            noise = torch.randn(count // 10, 784, generator=generator)
            rows.append(own.mean(0) + noise @ root.T)
        return torch.cat(rows).view(-1, 1, 28, 28)

    assert score(pixel_by_pixel) == pytest.approx(board["a Gaussian for each pixel"], rel=0.05)
    assert score(digit_by_digit) == pytest.approx(board["a Gaussian for each digit"], rel=0.1)
    passed, says = checks.digit_generator.judge(digit_by_digit)
    assert passed and "Not yet better than the network of lesson 06" in says
    assert "(500, 1, 28, 28)" in checks.digit_generator.judge(lambda n, g: torch.zeros(n))[1]
