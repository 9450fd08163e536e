"""Paths of times: where they start and end, how they are spaced, what they refuse."""

from itertools import pairwise

import pytest

from course_utils.built.paths import even_path, karras_path, leading_path, linspace_path
from course_utils.built.schedule import NoiseSchedule, cosine_betas, linear_betas

SCHEDULE = NoiseSchedule(linear_betas(1000))


def test_paths_descend_from_their_start_to_their_end():
    for T in (1, 7, 200, 1000):
        schedules = [NoiseSchedule(betas(T)) for betas in (linear_betas, cosine_betas)]
        for steps in {1, 2, 3, T // 3 or 1, T - 1 or 1, T}:
            if steps > T:
                continue
            found = [karras_path(s, steps) for s in schedules]
            found += [even_path(T, steps), linspace_path(T, steps)]
            for path in found:
                assert len(path) == steps + 1 and path[0] == T and path[-1] == 0
                assert all(isinstance(t, int) for t in path)
                assert all(t > s for t, s in pairwise(path))
            assert leading_path(T, steps)[-2:] == [1, 0]
    assert even_path(1000, 1000) == list(range(1000, -1, -1))


def test_karras_path_is_even_in_the_seventh_root_of_sigma():
    sigma = SCHEDULE.noise_std / SCHEDULE.signal
    path = karras_path(SCHEDULE, 10)
    assert path[0] == 1000 and path[-2:] == [1, 0]
    roots = sigma[path[:-1]] ** (1 / 7)
    gaps = roots[:-1] - roots[1:]
    assert gaps.max() / gaps.min() < 1.2  # whole times are not exactly at the values


@pytest.mark.parametrize("steps", [0, -1, 11, 2.0, "5", None])
def test_paths_refuse_impossible_numbers_of_steps(steps):
    schedule = NoiseSchedule(linear_betas(10))
    for make in (even_path, linspace_path, leading_path):
        with pytest.raises(ValueError, match="1 to 10"):
            make(10, steps)
    with pytest.raises(ValueError, match="1 to 10"):
        karras_path(schedule, steps)


def test_leading_path_refuses_an_end_that_is_not_below():
    with pytest.raises(ValueError, match="descends"):
        leading_path(1000, 20, end=1)
    with pytest.raises(ValueError, match="descends"):
        leading_path(1000, 1000, offset=1)
