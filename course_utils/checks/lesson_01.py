"""The exercises of lesson 01: noise."""

import torch
from torch import Tensor

from course_utils.built.noise import remove_noise
from course_utils.checks.engine import Mistake, Write


def _picture_and_noise() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x0 = 2 * torch.rand(2, 3, 4, 4, generator=generator) - 1
    return x0, torch.randn(x0.shape, generator=generator)


def _sqrt_mix(x0: Tensor, noise: Tensor, amount: float) -> Tensor:
    return (1 - amount) ** 0.5 * x0 + amount**0.5 * noise


def _mix_by_measure(x0: Tensor, noise: Tensor, snr: float) -> Tensor:
    return _sqrt_mix(x0, noise, 1 / (1 + snr * noise.var().item() / x0.var().item()))


mix_at_snr = Write(
    right=lambda x0, noise, snr: _sqrt_mix(x0, noise, 1 / (1 + snr)),
    cases=lambda: [(*_picture_and_noise(), snr) for snr in (4.0, 1.0, 0.25, 100.0)],
    mistakes=[
        Mistake(
            lambda x0, noise, snr: _sqrt_mix(x0, noise, 1 / (1 + snr**2)),
            "the signal-to-noise ratio is one of powers. You took it for a ratio of amplitudes: "
            "the square is one too many.",
        ),
        Mistake(
            lambda x0, noise, snr: _sqrt_mix(x0, noise, snr / (1 + snr)),
            "picture and noise have changed places: the larger the ratio, the more picture.",
        ),
        Mistake(
            lambda x0, noise, snr: (snr * x0 + noise) / (1 + snr),
            "you found the amount and mixed along the straight line; the factors of this mix are "
            "the square roots of 1 - amount and amount.",
        ),
        Mistake(
            lambda x0, noise, snr: (snr**0.5 * x0 + noise) / (1 + snr**0.5),
            "the ratio is right, but this is the straight line at another amount: its factors do "
            "not have squares that add up to 1.",
        ),
        Mistake(
            lambda x0, noise, snr: snr**0.5 * x0 + noise,
            "the ratio is right, but the squares of your two factors do not add up to 1: divide "
            "both by the same number.",
        ),
        Mistake(
            lambda x0, noise, snr: x0 + noise / snr**0.5,
            "the ratio is right, but the squares of your two factors do not add up to 1: "
            "divide both by the same number.",
        ),
        Mistake(
            _mix_by_measure,
            "you measured how strong the picture is. The ratio is defined by the two factors "
            "alone, whatever the picture.",
        ),
        Mistake(
            lambda x0, noise, snr: _sqrt_mix(x0, noise, min(snr, 1.0)),
            "a ratio is not an amount: find the amount at which (1 - amount) / amount is snr.",
        ),
    ],
    hints=[
        "Only the amount is missing. Write down what the ratio is for the mix with square roots.",
        "snr = (1 - amount) / amount. Solve it for amount.",
        "amount = 1 / (1 + snr); then mix with the square roots of 1 - amount and of amount.",
    ],
    praise="At snr = 1 picture and noise have equal power, and both factors are 0.707.",
)


def _undo(xt: Tensor, noise: Tensor, amount: float) -> Tensor:
    if amount == 1:
        return torch.zeros_like(xt)
    return (xt - amount**0.5 * noise) / (1 - amount) ** 0.5


def _mixed_cases() -> list[tuple]:
    x0, noise = _picture_and_noise()
    return [(_sqrt_mix(x0, noise, amount), noise, amount) for amount in (0.5, 0.1, 0.9, 0.0, 1.0)]


def _undo_without_division(xt: Tensor, noise: Tensor, amount: float) -> Tensor:
    return xt - amount**0.5 * noise


def _undo_without_root(xt: Tensor, noise: Tensor, amount: float) -> Tensor:
    if amount == 1:
        return torch.zeros_like(xt)
    return (xt - amount**0.5 * noise) / (1 - amount)


def _undo_clamped(xt: Tensor, noise: Tensor, amount: float) -> Tensor:
    return xt if amount == 1 else _undo(xt, noise, amount)


def _undo_with(noise_factor, picture_factor):
    """Undoing with other factors than the right ones; at amount 1 all is right."""

    def answer(xt: Tensor, noise: Tensor, amount: float) -> Tensor:
        if amount == 1:
            return torch.zeros_like(xt)
        return (xt - noise_factor(amount) * noise) / picture_factor(amount)

    return answer


