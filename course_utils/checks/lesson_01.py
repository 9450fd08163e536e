"""The exercises of lesson 01: noise."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from course_utils import ROOT
from course_utils.built.noise import mix_noise, remove_noise
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write

worst_noise = Predict(
    right="drawn anew",
    choices=("none", "drawn anew", "nearly true"),
    mistakes=[
        Mistake(
            "none",
            "this leaves in what noise there is. Is there an answer that puts more in?",
        ),
        Mistake(
            "nearly true",
            "it is off by a little only, so most of the noise is really taken out. That is the "
            "best of the three.",
        ),
    ],
    hints=[
        "What is left of the noise after the subtraction? The variances of independent noises add.",
        "With none, a times the noise is left: variance a^2. With noise drawn anew, a (noise - "
        "anew): what is its variance?",
    ],
    praise="Two independent noises have twice the variance of one. A wrong guess is worse than "
    "none.",
)

variance_midway = Predict(
    right=0.5,
    tolerance=0.02,
    mistakes=[
        Mistake(1.0, "that would be so if the factors were added. They are squared first."),
        Mistake(0.25, "that is the picture's part alone. The noise adds its own."),
        Mistake(0.707, "that is the standard deviation. Asked for is its square, the variance."),
        Mistake(2.0, "an average of two things does not vary more than both of them."),
        Mistake(0.0, "the two do not cancel each other: they are independent."),
    ],
    hints=[
        "A factor of 1/2 multiplies the variance by (1/2)^2.",
        "The variances of independent parts add: 1/4 of the picture's, and 1/4 of the noise's.",
    ],
    praise="(1/2)^2 + (1/2)^2: an average of two independent things varies less than either.",
)


def _picture_and_noise() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x0 = 2 * torch.rand(2, 3, 4, 4, generator=generator) - 1
    return x0, torch.randn(x0.shape, generator=generator)


def _sqrt_mix(x0: Tensor, noise: Tensor, amount: float) -> Tensor:
    return (1 - amount) ** 0.5 * x0 + amount**0.5 * noise


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


undo_mix = Repair(
    broken=remove_noise,
    symptom="The restored pictures have too much contrast, and noise is left in them.",
    right=_undo,
    cases=_mixed_cases,
    mistakes=[
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


def _two_photographs() -> Tensor:
    """The cat and the person, 2 x 3 x 192 x 192 in [-1, 1]."""
    crops = {"cat.jpg": (75, 0, 375, 300), "person.jpg": (0, 0, 300, 300)}  # left, top, ...
    pictures = [
        np.asarray(Image.open(ROOT / "images" / name).convert("RGB").crop(box))
        for name, box in crops.items()
    ]
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    small = torch.nn.functional.interpolate(x, (192, 192), mode="bilinear", antialias=True)
    return small.clamp(-1, 1)


def _error_of_a_blind(denoiser) -> float:
    """The root of the mean squared error on two photographs with 0.4 of noise it does not know."""
    x0 = _two_photographs()
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(11))
    guess = denoiser(mix_noise(x0, noise, 0.4))
    if not isinstance(guess, Tensor) or guess.shape != x0.shape:
        raise ValueError("a guess for each picture is wanted, as a tensor of the same shape.")
    return (guess - x0).square().mean().sqrt()


blind_denoiser = Explore(
    score=_error_of_a_blind,
    board={
        "leaving it as it is": 0.441,
        "a mean over 3 x 3 pixels": 0.228,
        "a mean over 5 x 5 pixels": 0.1575,
        "a Gaussian blur, 2 pixels wide": 0.1363,
        "cosines of 8 x 8 pixels, the weak ones dropped": 0.130,
    },
    higher=False,
    hints=[
        "The mix is 0.6 x0 + 0.4 noise, and the noise has the mean 0: divide by 0.6 first. "
        "Neighbouring pixels are alike, and their noises are not.",
        "`torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)` is "
        "the mean over 3 x 3 pixels. How large should the window be, and should all in it count "
        "alike?",
        "torchvision.transforms.v2.functional.gaussian_blur weighs near pixels more. And edges? "
        "`cv2` has filters that keep them.",
    ],
    praise="All of them rest on one thing known of pictures: neighbours are alike. A network can "
    "know more.",
)
