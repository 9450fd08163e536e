"""The exercises of lesson 13, latent diffusion."""

import math

import torch

from course_utils.built.forward import forward_jump
from course_utils.built.schedule import NoiseSchedule, cosine_betas
from course_utils.checks.engine import Mistake, Write


def _noises(seed, *shapes):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator) for shape in shapes]


_TIMES = [1000, 900, 800, 700, 600, 500, 400, 300, 200, 100, 0]


def _steps(timesteps, strength):
    return int(strength * (len(timesteps) - 1))


strength_times = Write(
    right=lambda timesteps, strength: timesteps[len(timesteps) - 1 - _steps(timesteps, strength) :],
    cases=lambda: [(_TIMES, strength) for strength in (0.7, 0.32, 0.16, 0.75, 1.0, 0.0)],
    mistakes=[
        Mistake(
            lambda timesteps, strength: timesteps[_steps(timesteps, strength) :],
            "strength is upside down: 1 is all noise, so all steps are made then.",
        ),
        Mistake(
            lambda timesteps, strength: timesteps[: _steps(timesteps, strength) + 1],
            "these are the first steps. They begin in pure noise, where nothing is left of the "
            "picture, and end before the picture is clean: make the last ones.",
        ),
        Mistake(
            lambda timesteps, strength: timesteps[len(timesteps) - _steps(timesteps, strength) :],
            "one timestep too few: n steps pass n + 1 timesteps.",
        ),
        Mistake(
            lambda timesteps, strength: timesteps[-_steps(timesteps, strength) - 1 :][
                : len(timesteps) - 1
            ],
            "with strength 1 the last timestep is missing: sampling must end at the picture.",
        ),
        Mistake(
            lambda timesteps, strength: [t for t in timesteps if t < strength * timesteps[0]],
            "the timestep at which sampling starts is missing: it is the first of the list.",
        ),
        Mistake(
            lambda timesteps, strength: timesteps[
                len(timesteps) - 1 - round(strength * (len(timesteps) - 1)) :
            ],
            "you round to the nearest. int cuts off: a step that is not whole is not made.",
        ),
        Mistake(
            lambda timesteps, strength: timesteps[
                len(timesteps) - 1 - math.ceil(strength * (len(timesteps) - 1)) :
            ],
            "you round up. int cuts off: a step that is not whole is not made.",
        ),
        Mistake(
            lambda timesteps, strength: timesteps[
                len(timesteps) - 1 - int(strength * len(timesteps)) :
            ],
            "n + 1 timesteps make n steps, and you took strength of the timesteps.",
        ),
        Mistake(
            lambda timesteps, strength: (
                timesteps[len(timesteps) - 1 - _steps(timesteps, strength) :] if strength else []
            ),
            "at strength 0 no step is made, and one timestep is left: the last.",
        ),
        Mistake(
            _steps,
            "this is how many steps are made. Return their timesteps, a part of the list.",
        ),
        Mistake(
            lambda timesteps, strength: [round(strength * t) for t in timesteps],
            "you moved the timesteps. Sampling keeps those of the list, and leaves out the "
            "first ones.",
        ),
    ],
    hints=[
        "n + 1 timesteps make n steps. How many of them are made?",
        "int(strength * steps) are made, and they are the last ones.",
        "A slice that begins at index i leaves out the first i. How many steps are not made?",
    ],
    praise="Half the strength is half the work, too.",
)

_SCHEDULE = NoiseSchedule(cosine_betas(100))


def _inpainting(seed, t, s):
    shape = (2, 3, 4, 4)
    drawn, known, noise = _noises(seed, shape, shape, shape)
    new = _noises(seed + 10, (2, 1, 4, 4))[0] > 0
    return drawn, known, new, noise, t, s, _SCHEDULE


def _put_back(kept_of):
    def answer(drawn, known, new, noise, t, s, schedule):
        return torch.where(new, drawn, kept_of(known, noise, t, s, schedule))

    return answer


