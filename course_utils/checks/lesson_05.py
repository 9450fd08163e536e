"""The exercises of lesson 05, the reverse process."""

import torch
from torch import Tensor
from torch.distributions import Normal

from course_utils.built.posterior import posterior_terms
from course_utils.built.schedule import NoiseSchedule, cosine_betas
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write

new_pictures = Predict(
    right="none",
    choices=("none", "some", "all"),
    mistakes=[
        Mistake(
            "some", "where would another picture come from? The best guess is a mean of these."
        ),
        Mistake("all", "the best guess is a mean of these 1,000; at the end one of them is left."),
    ],
    hints=[
        "What does the oracle know of digits? Only what the distribution that it was made for is.",
        "We ask for samples of a distribution that consists of 1,000 pictures.",
    ],
    praise="The perfect denoiser of 1,000 pictures can draw these, and nothing else.",
)

without_noise = Predict(
    right="mostly ones",
    choices=("blurred digits", "all kinds of digits", "mostly ones"),
    mistakes=[
        Mistake("blurred digits", "an oracle always ends on a stored digit; a network would blur."),
        Mistake(
            "all kinds of digits",
            "each step goes to the mean of what is possible, so all stay near the data's middle.",
        ),
    ],
    hints=[
        "Without noise each step goes to the mean of what is possible. Where does that lead?",
        "MNIST is mostly black. Which digit is nearest to the mean of them all?",
    ],
    praise="The middle of MNIST is nearly black, and a thin one is the digit nearest to it.",
)


def _pictures(number, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 1, 3, 3, generator=generator) for _ in range(number)]


def _mean(weight_x0, weight_xt):
    """An answer from its two weights, functions of beta, alpha_bar and alpha_bar_before."""

    def answer(x0, xt, *numbers):
        return weight_x0(*numbers) * x0 + weight_xt(*numbers) * xt

    return answer


def _weight_x0(beta, alpha_bar, before):
    return before**0.5 * beta / (1 - alpha_bar)


def _weight_xt(beta, alpha_bar, before):
    return (1 - beta) ** 0.5 * (1 - before) / (1 - alpha_bar)


posterior_mean = Write(
    right=_mean(_weight_x0, _weight_xt),
    cases=lambda: [
        (*_pictures(2, 1), 0.02, 0.98 * 0.6, 0.6),
        (*_pictures(2, 2), 0.3, 0.7 * 0.2, 0.2),
    ],
    mistakes=[
        Mistake(
            _mean(lambda b, a, p: p * b / (1 - a), _weight_xt),
            "the weight of x0 has alpha_bar_before where its square root belongs.",
        ),
        Mistake(
            _mean(lambda b, a, p: a**0.5 * b / (1 - a), _weight_xt),
            "the weight of x0 has alpha_bar of step t; the picture before it is at t - 1.",
        ),
        Mistake(
            _mean(_weight_x0, lambda b, a, p: (1 - b) * (1 - p) / (1 - a)),
            "the weight of xt has alpha where its square root belongs.",
        ),
        Mistake(
            _mean(_weight_xt, _weight_x0),
            "the two weights are exchanged: at small beta nearly all weight is on xt.",
        ),
        Mistake(
            lambda x0, xt, beta, alpha_bar, before: before**0.5 * x0,
            "this is the mean given x0 alone. xt is known too, and says more about x_{t-1}.",
        ),
        Mistake(
            _mean(
                lambda b, a, p: _weight_x0(b, a, p) * (1 - a) ** 0.5,
                lambda b, a, p: _weight_xt(b, a, p) * (1 - a) ** 0.5,
            ),
            "both weights are divided by sqrt(1 - alpha_bar). Here it is 1 - alpha_bar "
            "itself, a variance.",
        ),
        Mistake(
            _mean(lambda b, a, p: p**0.5 * b, lambda b, a, p: (1 - b) ** 0.5 * (1 - p)),
            "both weights must be divided by 1 - alpha_bar.",
        ),
    ],
    hints=[
        "The mean is a number times x0 plus a number times xt. Both are divided by 1 - alpha_bar.",
        "The weight of x0 is sqrt(alpha_bar_before) * beta / (1 - alpha_bar).",
        "alpha is 1 - beta, and the weight of xt is sqrt(alpha) * (1 - alpha_bar_before) / "
        "(1 - alpha_bar).",
    ],
    praise="The step that every DDPM sampler takes.",
)


