"""Timesteps: where they start and end, how they are spaced, what they refuse."""

from itertools import pairwise

import pytest
from diffusers import PNDMScheduler

from course_utils.built.schedule import NoiseSchedule, cosine_betas, linear_betas
from course_utils.built.timesteps import (
    karras_timesteps,
    leading_timesteps,
    linspace_timesteps,
    spaced_timesteps,
    trailing_timesteps,
)

SCHEDULE = NoiseSchedule(linear_betas(1000))


def test_timesteps_descend_from_their_start_to_their_end():
    for T in (1, 7, 200, 1000):
        schedules = [NoiseSchedule(betas(T)) for betas in (linear_betas, cosine_betas)]
        for steps in {1, 2, 3, T // 3 or 1, T - 1 or 1, T}:
            if steps > T:
                continue
            found = [karras_timesteps(s, steps) for s in schedules]
            found += [trailing_timesteps(T, steps), linspace_timesteps(T, steps)]
            for timesteps in found:
                assert len(timesteps) == steps + 1 and timesteps[0] == T and timesteps[-1] == 0
                assert all(isinstance(t, int) for t in timesteps)
                assert all(t > s for t, s in pairwise(timesteps))
            assert leading_timesteps(T, steps)[-2:] == [1, 0]
    assert trailing_timesteps(1000, 1000) == list(range(1000, -1, -1))


def test_karras_timesteps_are_even_in_the_seventh_root_of_sigma():
    sigma = SCHEDULE.noise_std / SCHEDULE.signal
    timesteps = karras_timesteps(SCHEDULE, 10)
    assert timesteps[0] == 1000 and timesteps[-2:] == [1, 0]
    roots = sigma[timesteps[:-1]] ** (1 / 7)
    gaps = roots[:-1] - roots[1:]
    assert gaps.max() / gaps.min() < 1.2  # whole times are not exactly at the values


@pytest.mark.parametrize("steps", [0, -1, 11, 2.0, "5", None])
def test_impossible_numbers_of_steps_are_refused(steps):
    schedule = NoiseSchedule(linear_betas(10))
    for make in (trailing_timesteps, linspace_timesteps, leading_timesteps):
        with pytest.raises(ValueError, match="1 to T = 10 steps"):
            make(10, steps)
    with pytest.raises(ValueError, match="1 to T = 10 steps"):
        karras_timesteps(schedule, steps)


def test_an_end_that_is_not_below_is_refused():
    with pytest.raises(ValueError, match="Offset 0 and end 1 give no timesteps"):
        leading_timesteps(1000, 20, end=1)
    with pytest.raises(ValueError, match="Offset 1 and end 0 give no timesteps"):
        leading_timesteps(1000, 1000, offset=1)


def test_spacings_by_their_names():
    assert spaced_timesteps("trailing", 1000, 7) == trailing_timesteps(1000, 7)
    assert spaced_timesteps("linspace", 1000, 7) == linspace_timesteps(1000, 7)
    assert spaced_timesteps("leading", 1000, 7) == leading_timesteps(1000, 7)
    theirs = PNDMScheduler(steps_offset=1, skip_prk_steps=True)  # as Stable Diffusion's file says
    theirs.set_timesteps(50)
    ours = spaced_timesteps("stable_diffusion", 1000, 50)
    assert ours[:-1] == sorted({t + 1 for t in theirs.timesteps.tolist()}, reverse=True)
    assert ours[-1] == 1
    with pytest.raises(ValueError, match="spacing is one of trailing, .*; not 'uneven'"):
        spaced_timesteps("uneven", 1000, 50)
