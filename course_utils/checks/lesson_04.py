"""The exercises of lesson 04, the forward process."""

import torch

from course_utils.checks.engine import Mistake, Write


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


forward_jump = Write(
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
            _jump_by_columns,
            "your numbers multiply the columns of each picture. Give alpha_bar the shape "
            "N x 1 x 1 x 1 first, so that there is one number for each picture.",
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
        "x_t is a sum of two parts: one made of x0, one made of eps.",
        "alpha_bar is the share of the signal in the variance. What is it in the amplitude?",
        "alpha_bar.reshape(-1, 1, 1, 1) gives one number for each picture.",
    ],
    praise="Any step of the forward process in one line.",
)


def _right_left(betas):
    return torch.as_tensor(betas).neg().add(1).prod().sqrt()


def _left_cases():
    return [
        (torch.linspace(1e-4, 0.02, 200, dtype=torch.float64),),
        (torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64),),
        (torch.tensor([0.19], dtype=torch.float64),),
    ]


signal_left = Write(
    right=_right_left,
    cases=_left_cases,
    mistakes=[
        Mistake(
            lambda betas: (1 - betas).prod(),
            "this is alpha_bar, the share of the signal's variance. The amplitude is its square "
            "root.",
        ),
        Mistake(
            lambda betas: betas.prod(),
            "you multiply the betas. A step keeps 1 - beta of the variance: multiply those.",
        ),
        Mistake(
            lambda betas: (1 - betas.sum()).clamp(min=0).sqrt(),
            "you add up the betas. Each step takes its share of what is left, so the factors "
            "1 - beta multiply.",
        ),
        Mistake(
            lambda betas: (1 - betas[-1]).sqrt(),
            "this is what the last step alone leaves. All steps before it fade the picture too.",
        ),
        Mistake(
            lambda betas: (1 - (1 - betas).prod()).sqrt(),
            "this is the noise at the end, sqrt(1 - alpha_bar). Asked for is the signal.",
        ),
        Mistake(
            lambda betas: (1 - betas).cumprod(0).sqrt(),
            "this is what is left after each step. One number is asked for: the last of them.",
        ),
        Mistake(
            lambda betas: (1 - betas.sqrt()).prod(),
            "the amplitude after a step is sqrt(1 - beta), not 1 - sqrt(beta).",
        ),
        Mistake(
            lambda betas: (1 - betas[:-1]).prod().sqrt(),
            "the last step is missing: multiply all of them.",
        ),
        Mistake(
            lambda betas: (1 - betas[1:]).prod().sqrt(),
            "the first step is missing. betas[0] is beta_1, and it counts.",
        ),
        Mistake(
            lambda betas: 1 - (1 - betas).prod(),
            "this is the variance of the noise, 1 - alpha_bar. Asked for is the signal's "
            "amplitude.",
        ),
        Mistake(
            lambda betas: (1 - betas).sqrt().sum(),
            "you add the factors. One step after the other multiplies the picture: take their"
            " product.",
        ),
        Mistake(
            lambda betas: (1 - betas).mean().sqrt(),
            "this is one average step. All of them fade the picture: take the product.",
        ),
    ],
    hints=[
        "By what does one step multiply the picture?",
        "By sqrt(1 - beta). Several steps multiply it by the product of these.",
        "torch.prod multiplies all numbers of a tensor.",
    ],
    praise="Look at this number before you train with a new schedule.",
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
