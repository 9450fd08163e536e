"""Lesson 00's exercises accept right answers that are written differently, and explain odd ones."""

import numpy as np
import pytest
import torch

from course_utils import checks


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
