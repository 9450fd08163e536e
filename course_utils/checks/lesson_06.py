"""The exercises of lesson 06, DDPM on MNIST."""

import torch

from course_utils.built.parameterization import to_x0
from course_utils.built.posterior import posterior
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.built.timestep_embedding import timestep_embedding
from course_utils.checks.engine import Mistake, NotYet, Write


def _waves(frequency, first=torch.cos, second=torch.sin):
    def answer(t, width):
        k = torch.arange(width // 2)
        angle = t[:, None] * frequency(k, width)
        return torch.cat([first(angle), second(angle)], dim=1)

    return answer


waves = Write(
    right=timestep_embedding,
    cases=lambda: [(torch.tensor([0, 1, 7]), 4), (torch.tensor([500, 999]), 8)],
    mistakes=[
        Mistake(
            _waves(lambda k, width: 10_000.0 ** (-2 * k / width), torch.sin, torch.cos),
            "the right waves, sines first. Stable Diffusion and this course put cosines first.",
        ),
        Mistake(
            _waves(lambda k, width: 10_000.0 ** (-k / width)),
            "divide k by half the width: there are width / 2 frequencies, each used twice.",
        ),
        Mistake(
            _waves(lambda k, width: 10_000.0 ** (-k / (width // 2 - 1))),
            "this is the variant with a frequency shift, which divides by width / 2 - 1.",
        ),
        Mistake(
            _waves(lambda k, width: 10_000.0 ** (2 * k / width)),
            "the frequencies should fall from 1 to nearly 1 / 10,000, and yours rise.",
        ),
        Mistake(
            lambda t, width: timestep_embedding(t / 1000, width),
            "you divide the time by T: then nearly all waves are constant. Leave t as it is.",
        ),
        Mistake(
            lambda t, width: timestep_embedding(2 * torch.pi * t, width),
            "there is a factor of 2 pi: the fastest wave is cos(t), once round in 2 pi steps.",
        ),
        Mistake(
            _waves(lambda k, width: 10_000.0 ** (-2 * (k + 1) / width)),
            "k begins at 1 here. It begins at 0, so that the fastest wave has the frequency 1.",
        ),
        Mistake(
            _waves(lambda k, width: 10_000.0 ** (-2 * k / width), torch.cos, torch.cos),
            "these are cosines twice: the second half are sines.",
        ),
        Mistake(
            lambda t, width: t[:, None] * 10_000.0 ** (-2 * torch.arange(width // 2) / width),
            "these are the angles. Take their cosines and sines, and put them side by side.",
        ),
        Mistake(
            _waves(lambda k, width: torch.linspace(1, 1e-4, width // 2)),
            "your frequencies fall in even steps. They fall in equal ratios: a power of 10,000.",
        ),
        Mistake(
            _waves(lambda k, width: 1000.0 ** (-2 * k / width)),
            "the period is 10,000 (it is not T).",
        ),
    ],
    hints=[
        "Make the frequencies first: width / 2 of them, for k = 0, 1, 2, ...",
        "frequency = 10_000 ** (-k / (width / 2)); angle = t[:, None] * frequency.",
        "torch.cat([angle.cos(), angle.sin()], dim=1)",
    ],
    praise="A wave for every scale of time.",
)


def _drawn(answer, T, n, seed):
    """What can be known of random times: which occur, how evenly, whether the generator decides."""
    t = answer(T, n, torch.Generator().manual_seed(seed))
    if t is None or t is ...:
        return t
    if not isinstance(t, torch.Tensor) or t.shape != (n,):
        raise NotYet(f"the result should be a tensor of n = {n} times; yours is {t!r:.60}.")
    if t.is_floating_point():
        raise NotYet(f"times count steps and pick from arrays: whole numbers, not {t.dtype}.")
    again = answer(T, n, torch.Generator().manual_seed(seed))
    other = answer(T, n, torch.Generator().manual_seed(seed + 1))
    if not torch.equal(t, again) or torch.equal(t, other):
        raise NotYet("the generator does not decide: the same one must draw the same times again.")
    times, often = t.unique(return_counts=True)
    even = bool((often > 0.7 * n / T).all() and (often < 1.4 * n / T).all())
    return torch.cat([times.double(), torch.tensor([even])])


def _rounded_times(T, n, generator):
    return (1 + (T - 1) * torch.rand(n, generator=generator)).round().long()


random_times = Write(
    right=lambda T, n, generator: torch.randint(1, T + 1, (n,), generator=generator),
    cases=lambda: [(5, 500, 1), (20, 3000, 2)],
    outcome=_drawn,
    measured=True,
    mistakes=[
        Mistake(
            lambda T, n, generator: torch.randint(1, T, (n,), generator=generator),
            "the last step, T, is never drawn, and sampling begins there. randint leaves out its "
            "upper end.",
        ),
        Mistake(
            lambda T, n, generator: torch.randint(0, T, (n,), generator=generator),
            "these are 0..T-1. Our steps count from 1; predict takes the 1 off for the network.",
        ),
        Mistake(
            lambda T, n, generator: torch.randint(0, T - 1, (n,), generator=generator),
            "these are 0..T-2: the classic mistake. Two steps are never trained.",
        ),
        Mistake(
            lambda T, n, generator: torch.randint(0, T + 1, (n,), generator=generator),
            "0 is drawn too: there is no noise to predict in a clean picture.",
        ),
        Mistake(
            lambda T, n, generator: torch.randint(1, T + 1, (1,), generator=generator).expand(n),
            "all pictures have the same time. Draw one for each.",
        ),
        Mistake(
            _rounded_times,
            "1 and T are drawn half as often as the others. Rounding does that: each step "
            "should be equally probable.",
        ),
    ],
    hints=[
        "torch.randint(low, high, (n,), generator=generator) never gives high.",
        "low is 1, and high is one more than the last step.",
    ],
    praise="Every step is trained, the first and the last too.",
)


def _numbers(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 1, 3, 3, generator=generator) for _ in range(3)]


ema_step = Write(
    right=lambda average, weight, decay: decay * average + (1 - decay) * weight,
    cases=lambda: [(*_numbers(1)[:2], 0.9), (*_numbers(2)[:2], 0.999)],
    mistakes=[
        Mistake(
            lambda average, weight, decay: decay * weight + (1 - decay) * average,
            "the shares are exchanged: with decay 0.999 the average should hardly move.",
        ),
        Mistake(
            lambda average, weight, decay: decay * average + weight,
            "the shares must add up to 1, or the average grows for ever.",
        ),
        Mistake(
            lambda average, weight, decay: average + (1 - decay) * weight,
            "the old average must shrink as well: multiply it by decay.",
        ),
        Mistake(
            lambda average, weight, decay: (average + weight) / 2,
            "this ignores decay: it is the average for decay = 0.5.",
        ),
    ],
    hints=[
        "The new average is a mix of the old one and the weight. The shares add up to 1.",
        "decay is the share of the old average.",
    ],
    praise="The same as average.lerp(weight, 1 - decay).",
)


def _v(of_eps, of_x0):
    return lambda x0, eps, a: of_eps(a) * eps + of_x0(a) * x0


v_target = Write(
    right=_v(lambda a: a**0.5, lambda a: -((1 - a) ** 0.5)),
    cases=lambda: [(*_numbers(3)[:2], 0.9), (*_numbers(4)[:2], 0.3)],
    mistakes=[
        Mistake(
            _v(lambda a: (1 - a) ** 0.5, lambda a: a**0.5),
            "this is xt itself, which the network is given. v is the other combination.",
        ),
        Mistake(
            _v(lambda a: -(a**0.5), lambda a: (1 - a) ** 0.5),
            "the sign is wrong: without noise v is eps, not -eps.",
        ),
        Mistake(
            _v(lambda a: a, lambda a: -(1 - a)),
            "the combination is right; its square roots are missing.",
        ),
        Mistake(
            _v(lambda a: (1 - a) ** 0.5, lambda a: -(a**0.5)),
            "the two numbers are exchanged: without noise (alpha_bar = 1) v is eps.",
        ),
        Mistake(
            lambda x0, eps, a: eps - x0,
            "this is the target of flow matching on a straight line. Here eps and x0 have the"
            " factors of the jump.",
        ),
        Mistake(
            _v(lambda a: a**0.5 - (1 - a), lambda a: -((1 - a) ** 0.5) * a**0.5),
            "you put xt where x0 belongs.",
        ),
    ],
    hints=[
        "v = signal * eps - noise_std * x0.",
        "signal is the square root of alpha_bar, noise_std that of 1 - alpha_bar.",
    ],
    praise="With little noise the target is the noise, with much noise it is minus the picture.",
)


def _step(
    clamp=lambda x0: x0.clamp(-1, 1),
    std=lambda variance, t: variance.sqrt(),
    prediction_type="epsilon",
):
    def answer(xt, eps, z, t, schedule):
        x0 = clamp(to_x0(prediction_type, eps, xt, t, schedule))
        mean, variance = posterior(x0, xt, t, schedule)
        return mean + std(variance, t) * z

    return answer


def _posterior_turned(xt, eps, z, t, schedule):
    x0 = to_x0("epsilon", eps, xt, t, schedule).clamp(-1, 1)
    mean, variance = posterior(xt, x0, t, schedule)
    return mean + variance.sqrt() * z


_SCHEDULE = NoiseSchedule(linear_betas(10, 0.05, 0.4))

ancestral_step = Write(
    right=_step(),
    cases=lambda: [(*_numbers(5), t, _SCHEDULE) for t in (10, 4, 1)],
    mistakes=[
        Mistake(
            _step(clamp=lambda x0: x0),
            "the estimate of x0 is not clamped: keep it in [-1, 1], where pictures live.",
        ),
        Mistake(
            _step(std=lambda variance, t: variance),
            "z is multiplied by the variance. You want its square root.",
        ),
        Mistake(
            _step(std=lambda variance, t: 1.0),
            "z is added as it is: multiply it by the root of the posterior's variance.",
        ),
        Mistake(
            _step(std=lambda variance, t: 0.0),
            "this is the mean alone. Without new noise the samples collapse to averages.",
        ),
        Mistake(
            lambda xt, eps, z, t, schedule: to_x0("epsilon", eps, xt, t, schedule).clamp(-1, 1),
            "this is the estimate of x0. One step back goes only a little of the way to it.",
        ),
        Mistake(
            lambda xt, eps, z, t, schedule: to_x0("epsilon", eps, xt, t, schedule),
            "this is the estimate of x0, not even clamped. One step back goes only a little "
            "of the way to it.",
        ),
        Mistake(
            _step(clamp=lambda x0: x0.clamp(0, 1)),
            "you clamp to [0, 1]. Our pictures are in [-1, 1].",
        ),
        Mistake(
            lambda *case: _step(clamp=lambda x0: x0)(*case).clamp(-1, 1),
            "you clamp the result. x_{t-1} is noisy and may be anywhere: clamp x0, the estimate.",
        ),
        Mistake(
            lambda *case: _step()(*case).clamp(-1, 1),
            "you clamp the result as well. x_{t-1} is noisy and may be anywhere: clamp x0 alone.",
        ),
        Mistake(
            _step(std=lambda variance, t: _SCHEDULE.beta[t].sqrt().float() * (t > 1)),
            "the noise has the variance beta. That is the other choice; here it is the "
            "posterior's, beta-tilde.",
        ),
        Mistake(
            _step(prediction_type="sample"),
            'you take eps for the picture: tell to_x0 that it is a prediction of "epsilon".',
        ),
        Mistake(
            _step(prediction_type="v_prediction"),
            'you take eps for v: tell to_x0 that it is a prediction of "epsilon".',
        ),
        Mistake(
            _posterior_turned,
            "x0 and xt are exchanged: posterior wants the estimate of the clean picture first.",
        ),
    ],
    hints=[
        "Three lines: x0 from eps, clamped; mean and variance of the posterior; mean plus noise.",
        'x0 = to_x0("epsilon", eps, xt, t, schedule).clamp(-1, 1)',
        "mean, variance = posterior(x0, xt, t, schedule), and the root of the variance times z.",
    ],
    praise="Repeat it from T to 1, and noise is a digit.",
)