known_put_back = Write(
    right=_put_back(lambda known, noise, t, s, schedule: forward_jump(known, noise, s, schedule)),
    cases=lambda: [_inpainting(1, 60, 40), _inpainting(2, 90, 80), _inpainting(3, 20, 0)],
    mistakes=[
        Mistake(
            _put_back(lambda known, noise, t, s, schedule: known),
            "the known part is put back clean. Beside it everything has the noise of time s, and "
            "the network has never seen such a mixture.",
        ),
        Mistake(
            _put_back(lambda known, noise, t, s, schedule: forward_jump(known, noise, t, schedule)),
            "this is the noise of time t, where the step began. `drawn` has arrived at s.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: torch.where(
                new, forward_jump(known, noise, s, schedule), drawn
            ),
            "the mask is upside down: `new` is True where the picture is drawn anew.",
        ),
        Mistake(
            _put_back(
                lambda known, noise, t, s, schedule: known + schedule.noise_std[s].item() * noise
            ),
            "the noise is right, but the known part must shrink as well: it is multiplied by the "
            "square root of alpha_bar.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: forward_jump(
                torch.where(new, drawn, known), noise, s, schedule
            ),
            "`drawn` has the noise of time s already, and gets more here: add it to `known` alone.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: forward_jump(
                known, noise, s, schedule
            ),
            "the mask is not used: where `new` is True, `drawn` stays.",
        ),
        Mistake(
            _put_back(
                lambda known, noise, t, s, schedule: torch.lerp(
                    noise, known, schedule.alpha_bar[s].item()
                )
            ),
            "the square roots are missing: sqrt(alpha_bar) of `known`, and sqrt(1 - "
            "alpha_bar) of the noise.",
        ),
        Mistake(
            _put_back(lambda known, noise, t, s, schedule: noise),
            "only noise was put back: nothing of `known` is in it.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: (
                drawn + ~new * forward_jump(known, noise, s, schedule)
            ),
            "the known part was added to `drawn`. Put it in its place: torch.where.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: new * drawn,
            "outside of `new` there are zeros. There belongs the known part, with noise.",
        ),
        Mistake(
            _put_back(
                lambda known, noise, t, s, schedule: forward_jump(known, noise, t - s, schedule)
            ),
            "t - s is how far the step went. The noise is that of the time where it arrived, s.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: torch.where(
                new, drawn, forward_jump(drawn, noise, s, schedule)
            ),
            "outside of `new` you put `drawn` again, with more noise. There belongs `known`.",
        ),
    ],
    hints=[
        "Both parts must have the same amount of noise. Which time has `drawn` reached?",
        "Lesson 04's forward_jump brings `known` from the clean picture to time s.",
        "`torch.where` picks, number by number, from one of two tensors.",
    ],
    praise="At s = 0 no noise is left, and the known part is what it was.",
)


def _mixes(shares_of):
    def answer(first, second, number):
        shares = shares_of(number)[:, None, None]
        return torch.lerp(first[None], second[None], shares)

    return answer


def _halves_of_sentences(first, second, number):
    cuts = torch.linspace(0, 1, number) * len(first)
    places = torch.arange(len(first))[None, :, None]
    return torch.where(places < cuts[:, None, None], second[None], first[None])


def _turned_contexts(first, second, number):
    angle = torch.linspace(0, math.pi / 2, number)[:, None, None]
    return angle.cos() * first + angle.sin() * second


def _shares_along_the_width(first, second, number):
    shares = torch.linspace(0, 1, number)
    return (1 - shares) * first + shares * second


context_between = Write(
    right=_mixes(lambda number: torch.linspace(0, 1, number)),
    cases=lambda: [(*_noises(4, (6, 5), (6, 5)), 5), (*_noises(5, (4, 3), (4, 3)), 3)],
    mistakes=[
        Mistake(
            _mixes(lambda number: torch.linspace(1, 0, number)),
            "the order is the other way round: the first mix is `first` alone.",
        ),
        Mistake(
            _mixes(lambda number: torch.arange(number) / number),
            "the last mix should be `second` alone: both ends are included.",
        ),
        Mistake(
            _mixes(lambda number: torch.linspace(0, 1, number + 2)[1:-1]),
            "`first` and `second` themselves belong to the mixes: both ends are included.",
        ),
        Mistake(
            _halves_of_sentences,
            "you take some tokens of one sentence and some of the other. Mix the numbers of every "
            "token.",
        ),
        Mistake(
            lambda first, second, number: (
                first + torch.linspace(0, 1, number)[:, None, None] * second
            ),
            "what `second` gains, `first` must lose: the two shares add up to 1.",
        ),
        Mistake(
            _mixes(lambda number: torch.arange(1, number + 1) / number),
            "the first mix should be `first` alone: both ends are included.",
        ),
        Mistake(
            _mixes(lambda number: torch.full((number,), 0.5)),
            "all of them are half of each. They should lead from the one to the other.",
        ),
        Mistake(
            _mixes(lambda number: torch.linspace(0, 1, number) ** 2),
            "the steps are not even: take the shares as linspace gives them.",
        ),
        Mistake(
            _turned_contexts,
            "you turned, with cosine and sine. That is for noises; contexts are mixed along a"
            " straight line.",
        ),
        Mistake(
            lambda first, second, number: torch.lerp(
                first, second, torch.linspace(0, 1, len(first))[:, None]
            ),
            "your shares run along the tokens. Each mix has one share for all of its tokens.",
        ),
        Mistake(
            lambda first, second, number: torch.linspace(0, 1, number),
            "these are the shares. Mix the two contexts with each of them.",
        ),
        Mistake(
            _shares_along_the_width,
            "your shares run along the width. Give them two more dimensions, shares[:, None, "
            "None]: one for each mix.",
        ),
    ],
    hints=[
        "torch.linspace(0, 1, number) are the shares of `second`.",
        "shares[:, None, None] has two more dimensions, and multiplies L x width numbers.",
        "At share 0 all is `first`, at share 1 all is `second`: what does each get in between?",
    ],
    praise="For the U-Net a sentence is numbers, and between numbers there is always more.",
)


