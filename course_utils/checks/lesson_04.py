"""The exercises of lesson 04, the forward process."""

import torch

from course_utils.built import NoiseSchedule
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write

unfaded_variance = Predict(
    right=7.0,
    tolerance=0.01,
    mistakes=[
        Mistake(6.0, "that is the noise alone, 300 times 0.02. The picture's own variance is 1."),
        Mistake(1.0, "that would need some fading: here nothing is ever taken away."),
        Mistake(1.02, "that is the variance after one step. There are 300 of them."),
        Mistake(
            1.02**300,
            "you let each step multiply the variance by 1.02. It adds 0.02, whatever is there.",
        ),
        Mistake(7**0.5, "that is the standard deviation. Asked for is its square, the variance."),
        Mistake(
            1 + 300 * 0.02**0.5,
            "you added up standard deviations, sqrt(0.02) each. Of independent noises the "
            "variances add up.",
        ),
    ],
    hints=[
        "The variances of independent variables add up.",
        "One step adds 0.02. It begins at 1, and there are 300 steps.",
    ],
    praise="1 + 300 x 0.02: without fading the variance grows without end.",
)

mean_of_chains = Predict(
    right="faded",
    choices=("noise", "sharp", "faded"),
    mistakes=[
        Mistake(
            "noise",
            "each single picture is noise, but the noises of 256 pictures point in all directions "
            "and cancel each other. The digit is the same in all.",
        ),
        Mistake(
            "sharp",
            "the noise does cancel. But each step also multiplied the digit by sqrt(1 - beta), in "
            "every picture, and no average brings that back.",
        ),
    ],
    hints=[
        "The mean of many independent noises is near 0. What is the same in all pictures?",
        "The digit is, multiplied by sqrt(alpha_bar): 0.63 at t = 300.",
    ],
    praise="The noise cancels, and sqrt(alpha_bar) times the digit is left, 0.63 of it at t = 300.",
)

left_at_200 = Predict(
    right=0.36,
    tolerance=0.03,
    mistakes=[
        Mistake(0.006, "that is after 1,000 steps. A fifth of the steps destroys much less."),
        Mistake(0.13, "that is alpha_bar, of the variance. The amplitude is its square root."),
        Mistake(0.93, "that is the noise there. Asked for is the picture."),
        Mistake(
            0.81,
            "that is after 200 of the 1,000 steps, and those are the smallest. Here all betas from "
            "0.0001 to 0.02 are passed in 200 steps.",
        ),
    ],
    hints=[
        "The betas are 0.01 on average. By what do 200 factors sqrt(1 - 0.01) multiply a picture?",
        "sqrt(0.99) is about 0.995. `0.995**200` is near enough.",
    ],
    praise="A good third. It is the sum of the betas that counts, and here it is a fifth as large.",
)

uniform_steps = Predict(
    right="gaussian",
    choices=("uniform", "triangle", "gaussian"),
    mistakes=[
        Mistake(
            "uniform",
            "a sum of two uniform numbers already prefers the middle: there are more ways to "
            "make a middling sum. What do 300 of them do?",
        ),
        Mistake("triangle", "that is the sum of two uniform numbers. 300 of them make it round."),
    ],
    hints=[
        "x_300 is a weighted sum of 300 independent noises. Throw two dice and add: which sums are "
        "frequent?",
        "The central limit theorem says what sums of many small independent numbers look like.",
    ],
    praise="That is the central limit theorem. (The picture shows what becomes of the jump.)",
)


def _by_picture(alpha_bar):
    return alpha_bar.reshape(-1, 1, 1, 1)


def _right_jump(x0, eps, alpha_bar):
    a = _by_picture(alpha_bar)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def _jump_without_a_root_on_the_signal(x0, eps, alpha_bar):
    a = _by_picture(alpha_bar)
    return a * x0 + (1 - a).sqrt() * eps


def _jump_without_a_root_on_the_noise(x0, eps, alpha_bar):
    a = _by_picture(alpha_bar)
    return a.sqrt() * x0 + (1 - a) * eps