undo_mix = Write(
    right=_undo,
    cases=_mixed_cases,
    mistakes=[
        Mistake(
            remove_noise,
            "this undoes the mix along the straight line. The picture was mixed with square roots.",
        ),
        Mistake(
            _undo_without_division,
            "the noise is gone, and the picture is still too faint: divide by its factor.",
        ),
        Mistake(
            _undo_without_root,
            "you divide by 1 - amount; the picture's factor was the square root of that.",
        ),
        Mistake(
            _undo_clamped,
            "all is right but amount = 1: what is left there is the noise. Give mid-grey, 0, as "
            "remove_noise does.",
        ),
        Mistake(
            _undo_with(lambda amount: amount, lambda amount: (1 - amount) ** 0.5),
            "you take away amount * noise; the noise's factor was the square root of that.",
        ),
        Mistake(
            _undo_with(lambda amount: 1.0, lambda amount: (1 - amount) ** 0.5),
            "you take all of the noise away, and xt holds only sqrt(amount) of it.",
        ),
        Mistake(
            _undo_with(lambda amount: amount**0.5, lambda amount: (1 - amount) ** -0.5),
            "you multiply by the picture's factor. It was multiplied before: divide.",
        ),
    ],
    hints=[
        "Start from xt = sqrt(1 - amount) x0 + sqrt(amount) noise and solve for x0.",
        "Take sqrt(amount) * noise away, then divide by sqrt(1 - amount).",
        "Ask for amount == 1 first, and return torch.zeros_like(xt) there.",
    ],
    praise="One who knows the noise needs no network.",
)


mix_variance = Write(
    right=lambda var0, amount: (1 - amount) ** 2 * var0 + amount**2,
    cases=lambda: [(0.3, 0.5), (1.0, 0.5), (0.3, 0.1), (2.0, 0.9), (0.7, 0.0), (0.7, 1.0)],
    mistakes=[
        Mistake(
            lambda var0, amount: (1 - amount) * var0 + amount,
            "this is the variance of the mix with square roots. On the straight line the factors "
            "are 1 - amount and amount: square them.",
        ),
        Mistake(
            lambda var0, amount: (1 - amount) ** 2 * var0,
            "this is the picture's share alone. The noise has variance 1: what does it add?",
        ),
        Mistake(
            lambda var0, amount: ((1 - amount) * var0**0.5 + amount) ** 2,
            "you added the standard deviations and squared the sum. For independent numbers the "
            "variances add.",
        ),
        Mistake(
            lambda var0, amount: ((1 - amount) ** 2 * var0 + amount**2) ** 0.5,
            "this is the standard deviation; the variance is its square.",
        ),
        Mistake(
            lambda var0, amount: (1 - amount) * var0**0.5 + amount,
            "you added the standard deviations. For independent numbers the variances add.",
        ),
        Mistake(
            lambda var0, amount: (1 - amount) ** 2 * var0 + amount,
            "the noise's factor is amount, so its variance is the square of amount.",
        ),
        Mistake(
            lambda var0, amount: (1 - amount) * var0 + amount**2,
            "the picture's factor is 1 - amount: the variance is multiplied by its square.",
        ),
        Mistake(
            lambda var0, amount: (1 - amount) ** 2 * var0 * amount**2,
            "the two parts are added, and so are their variances. You multiply them.",
        ),
    ],
    hints=[
        "Multiplying by a number multiplies the variance by its square.",
        "The variances of independent parts add: the picture's part and the noise's part.",
        "(1 - amount)^2 var0 + amount^2 * 1",
    ],
    praise="With var0 = 1 it falls to one half in the middle: the mix along the line goes flat.",
)


one_jump = Write(
    right=lambda amount, steps: 1 - (1 - amount) ** steps,
    cases=lambda: [(0.5, 2), (0.1, 3), (0.02, 100), (0.3, 1), (0.2, 0)],
    mistakes=[
        Mistake(
            lambda amount, steps: amount * steps,
            "amounts do not add: each step takes its share of what is left. At 0.02 and 100 steps "
            "yours is 2, and an amount ends at 1.",
        ),
        Mistake(
            lambda amount, steps: (1 - amount) ** steps,
            "this is the share of the picture that is left; the amount of noise is the rest.",
        ),
        Mistake(
            lambda amount, steps: 1 - (1 - amount) ** (steps / 2),
            "this uses the picture's factor, the square root. The amount is a share of variance: "
            "no root.",
        ),
        Mistake(
            lambda amount, steps: amount**steps,
            "this shrinks with every step; noise grows. What is multiplied is the picture's share.",
        ),
        Mistake(
            lambda amount, steps: min(1.0, amount * steps),
            "amounts do not add: each step takes its share of what is left, and something "
            "always is.",
        ),
        Mistake(
            lambda amount, steps: amount * steps**0.5,
            "this is how deviations of equal noises add. Here each step also fades the noise "
            "before it: follow the picture's factor.",
        ),
    ],
    hints=[
        "Follow the picture, not the noise: what is its factor after one step, and after two?",
        "A step multiplies it by sqrt(1 - amount), and n steps by sqrt((1 - amount)^n).",
        "One jump multiplies it by sqrt(1 - jump). So 1 - jump = (1 - amount)^n.",
    ],
    praise="Many small steps are one large one: lesson 04 builds on this.",
)