def _two_numbers_cases(pictures):
    return lambda: [(*_pictures(pictures, seed), a) for seed, a in ((3, 0.9), (4, 0.3))]


x0_from_eps = Repair(
    right=lambda xt, eps, a: (xt - (1 - a) ** 0.5 * eps) / a**0.5,
    broken=lambda xt, eps, a: (xt - (1 - a) * eps) / a**0.5,
    symptom="Its pictures are grainy: noise is left, most of it in the middle of the times.",
    cases=_two_numbers_cases(2),
    mistakes=[
        Mistake(
            lambda xt, eps, a: (xt - (1 - a) ** 0.5 * eps) / a,
            "you divide by alpha_bar; x0 was multiplied by its square root.",
        ),
        Mistake(
            lambda xt, eps, a: (xt - (1 - a) * eps) / a,
            "both square roots are missing: the jump has sqrt(alpha_bar) and sqrt(1 - alpha_bar).",
        ),
        Mistake(
            lambda xt, eps, a: xt - (1 - a) ** 0.5 * eps,
            "the noise is gone, but the picture is still faded: divide by sqrt(alpha_bar).",
        ),
        Mistake(
            lambda xt, eps, a: xt - eps,
            "xt is not x0 + eps. Both were multiplied by a number first.",
        ),
        Mistake(
            lambda xt, eps, a: a**0.5 * xt + (1 - a) ** 0.5 * eps,
            "this is the jump forward, with xt in the place of x0. Solve it for x0.",
        ),
    ],
    hints=[
        "Write the jump, xt = ... x0 + ... eps, and solve it for x0.",
        "xt = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps.",
    ],
    praise="Every sampler begins with this line.",
)

eps_from_v = Write(
    right=lambda v, xt, a: a**0.5 * v + (1 - a) ** 0.5 * xt,
    cases=_two_numbers_cases(2),
    mistakes=[
        Mistake(
            lambda v, xt, a: a**0.5 * xt - (1 - a) ** 0.5 * v,
            "this is x0. The noise is the other combination of v and xt.",
        ),
        Mistake(
            lambda v, xt, a: a**0.5 * v - (1 - a) ** 0.5 * xt,
            "the sign is wrong: put in x0 = 0, where xt = sqrt(1 - alpha_bar) eps, and see.",
        ),
        Mistake(
            lambda v, xt, a: (v + (1 - a) ** 0.5 * xt) / a**0.5,
            "you put xt where v has x0. xt has noise in it too.",
        ),
        Mistake(
            lambda v, xt, a: a * v + (1 - a) * xt,
            "the combination is right, its square roots are missing.",
        ),
        Mistake(
            lambda v, xt, a: (1 - a) ** 0.5 * v - a**0.5 * xt,
            "this is -x0. The noise is the other combination of v and xt.",
        ),
    ],
    hints=[
        "There are two equations, one for xt and one for v, and two unknowns, x0 and eps.",
        "Multiply the one for v by sqrt(alpha_bar), the one for xt by sqrt(1 - alpha_bar), and add "
        "them.",
    ],
    praise="(x0, eps) and (xt, v) are the same point, in a turned coordinate system.",
)


def _step(mean, std):
    return lambda xt, eps, z, t, beta, a: mean(xt, eps, beta, a) + std(t, beta) * z


def _step_mean(xt, eps, beta, a):
    return (xt - beta / (1 - a) ** 0.5 * eps) / (1 - beta) ** 0.5


def _step_std(t, beta):
    return beta**0.5 if t > 1 else 0.0


