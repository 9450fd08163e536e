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
    "path_walked": [
        ("upside down", lambda path, strength: path[int(strength * (len(path) - 1)) :]),
        ("first strides", lambda path, strength: path[: int(strength * (len(path) - 1)) + 1]),
        (
            "one time too few",
            lambda path, strength: path[len(path) - int(strength * (len(path) - 1)) :],
        ),
        (
            None,
            lambda path, strength: path[-int(strength * (len(path) - 1)) - 1 : -1] or path[-1:],
        ),
        ("starts is missing", lambda path, strength: [t for t in path if t < strength * path[0]]),
        (
            "you round to the nearest",
            lambda path, strength: path[len(path) - 1 - round(strength * (len(path) - 1)) :],
        ),
        (
            "you round up",
            lambda path, strength: path[len(path) - 1 - math.ceil(strength * (len(path) - 1)) :],
        ),
        (
            "the last part of the result is missing",
            lambda path, strength: path[len(path) - 1 - int(strength * (len(path) - 1)) : -1],
        ),
        ("n + 1 times", lambda path, strength: path[len(path) - 1 - int(strength * len(path)) :]),
        (
            "at strength 0 no stride is walked",
            lambda path, strength: path[-int(strength * (len(path) - 1)) - 1 :] if strength else [],
        ),
        (
            "`strength` + 1 in the place of",
            lambda path, strength: path[-int(strength * (len(path) - 1)) :],
        ),
        (
            "only the first part of the result is there",
            lambda path, strength: path[len(path) - 1 - int(strength * (len(path) - 1))],
        ),
        ("how many", lambda path, strength: int(strength * (len(path) - 1))),
        ("you moved the times", lambda path, strength: [round(strength * t) for t in path]),
        ("order", lambda path, strength: path[::-1][: int(strength * (len(path) - 1)) + 1]),
        ("nothing is done", lambda path, strength: path),
        (
            "you round to the nearest",
            lambda path, strength: [t for t in path if t <= strength * path[0] + 50],
        ),
        ("in place", lambda path, strength: _shortened(path, strength)),
    ],
    "known_put_back": [
        (
            "put back clean",
            _kept(lambda known, noise, t, s, sch: known),
        ),
        (
            "noise of time t",
            _kept(lambda known, noise, t, s, sch: forward_jump(known, noise, t, sch)),
        ),
        (
            "mask is upside down",
            lambda drawn, known, new, noise, t, s, sch: torch.where(
                new, forward_jump(known, noise, s, sch), drawn
            ),
        ),
        (
            "must shrink",
            _kept(lambda known, noise, t, s, sch: known + float(sch.noise_std[s]) * noise),
        ),
        (
            "gets more here",
            lambda drawn, known, new, noise, t, s, sch: forward_jump(
                torch.where(new, drawn, known), noise, s, sch
            ),
        ),
        ("mask", lambda drawn, known, new, noise, t, s, sch: forward_jump(known, noise, s, sch)),
        ("`drawn`", lambda drawn, known, new, noise, t, s, sch: drawn),
        (
            "square root",
            _kept(
                lambda known, noise, t, s, sch: (
                    float(sch.alpha_bar[s]) * known + float(1 - sch.alpha_bar[s]) * noise
                )
            ),
        ),
        (
            "only noise was put back",
            _kept(lambda known, noise, t, s, sch: noise),
        ),
        (
            "`known` makes no difference here",
            _kept(lambda known, noise, t, s, sch: float(sch.noise_std[s]) * noise),
        ),
        (
            "exchanged",
            _kept(lambda known, noise, t, s, sch: forward_jump(noise, known, s, sch)),
        ),
        (
            "`noise` makes no difference here",
            _kept(lambda known, noise, t, s, sch: float(sch.signal[s]) * known),
        ),
        (
            "added",
            lambda drawn, known, new, noise, t, s, sch: (
                drawn + ~new * forward_jump(known, noise, s, sch)
            ),
        ),
        (
            "outside of `new` there are zeros",
            lambda drawn, known, new, noise, t, s, sch: new * drawn,
        ),
        (
            "give different results",
            _kept(
                lambda known, noise, t, s, sch: forward_jump(known, torch.randn_like(known), s, sch)
            ),
        ),
        (
            "t - s is how far the stride went",
            _kept(lambda known, noise, t, s, sch: forward_jump(known, noise, t - s, sch)),
        ),
        (
            "in place",
            lambda drawn, known, new, noise, t, s, sch: _put_into(
                drawn, new, forward_jump(known, noise, s, sch)
            ),
        ),
        (
            "`known`",
            lambda drawn, known, new, noise, t, s, sch: torch.where(
                new, drawn, forward_jump(drawn, noise, s, sch)
            ),
        ),
    ],
    "context_between": [
        (
            "other way round",
            lambda first, second, number: _mixes(second, first, torch.linspace(0, 1, number)),
        ),
        (
            "last mix should",
            lambda first, second, number: _mixes(first, second, torch.arange(number) / number),
        ),
        (
            "belong to the mixes",
            lambda first, second, number: _mixes(
                first, second, torch.linspace(0, 1, number + 2)[1:-1]
            ),
        ),
        ("some tokens", lambda first, second, number: _cut_sentences(first, second, number)),
        (
            "must lose",
            lambda first, second, number: (
                first + torch.linspace(0, 1, number)[:, None, None] * second
            ),
        ),
        (
            "first mix",
            lambda first, second, number: _mixes(
                first, second, torch.arange(1, number + 1) / number
            ),
        ),
        (
            "`number` + 1 in the place of",
            lambda first, second, number: _mixes(first, second, torch.linspace(0, 1, number + 1)),
        ),
        (
            "the numbers are right; their shape should",
            lambda first, second, number: _mixes(
                first, second, torch.linspace(0, 1, number)
            ).flatten(0, 1),
        ),
        ("half", lambda first, second, number: ((first + second) / 2).expand(number, -1, -1)),
        (
            "turned",
            lambda first, second, number: _turned(first, second, torch.linspace(0, 1, number)),
        ),
        (
            "dimension",
            lambda first, second, number: _mixes(
                first, second, torch.linspace(0, 1, number)
            ).transpose(0, 1),
        ),
        (
            "tokens",
            lambda first, second, number: (
                first + torch.linspace(0, 1, len(first))[:, None] * (second - first)
            ),
        ),
        ("these are the shares", lambda first, second, number: torch.linspace(0, 1, number)),
        (
            "last part",
            lambda first, second, number: _mixes(first, second, torch.linspace(0, 1, number))[:-1],
        ),
        (
            "`number` - 1",
            lambda first, second, number: _mixes(first, second, torch.linspace(0, 1, number - 1)),
        ),
        (
            "the steps are not even",
            lambda first, second, number: _mixes(first, second, torch.linspace(0, 1, number) ** 2),
        ),
        (
            "your shares run along the width",
            lambda first, second, number: (
                (1 - torch.linspace(0, 1, number)) * first + torch.linspace(0, 1, number) * second
            ),
        ),
        (
            "-`second`",
            lambda first, second, number: _mixes(first, -second, torch.linspace(0, 1, number)),
        ),
    ],
    "noise_between": [
        ("too weak", lambda first, second, share: torch.lerp(first, second, share)),
        ("exchanged", lambda first, second, share: _turn(second, first, share)),
        (
            "radians",
            lambda first, second, share: (
                math.cos(90 * share) * first + math.sin(90 * share) * second
            ),
        ),
        ("twice as much", lambda first, second, share: _turn(first, second, 2 * share)),
        ("not even", lambda first, second, share: (1 - share) ** 0.5 * first + share**0.5 * second),
        (
            "`share` / 2 in the place of",
            lambda first, second, share: _turn(first, second, share / 2),
        ),
        ("pi", lambda first, second, share: math.cos(share) * first + math.sin(share) * second),
        (
            "you turn by `share` of the full circle",
            lambda first, second, share: _turn(first, second, 4 * share),
        ),
        ("-`second`", lambda first, second, share: _turn(first, -second, share)),
        ("add up to 1", lambda first, second, share: (1 - share**2) * first + share**2 * second),
        (
            "the variance is right",
            lambda first, second, share: (
                torch.lerp(first, second, share) / math.hypot(share, 1 - share)
            ),
        ),
        (
            "you divide by the deviation that you",
            lambda first, second, share: (
                torch.lerp(first, second, share) / torch.lerp(first, second, share).std()
            ),
        ),
        (None, lambda first, second, share: (1 - share**2) ** 0.5 * first + share * second),
        (
            "weight of `second` is that of",
            lambda first, second, share: math.cos(share * math.pi / 2) * (first + second),
        ),
        ("too strong", lambda first, second, share: first + share * second),
        (
            "you measured the angle between the two",
            lambda first, second, share: _slerp(first, second, share),
        ),
        ("not used", lambda first, second, share: _turn(first, second, 0.5)),
        (
            "in place",
            lambda first, second, share: (
                first.mul_(math.cos(share * math.pi / 2)) + math.sin(share * math.pi / 2) * second
            ),
        ),
    ],
}