def _jump_without_roots(x0, eps, alpha_bar):
    a = _by_picture(alpha_bar)
    return a * x0 + (1 - a) * eps


def _jump_with_one_minus_the_root(x0, eps, alpha_bar):
    a = _by_picture(alpha_bar)
    return a.sqrt() * x0 + (1 - a.sqrt()) * eps


def _jump_by_columns(x0, eps, alpha_bar):
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps


def _jump_cases():
    generator = torch.Generator().manual_seed(4)
    return [
        (
            torch.randn(len(alpha_bar), *size, generator=generator),
            torch.randn(len(alpha_bar), *size, generator=generator),
            torch.tensor(alpha_bar),
        )
        for alpha_bar, size in (([0.9, 0.5, 0.1, 0.02], (2, 4, 4)), ([0.7, 0.3, 0.05], (3, 5, 4)))
    ]


forward_jump = Repair(
    broken=_jump_by_columns,
    symptom="Each picture is clean at its left side and noisy at its right.",
    right=_right_jump,
    cases=_jump_cases,
    mistakes=[
        Mistake(
            _jump_without_a_root_on_the_signal,
            "you multiply x0 by alpha_bar. That is a variance; the amplitude is its square root.",
        ),
        Mistake(
            _jump_without_a_root_on_the_noise,
            "you multiply the noise by 1 - alpha_bar. That is its variance; noise is multiplied by "
            "a standard deviation, the square root.",
        ),
        Mistake(
            _jump_without_roots,
            "both square roots are missing. alpha_bar and 1 - alpha_bar are variances; signal and "
            "noise are multiplied by their roots.",
        ),
        Mistake(
            _jump_with_one_minus_the_root,
            "you multiply the noise by 1 - sqrt(alpha_bar). The variances add up to 1, not the "
            "amplitudes: it is sqrt(1 - alpha_bar).",
        ),
        Mistake(
            lambda x0, eps, alpha_bar: (
                alpha_bar[:, None].sqrt() * x0 + (1 - alpha_bar[:, None]).sqrt() * eps
            ),
            "your numbers multiply the rows of each picture. They need the shape N x 1 x 1 x "
            "1: one number for each picture.",
        ),
        Mistake(
            lambda x0, eps, alpha_bar: (
                alpha_bar[:, None, None].sqrt() * x0 + (1 - alpha_bar[:, None, None]).sqrt() * eps
            ),
            "your numbers have the shape N x 1 x 1 and would multiply channels. N x 1 x 1 x 1"
            " gives one number for each picture.",
        ),
    ],
    hints=[
        "The formula is right. Which dimension of a batch N x C x H x W do N numbers multiply?",
        "PyTorch lines up shapes from the right, so they multiply the columns. They should have "
        "one number for each picture, and sizes of 1 for all the rest.",
        "Look at what `at` does in its last line.",
    ],
    praise="One number for each picture. (This mistake raises no error where N is the width.)",
)


def _rescaled(first_stays=True, root=True, squared=True):
    def answer(alpha_bar):
        signal = alpha_bar.sqrt() if root else alpha_bar
        moved = signal - signal[-1]
        if first_stays:
            moved = moved * (signal[0] / moved[0])
        return moved**2 if root and squared else moved

    return answer


def _last_to_zero(alpha_bar):
    return torch.cat([alpha_bar[:-1], torch.zeros(1, dtype=alpha_bar.dtype)])


