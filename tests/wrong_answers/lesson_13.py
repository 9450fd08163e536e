"""Lesson 13: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

from course_utils.built.forward import forward_jump


def _kept(part):
    """The new part as it was drawn, and what `part` makes of the known one."""
    return lambda drawn, known, new, noise, t, s, sch: torch.where(
        new, drawn, part(known, noise, t, s, sch)
    )


WRONG = {
    "strength_times": [
        (
            None,
            lambda timesteps, strength: (
                timesteps[-int(strength * (len(timesteps) - 1)) - 1 : -1] or timesteps[-1:]
            ),
        ),
    ],
    "known_put_back": [
        (
            "give different results",
            _kept(
                lambda known, noise, t, s, sch: forward_jump(known, torch.randn_like(known), s, sch)
            ),
        ),
    ],
    "context_between": [
        (
            "the numbers are right; their shape should",
            lambda first, second, number: _mixes(
                first, second, torch.linspace(0, 1, number)
            ).flatten(0, 1),
        ),
    ],
    "noise_between": [
        (None, lambda first, second, share: (1 - share**2) ** 0.5 * first + share * second),
    ],
}


def _put_into(drawn, new, kept):
    drawn[~new.expand_as(drawn)] = kept[~new.expand_as(drawn)]
    return drawn


def _mixes(first, second, shares):
    return first + shares[:, None, None] * (second - first)


def _step_by_step(timesteps, strength):
    walked = [timesteps[-1]]
    for i in range(int(strength * (len(timesteps) - 1))):
        walked.insert(0, timesteps[-2 - i])
    return walked


def _blended(drawn, known, new, noise, t, s, schedule):
    a = schedule.alpha_bar[s].item()
    mask = new.double()
    return mask * drawn + (1 - mask) * (a**0.5 * known + (1 - a) ** 0.5 * noise)


def _written_into_a_copy(drawn, known, new, noise, t, s, schedule):
    times = torch.full((len(known),), s)
    return _put_into(drawn.clone(), new, forward_jump(known, noise, times, schedule))


RIGHT = {
    "strength_times": [
        _step_by_step,
        lambda timesteps, strength: tuple(timesteps)[::-1][
            : 1 + int(strength * (len(timesteps) - 1))
        ][::-1],
    ],
    "known_put_back": [_blended, _written_into_a_copy],
    "context_between": [
        lambda first, second, number: torch.stack(
            [first + i / (number - 1) * (second - first) for i in range(number)]
        ),
        lambda first, second, number: torch.einsum(
            "kn,klw->nlw",
            torch.stack([torch.linspace(1, 0, number), torch.linspace(0, 1, number)]).double(),
            torch.stack([first, second]).double(),
        ),
        lambda first, second, number: torch.stack(
            [first.lerp(second, i / (number - 1)) for i in range(number)], -1
        ).permute(2, 0, 1),
    ],
    "noise_between": [
        lambda first, second, share: (
            (torch.exp(torch.tensor(-0.5j * math.pi * share)) * torch.complex(first, second)).real
        ),
        lambda first, second, share: (
            math.sin((1 - share) * math.pi / 2) * first.double()
            + math.sin(share * math.pi / 2) * second
        ),
    ],
}
