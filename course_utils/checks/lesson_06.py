"""The exercises of lesson 06, DDPM on MNIST."""

from functools import cache

import torch

from course_utils.built.diffusion import predict
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.parameterization import to_x0
from course_utils.built.posterior import posterior
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write
from course_utils.evaluation import scores
from course_utils.io import tensors

lazy_loss = Predict(
    right=1.0,
    tolerance=0.02,
    mistakes=[
        Mistake(0.0, "0 is the loss of a network that knows the noise. This one never does."),
        Mistake(784.0, "that is the sum over all pixels. The loss is their mean."),
        Mistake(2.0, "that is the error of another noise, drawn anew: its variance comes on top."),
        Mistake(0.27, "that is the error of always guessing the mean digit, with the target x0."),
        Mistake(0.5, "the error is the noise itself. What is the mean of its square?"),
    ],
    hints=[
        "The error is target - 0, so the loss is the mean of eps squared.",
        "eps has mean 0. What do you call the mean square of such a variable?",
    ],
    praise="The mean square of standard normal noise is its variance, 1.",
)

no_new_noise = Predict(
    right="alike",
    choices=("same", "noise", "alike"),
    mistakes=[
        Mistake(
            "same",
            "each step would have to lead to the same digit as before. But the mean of the step "
            "back is an average over all digits that are still possible, at each of the steps.",
        ),
        Mistake(
            "noise",
            "no noise is left: each step takes some away, and none comes in.",
        ),
    ],
    hints=[
        "The step back is a distribution. Its mean is an average over all that is possible.",
        "What does lesson 02 say of a guess that averages over all digits? Here the averaging is "
        "repeated, and what averages lead to is nearly the same for all.",
    ],
    praise="Averaging again and again removes all variety.",
)

real_distance = Predict(
    right="smaller",
    choices=("zero", "smaller", "larger"),
    mistakes=[
        Mistake(
            "zero",
            "it would be 0 for the true means and covariances. From a sample they are estimates, "
            "and two estimates differ.",
        ),
        Mistake(
            "larger",
            "more pictures make better estimates of mean and covariance, so they come closer.",
        ),
    ],
    hints=[
        "The distance is 0 where means and covariances are equal. Are those of two samples?",
        "How does the error of a mean depend on the number of samples?",
    ],
    praise="Chance makes the distance, and more pictures leave less to it.",
)


def _numbers(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 1, 3, 3, generator=generator) for _ in range(3)]


def _ema(decay_at):
    """An answer from the decay that it takes at update n."""

    def answer(average, weight, decay, n):
        d = decay_at(decay, n)
        return d * average + (1 - d) * weight

    return answer


def _warm(decay, n):
    return min(decay, (1 + n) / (10 + n))


ema_step = Repair(
    broken=_ema(lambda decay, n: decay),
    symptom="After 300 updates the average is at a quarter of the weights.",
    right=_ema(_warm),
    cases=lambda: [
        (*_numbers(1)[:2], 0.999, 1),
        (*_numbers(2)[:2], 0.999, 50),
        (*_numbers(6)[:2], 0.9, 300),
    ],
    mistakes=[
        Mistake(
            _ema(lambda decay, n: 1 - _warm(decay, n)),
            "the shares are exchanged: late in the run the average should hardly move.",
        ),
        Mistake(
            _ema(lambda decay, n: max(decay, (1 + n) / (10 + n))),
            "you take the larger of the two. Early in the run d should be small: take the smaller.",
        ),
        Mistake(
            _ema(lambda decay, n: (1 + n) / (10 + n)),
            "it wakes up, and later its memory grows without end: never more than `decay`.",
        ),
        Mistake(
            _ema(lambda decay, n: (n - 1) / n),
            "that is the plain mean of all weights so far: it never forgets the first, bad ones.",
        ),
        Mistake(
            _ema(lambda decay, n: min(decay, n / (10 + n))),
            "nearly: it is (1 + n) / (10 + n).",
        ),
    ],
    hints=[
        "d is 0.999 from the start, so 300 updates have moved the average by 26 % only.",
        "Compute d from n first. Which of two numbers is never more than `decay`?",
    ],
    praise="It follows quickly at first, and later averages over about 1 / (1 - decay) updates.",
)