zero_terminal_snr = Write(
    right=_rescaled(),
    cases=lambda: [
        (NoiseSchedule(torch.linspace(1e-4, 0.02, 200)).alpha_bar[1:],),
        (torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64),),
        (torch.tensor([0.64, 0.36, 0.25, 0.09], dtype=torch.float64),),
    ],
    mistakes=[
        Mistake(
            _last_to_zero,
            "only the last number changed, so the last step alone must forget all that was left. "
            "Move all of them.",
        ),
        Mistake(
            _rescaled(first_stays=False),
            "the end is right, and the beginning has moved: scale, so that the first number is "
            "what it was.",
        ),
        Mistake(
            _rescaled(root=False),
            "you moved alpha_bar itself. What is moved and scaled is its square root, the signal.",
        ),
        Mistake(
            _rescaled(squared=False),
            "this is the new signal. Asked for is alpha_bar, its square.",
        ),
        Mistake(
            lambda alpha_bar: (
                ((alpha_bar.sqrt() - alpha_bar[-1].sqrt()) / (1 - alpha_bar[-1].sqrt())) ** 2
            ),
            "you scaled as if the first signal were 1. It is sqrt(alpha_bar[0]), and it should be "
            "that again.",
        ),
        Mistake(
            lambda alpha_bar: alpha_bar * torch.linspace(1, 0, len(alpha_bar)),
            "this ends at 0 and bends the curve in between. Subtract the last signal from all, "
            "then scale all by one number.",
        ),
    ],
    hints=[
        "Begin with signal = alpha_bar.sqrt(), and subtract what is left at the end.",
        "Now the last is 0 and the first has become smaller. By which factor do you bring it back?",
        "By signal[0] / (signal[0] - signal[-1]). And alpha_bar is the square.",
    ],
    praise="diffusers does this with rescale_betas_zero_snr=True.",
)


def _between(signal, noise_std):
    """An answer from the formulas of its two factors, as functions of alpha_bar_s and _t."""

    def answer(xs, eps, alpha_bar_s, alpha_bar_t):
        return signal(alpha_bar_s, alpha_bar_t) * xs + noise_std(alpha_bar_s, alpha_bar_t) * eps

    return answer


def _between_cases():
    generator = torch.Generator().manual_seed(5)
    xs, eps = (torch.randn(2, 1, 3, 3, generator=generator) for _ in range(2))
    return [(xs, eps, 0.8, 0.3), (xs, eps, 1.0, 0.5), (xs, eps, 0.4, 0.39)]


jump_between = Write(
    right=_between(lambda s, t: (t / s) ** 0.5, lambda s, t: (1 - t / s) ** 0.5),
    cases=_between_cases,
    mistakes=[
        Mistake(
            _between(lambda s, t: t**0.5, lambda s, t: (1 - t) ** 0.5),
            "this is the jump from the clean picture. x_s has lost some of its signal already, and "
            "some noise is already there: only the steps after s count.",
        ),
        Mistake(
            _between(lambda s, t: (t / s) ** 0.5, lambda s, t: (1 - t) ** 0.5),
            "the signal is right and there is too much noise: x_s brings noise of its own.",
        ),
        Mistake(
            _between(lambda s, t: (t / s) ** 0.5, lambda s, t: (s - t) ** 0.5),
            "the signal is right. The noise of x_s fades too on the way to t, so the noise that is "
            "missing is not alpha_bar_s - alpha_bar_t.",
        ),
        Mistake(
            _between(lambda s, t: t / s, lambda s, t: 1 - t / s),
            "the ratio is right, its square roots are missing.",
        ),
        Mistake(
            _between(lambda s, t: (1 - s + t) ** 0.5, lambda s, t: (s - t) ** 0.5),
            "alpha_bar is a product, so what happens between s and t is a quotient, "
            "alpha_bar_t / alpha_bar_s, and not a difference.",
        ),
    ],
    hints=[
        "The steps from s + 1 to t multiply the variance by alpha_{s+1} ... alpha_t. What is that "
        "product, written with alpha_bar_s and alpha_bar_t?",
        "It is alpha_bar_t / alpha_bar_s. Now write the jump with it.",
    ],
    praise="With s = 0 it is forward_jump, with s = t - 1 it is forward_step.",
)


def _first_below(level, first=1):
    return lambda betas: int((torch.cumprod(1 - betas, 0) < level).nonzero()[0]) + first


