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
    "known_put_back": [
        (
            "give different results",
            _kept(
                lambda known, noise, t, s, sch: forward_jump(known, torch.randn_like(known), s, sch)
            ),
        ),
    ],
    "both_at_once": [
        ("factor", lambda null, a, b, w: 0.5 * (null + w * (a - null) + w * (b - null))),
        (None, lambda null, a, b, w: null + w * (a - null) + (b - null)),
    ],
    "noise_between": [
        (None, lambda first, second, share: (1 - share**2) ** 0.5 * first + share * second),
    ],
}


def _put_into(drawn, new, kept):
    drawn[~new.expand_as(drawn)] = kept[~new.expand_as(drawn)]
    return drawn


def _blended(drawn, known, new, noise, t, s, schedule):
    a = schedule.alpha_bar[s].item()
    mask = new.double()
    return mask * drawn + (1 - mask) * (a**0.5 * known + (1 - a) ** 0.5 * noise)


def _written_into_a_copy(drawn, known, new, noise, t, s, schedule):
    times = torch.full((len(known),), s)
    return _put_into(drawn.clone(), new, forward_jump(known, noise, times, schedule))


def _pull_by_pull(null, a, b, w):
    x = null.clone()
    for prompt in (a, b):
        x += w * (prompt - null)
    return x


RIGHT = {
    "resting_part": ["encoder", "Encoder "],
    "weak_no": ["nothing", " Nothing"],
    "drawn_latents": [9, 9.0, torch.tensor(9)],
    "both_at_once": [
        lambda null, a, b, w: (1 - 2 * w) * null + w * (a + b),
        lambda null, a, b, w: torch.einsum(
            "k,k...->...",
            torch.tensor([1 - 2 * w, w, w]).double(),
            torch.stack([null, a, b]).double(),
        ),
        _pull_by_pull,
    ],
    "known_put_back": [_blended, _written_into_a_copy],
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