def _turned(weights):
    def answer(first, second, share):
        a, b = weights(share)
        return a * first + b * second

    return answer


_RIGHT_ANGLE = math.pi / 2


def _by_measured_angle(first, second, share):
    a, b = first.flatten(), second.flatten()
    angle = torch.arccos(a @ b / (a.norm() * b.norm()))
    before, after = ((1 - share) * angle).sin(), (share * angle).sin()
    return (before * first + after * second) / angle.sin()


noise_between = Write(
    right=_turned(lambda s: (math.cos(s * _RIGHT_ANGLE), math.sin(s * _RIGHT_ANGLE))),
    cases=lambda: [(*_noises(n, (2, 3, 4, 4), (2, 3, 4, 4)), n / 4) for n in range(5)],
    mistakes=[
        Mistake(
            _turned(lambda s: (1 - s, s)),
            "these shares add up to 1, but their squares do not. Half of two noises has the "
            "variance 1/4 + 1/4: noise that is too weak.",
        ),
        Mistake(
            _turned(lambda s: (math.sin(s * _RIGHT_ANGLE), math.cos(s * _RIGHT_ANGLE))),
            "the two are exchanged: at share 0 the result is `first`.",
        ),
        Mistake(
            _turned(lambda s: (math.cos(90 * s), math.sin(90 * s))),
            "math.cos wants radians: a right angle is pi / 2.",
        ),
        Mistake(
            _turned(lambda s: (math.cos(s * math.pi), math.sin(s * math.pi))),
            "you turn by twice as much: at share 1 this is minus `first`.",
        ),
        Mistake(
            _turned(lambda s: ((1 - s) ** 0.5, s**0.5)),
            "the variance is right, and this would do. But the steps are not even: turn by an "
            "angle, with cosine and sine.",
        ),
        Mistake(
            _turned(lambda s: (math.cos(s), math.sin(s))),
            "you turn by `share` radians. It is `share` of a right angle, pi / 2.",
        ),
        Mistake(
            _turned(lambda s: (math.cos(2 * s * math.pi), math.sin(2 * s * math.pi))),
            "you turn by `share` of the full circle. It is `share` of a right angle, pi / 2.",
        ),
        Mistake(
            _turned(lambda s: (1 - s**2, s**2)),
            "the shares that you squared add up to 1. It is the squares of the two factors "
            "that must.",
        ),
        Mistake(
            _turned(lambda s: ((1 - s) / math.hypot(s, 1 - s), s / math.hypot(s, 1 - s))),
            "the variance is right, and this would do. But the steps are not even: turn by an"
            " angle, with cosine and sine.",
        ),
        Mistake(
            lambda first, second, share: (
                torch.lerp(first, second, share) / torch.lerp(first, second, share).std()
            ),
            "you divide by the standard deviation that you measured: then each draw has exactly "
            "the "
            "standard deviation 1, and noise does not. Turn, with cosine and sine.",
        ),
        Mistake(
            _turned(lambda s: (1.0, s)),
            "the noise becomes too strong: what the second gains, the first must lose.",
        ),
        Mistake(
            _by_measured_angle,
            "you measured the angle between the two. It is nearly a right one, and a right "
            "angle was asked for.",
        ),
    ],
    hints=[
        "For independent noises a * first + b * second has the variance a^2 + b^2.",
        "cos^2 + sin^2 = 1, whatever the angle.",
        "At angle 0 there is only `first`, at pi / 2 only `second`. Which takes the cosine?",
    ],
    praise="The sum of squares stays 1, so it is standard normal all the way.",
)