def _v(of_xt, of_x0):
    return lambda x0, xt, a: of_xt(a) * xt + of_x0(a) * x0


v_target = Write(
    right=_v(lambda a: (a / (1 - a)) ** 0.5, lambda a: -((1 - a) ** -0.5)),
    cases=lambda: [(*_numbers(3)[:2], 0.9), (*_numbers(4)[:2], 0.3)],
    mistakes=[
        Mistake(
            _v(lambda a: a**0.5, lambda a: -((1 - a) ** 0.5)),
            "you put xt where eps belongs. First solve the jump for eps.",
        ),
        Mistake(
            _v(lambda a: (1 - a) ** -0.5, lambda a: -((a / (1 - a)) ** 0.5)),
            "this is eps, the first half. Now build v from it.",
        ),
        Mistake(
            _v(lambda a: -((a / (1 - a)) ** 0.5), lambda a: (1 - a) ** -0.5),
            "the sign is wrong: without noise v is eps, not -eps.",
        ),
        Mistake(
            _v(lambda a: a / (1 - a), lambda a: -a * a / (1 - a) - (1 - a)),
            "the square roots are missing.",
        ),
        Mistake(
            _v(lambda a: (a / (1 - a)) ** 0.5, lambda a: -a / (1 - a) ** 0.5),
            "this is the part with the noise alone: subtract sqrt(1 - alpha_bar) x0.",
        ),
    ],
    hints=[
        "Which noise is in xt? Solve the jump, xt = signal x0 + noise_std eps, for eps.",
        "eps = (xt - sqrt(alpha_bar) x0) / sqrt(1 - alpha_bar). Put it into the formula of v.",
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


_LONG = NoiseSchedule(linear_betas(1000))


@cache
def _network():
    path = scores.CHECKPOINTS / "digit_unet.safetensors"
    return tensors.load_checkpoint(path, DigitUNet()).float().eval()


@torch.no_grad()
def _three_looks(timesteps):
    """The relative Frechet distance of 250 labelled digits, drawn with three NFE each."""
    timesteps = sorted(int(t) for t in torch.as_tensor(timesteps).flatten())
    if len(timesteps) != 3 or len({*timesteps}) != 3:
        raise ValueError(f"three different timesteps are wanted, and these are {timesteps}.")
    if timesteps[0] < 1 or timesteps[-1] > 1000:
        raise ValueError(f"timesteps run from 1 to 1,000, and these are {timesteps}.")
    alpha_bar = _LONG.alpha_bar[[0, *timesteps]]
    coarse = NoiseSchedule(1 - alpha_bar[1:] / alpha_bar[:-1])
    generator, labels = torch.Generator().manual_seed(0), torch.arange(250) % 10
    x = torch.randn(250, 1, 28, 28, generator=generator)
    for step in (3, 2, 1):
        x0 = predict(_network(), x, timesteps[step - 1], labels).clamp(-1, 1)
        mean, variance = posterior(x0, x, step, coarse)
        x = mean + variance.sqrt() * torch.randn(x.shape, generator=generator)
    return scores.relative_fd(x)


three_looks = Explore(
    score=_three_looks,
    board={
        "three even steps, [333, 667, 1000]": 2.67,
        "steps of a quarter, [250, 500, 750]": 1.69,
        "steps of a fifth, [200, 400, 600]": 1.02,
        "the best of thirty that were tried": 0.9872,
    },
    higher=False,
    hints=[
        "Which timesteps decide what it will be? Look at the estimates in 'A thousand steps'.",
        "At t = 1,000 and at t = 800 the network sees next to nothing, and its estimate is a "
        "smear in both. Is a look there worth a third of all you have?",
        "Below t = 100 only the edges change. Between 100 and 650 there is room for three.",
    ],
    praise="Lesson 07 spends its steps as carefully.",
)