reverse_step = Write(
    right=_step(_step_mean, _step_std),
    cases=lambda: [
        (*_pictures(3, 5), 7, 0.02, 0.6),
        (*_pictures(3, 6), 1, 0.1, 0.9),
        (*_pictures(3, 7), 2, 0.2, 0.72),
    ],
    mistakes=[
        Mistake(
            _step(_step_mean, lambda t, beta: beta**0.5),
            "right for t > 1, but you add noise in the last step too: at t = 1 leave it out.",
        ),
        Mistake(
            _step(_step_mean, lambda t, beta: beta if t > 1 else 0.0),
            "you multiply z by beta, which is its variance. You want its square root.",
        ),
        Mistake(
            _step(_step_mean, lambda t, beta: 0.0),
            "this is the mean alone. Without noise the samples collapse to a few averages.",
        ),
        Mistake(
            _step(lambda xt, eps, b, a: (xt - b**0.5 * eps) / (1 - b) ** 0.5, _step_std),
            "you take away sqrt(beta) eps, as if eps were the noise of this step alone. It stands "
            "for the noise of all steps: its weight is beta / sqrt(1 - alpha_bar).",
        ),
        Mistake(
            _step(lambda xt, eps, b, a: xt - b / (1 - a) ** 0.5 * eps, _step_std),
            "the forward step faded the picture: divide the mean by sqrt(1 - beta).",
        ),
        Mistake(
            lambda xt, eps, z, t, beta, a: (xt - (1 - a) ** 0.5 * eps) / a**0.5,
            "this is the estimate of x0. One step back goes only a little of the way to it.",
        ),
        Mistake(
            _step(lambda xt, eps, b, a: (xt - b / (1 - a) ** 0.5 * eps) / a**0.5, _step_std),
            "you divide by sqrt(alpha_bar), which undoes all steps. One step faded by sqrt(1 "
            "- beta).",
        ),
    ],
    hints=[
        "The table of the five names has the mean of the step back, written with eps.",
        "mean = (xt - beta / sqrt(1 - alpha_bar) * eps) / sqrt(1 - beta).",
        "Then add sqrt(beta) * z, unless t is 1.",
    ],
    praise="With a network's eps this is DDPM's algorithm 2.",
)


SHARE, CENTRE, SPREAD = torch.tensor([1 / 3, 2 / 3]).double(), torch.tensor([-0.8, 0.6]), 0.15
TEN = NoiseSchedule(cosine_betas(10))


def _world(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of x0, given x_t = x, in the lesson's world of two modes."""
    signal, noise_std = TEN.signal[t], TEN.noise_std[t]
    total = signal**2 * SPREAD**2 + noise_std**2
    modes = Normal(signal * CENTRE, total.sqrt())
    weights = torch.softmax(SHARE.log() + modes.log_prob(x[:, None]), -1)
    line = CENTRE + signal * SPREAD**2 / total * (x[:, None] - signal * CENTRE)
    mean = (weights * line).sum(-1)
    inside = SPREAD**2 * noise_std**2 / total
    return mean, inside + (weights * line**2).sum(-1) - mean**2


def _misfit_in_ten(variance) -> float:
    """The largest distance of the cumulative distributions after ten steps: the mean of two runs of
    20,000 numbers."""
    found = []
    for seed in (0, 1):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(20_000, generator=generator).double()
        weight_x0, weight_xt, beta_tilde = posterior_terms(TEN)
        for t in range(10, 0, -1):
            mean, unsure = _world(x, t)
            numbers = TEN.beta[t].item(), beta_tilde[t].item(), weight_x0[t].item()
            chosen = torch.as_tensor(variance(*numbers, unsure))
            if not (chosen >= 0).all():
                raise ValueError("a variance is a number from 0 on; one of yours is not.")
            noise = torch.randn(len(x), generator=generator).double() * (t > 1)
            x = weight_x0[t] * mean + weight_xt[t] * x + chosen.sqrt() * noise
        x = x.sort().values
        true = (SHARE * Normal(CENTRE, SPREAD).cdf(x[:, None])).sum(-1)
        ranks = torch.arange(len(x) + 1).double() / len(x)
        found.append(torch.maximum((true - ranks[:-1]).abs(), (true - ranks[1:]).abs()).max())
    return (sum(found) / 2).item()


ten_steps = Explore(
    score=_misfit_in_ten,
    board={"beta-tilde": 0.09689, "the true variance": 0.06121, "beta": 0.02929},
    higher=False,
    hints=[
        "Beta-tilde is what is left if x0 is known. Here it is not: add what the guess leaves out.",
        "The formula for Var(x_{t-1} | x_t) stands above. Is it the best with so few steps?",
        "Try multiples of beta, too.",
    ],
    praise="A Gaussian cannot follow two peaks: with few steps no variance makes up for that.",
)