def _shortened(path, strength):
    for _ in range(len(path) - 1 - int(strength * (len(path) - 1))):
        path.pop(0)
    return path


def _put_into(drawn, new, kept):
    drawn[~new.expand_as(drawn)] = kept[~new.expand_as(drawn)]
    return drawn


def _mixes(first, second, shares):
    return first + shares[:, None, None] * (second - first)


def _turned(first, second, shares):
    angle = shares[:, None, None] * math.pi / 2
    return angle.cos() * first + angle.sin() * second


def _cut_sentences(first, second, number):
    cuts = [math.ceil(i * len(first) / (number - 1)) for i in range(number)]
    return torch.stack([torch.cat([second[:cut], first[cut:]]) for cut in cuts])


def _turn(first, second, share):
    angle = share * math.pi / 2
    return math.cos(angle) * first + math.sin(angle) * second


def _slerp(first, second, share):
    """Turned by the angle that is measured between the two, which is not quite a right one."""
    a, b = first.flatten(), second.flatten()
    angle = torch.arccos(a @ b / (a.norm() * b.norm()))
    return (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * second) / torch.sin(
        angle
    )


def _step_by_step(path, strength):
    walked = [path[-1]]
    for i in range(int(strength * (len(path) - 1))):
        walked.insert(0, path[-2 - i])
    return walked


def _blended(drawn, known, new, noise, t, s, schedule):
    a = schedule.alpha_bar[s].item()
    mask = new.double()
    return mask * drawn + (1 - mask) * (a**0.5 * known + (1 - a) ** 0.5 * noise)


def _written_into_a_copy(drawn, known, new, noise, t, s, schedule):
    times = torch.full((len(known),), s)
    return _put_into(drawn.clone(), new, forward_jump(known, noise, times, schedule))


RIGHT = {
    "path_walked": [
        _step_by_step,
        lambda path, strength: tuple(path)[::-1][: 1 + int(strength * (len(path) - 1))][::-1],
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