noise_wins = Write(
    right=_first_below(0.5),
    cases=lambda: [
        (torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64),),
        (torch.full((20,), 0.1, dtype=torch.float64),),
    ],
    mistakes=[
        Mistake(
            _first_below(0.5, first=0),
            "your steps count from 0. The first beta is beta_1: add 1 to the index.",
        ),
        Mistake(
            _first_below(0.25),
            "this is where the amplitude falls below one half. The SNR compares variances: it is 1 "
            "where alpha_bar = 1 - alpha_bar.",
        ),
        Mistake(
            _first_below(0.5**0.5),
            "this is where alpha_bar falls below sqrt(0.5). The SNR is 1 where alpha_bar is 0.5.",
        ),
        Mistake(
            lambda betas: int((torch.cumsum(betas, 0) > 0.5).nonzero()[0]) + 1,
            "you add up the betas. Each step takes its share of what is left: multiply the 1 "
            "- beta.",
        ),
        Mistake(
            lambda betas: int((torch.cumprod(1 - betas, 0) < 0.5).sum()),
            "this is how many steps are below. Asked for is the first of them.",
        ),
        Mistake(
            lambda betas: (torch.cumprod(1 - betas, 0) < 0.5).nonzero().squeeze() + 1,
            "these are all steps with more noise than signal. Asked for is the first.",
        ),
    ],
    hints=[
        "The SNR is alpha_bar / (1 - alpha_bar). For which alpha_bar is it 1?",
        "torch.cumprod(1 - betas, 0) gives alpha_bar_1, alpha_bar_2, ...",
        "(values < level).nonzero()[0] is the index of the first value below the level.",
    ],
    praise="With linear betas that is after a quarter of the way.",
)


def _mixture(x, alpha_bar):
    """The density of a pixel at this alpha_bar: -1 (81 of 100) or 1, with a spread of 0.1."""
    variance = alpha_bar * 0.1**2 + 1 - alpha_bar
    return (
        sum(
            share * torch.exp(-((x - value * alpha_bar.sqrt()) ** 2) / 2 / variance)
            for value, share in ((-1, 0.81), (1, 0.19))
        )
        / (2 * torch.pi * variance).sqrt()
    )


def _missed(betas):
    """How far T Gaussian steps back from N(0, 1), each the best there is, end from the pixels.

    The distance is Wasserstein's: how far a value must be moved, on average.
    """
    betas = torch.as_tensor(betas, dtype=torch.float64).flatten()
    if len(betas) != 5:
        raise ValueError(f"five betas are wanted, and these are {len(betas)}.")
    schedule = NoiseSchedule(betas)
    x = torch.linspace(-5, 5, 401, dtype=torch.float64)
    width = x[1] - x[0]
    p = torch.exp(-(x**2) / 2)
    p = p / p.sum()
    for t in range(5, 0, -1):
        beta, before = schedule.beta[t], _mixture(x, schedule.alpha_bar[t - 1])
        fits = before * torch.exp(-((x[:, None] - (1 - beta).sqrt() * x) ** 2) / 2 / beta)
        fits = fits / fits.sum(1, keepdim=True).clamp(min=1e-300)  # q(x_{t-1} | x_t), by Bayes
        mean = fits @ x
        variance = (fits @ x**2 - mean**2).clamp(min=1e-6)
        step = torch.exp(-((x - mean[:, None]) ** 2) / 2 / variance[:, None])
        p = p @ (step / step.sum(1, keepdim=True))
    pixels = _mixture(x, torch.tensor(1.0, dtype=torch.float64))
    return float((p - pixels / pixels.sum()).cumsum(0).abs().sum() * width)


five_steps = Explore(
    score=_missed,
    board={
        "DDPM's schedule, 200 steps at once": 0.183,
        "Stable Diffusion's, 200 steps at once": 0.113,
        "the cosine schedule with T = 5": 0.0278,
        "a straight line in log-SNR from 4 to -4": 0.0128,
        "the best that a search found": 0.0042,
    },
    higher=False,
    hints=[
        "Two things can go wrong: too much signal is left at the end, or one step is so large that "
        "its way back is no Gaussian.",
        "Turn it round: choose five values of alpha_bar, falling to nearly 0, and compute the "
        "betas as 1 - alpha_bar[t] / alpha_bar[t - 1].",
        "The last beta may be close to 1: at the end there is little to lose. The first should be "
        "small: there the pixel decides for -1 or 1.",
    ],
    praise="Fewer steps than anyone uses, and the pixels come back.",
)
