"""The exercises of lesson 07, faster samplers."""

import torch
from torch.distributions import Normal

from course_utils.built.sample import sample
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write


def _pictures(number, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 1, 3, 3, generator=generator) for _ in range(number)]


def _times(T, steps):
    return [round(T * (steps - i) / steps) for i in range(steps + 1)]


trailing_times = Write(
    right=_times,
    cases=lambda: [(1000, 4), (1000, 50), (200, 200), (10, 1), (1000, 7)],
    mistakes=[
        Mistake(
            lambda T, steps: _times(T, steps)[:-1],
            "the end is missing: n steps need n + 1 times, and the last one is 0.",
        ),
        Mistake(
            lambda T, steps: _times(T, steps)[::-1],
            "these timesteps go up, as the forward process does. A sampler starts at T.",
        ),
        Mistake(
            lambda T, steps: [max(t - 1, 0) for t in _times(T, steps)],
            "T itself is missing. The network counts from 0; timesteps do not.",
        ),
        Mistake(
            lambda T, steps: torch.linspace(T, 0, steps).round().tolist(),
            "these are `steps` times, which have one step less between them. Count fence posts.",
        ),
        Mistake(
            lambda T, steps: [T - i * T / steps for i in range(steps + 1)],
            "these are not whole numbers: round each.",
        ),
        Mistake(
            lambda T, steps: [int(T - i * T / steps) for i in range(steps + 1)],
            "int cuts off what is behind the point: round to the nearest.",
        ),
        Mistake(
            lambda T, steps: [T - i * round(T / steps) for i in range(steps + 1)],
            "you round the step, and the errors add up: the last timestep is not 0. Round the "
            "timesteps.",
        ),
        Mistake(
            lambda T, steps: list(range(T, -1, -(T // steps))),
            "the step T // steps is cut off, and the last timestep is not 0: compute each and "
            "round it.",
        ),
        Mistake(
            lambda T, steps: torch.linspace(T, 1, steps + 1).round().tolist(),
            "your timesteps end at 1. The clean picture is time 0.",
        ),
    ],
    hints=[
        "Four steps through T = 1000 visit 1000, 750, 500, 250 and 0: five times.",
        "Time number i is T - i * T / steps, rounded, for i = 0 ... steps.",
    ],
    praise='diffusers calls this spacing "trailing".',
)


def _jump(signal_t, noise_t, signal_s, noise_s):
    """A DDIM step from four functions of alpha_bar."""

    def answer(xt, eps, a_t, a_s):
        x0 = (xt - noise_t(a_t) * eps) / signal_t(a_t)
        return signal_s(a_s) * x0 + noise_s(a_s) * eps

    return answer


def _signal(a):
    return a**0.5


def _noise(a):
    return (1 - a) ** 0.5


def _noisier(xt, eps, a_t, a_s):
    return a_s**0.5 * (xt - (1 - a_t) ** 0.5 * eps) / a_t**0.5 + (1 - a_t) ** 0.5 * eps


def _faded_as_before(xt, eps, a_t, a_s):
    return xt - (1 - a_t) ** 0.5 * eps + (1 - a_s) ** 0.5 * eps


def _clamped_jump(xt, eps, a_t, a_s):
    x0 = (xt - (1 - a_t) ** 0.5 * eps) / a_t**0.5
    return a_s**0.5 * x0.clamp(-1, 1) + (1 - a_s) ** 0.5 * eps


ddim_jump = Repair(
    broken=_noisier,
    symptom="The digits are there, under as much noise as the last step began with.",
    right=_jump(_signal, _noise, _signal, _noise),
    cases=lambda: [(*_pictures(2, 1), 0.3, 0.6), (*_pictures(2, 2), 0.05, 1.0)],
    mistakes=[
        Mistake(
            _jump(lambda a: a, lambda a: 1 - a, lambda a: a, lambda a: 1 - a),
            "the square roots are missing: sqrt(alpha_bar) and sqrt(1 - alpha_bar), both times.",
        ),
        Mistake(
            _jump(_signal, _noise, _signal, lambda a: 0.0),
            "you go to x0 and fade it, and forget to put the noise of time s back.",
        ),
        Mistake(
            _jump(_signal, _noise, lambda a: 1.0, lambda a: 0.0),
            "this is the estimate of x0. Go back from it to time s, with the same eps.",
        ),
        Mistake(
            lambda xt, eps, a_t, a_s: _jump(_signal, _noise, _signal, _noise)(xt, eps, a_s, a_t),
            "the two alpha_bar are exchanged: first undo the noise of time t, then add that of s.",
        ),
        Mistake(
            _jump(_signal, _noise, lambda a: 1.0, _noise),
            "the noise is right, but x0 is not faded: multiply it by sqrt(alpha_bar_s).",
        ),
        Mistake(
            _faded_as_before,
            "you fade x0 with alpha_bar of time t. You go to time s: sqrt(alpha_bar_s).",
        ),
        Mistake(
            _clamped_jump,
            "you clamp the estimate of x0 to [-1, 1], which was not asked for here.",
        ),
    ],
    hints=[
        "The first line is right: it is the clean picture that eps means, as in lesson 05.",
        "The second is the jump of lesson 04. To which time? How much noise is there at time 0?",
    ],
    praise="To the picture and back again, all with one eps.",
)


def _step_variance(a_t, a_s):
    return (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)


ddim_sigma = Write(
    right=lambda a_t, a_s, eta: eta * _step_variance(a_t, a_s) ** 0.5,
    cases=lambda: [(0.3, 0.6, 1.0), (0.3, 0.6, 0.5), (0.9, 0.95, 0.2), (0.5, 1.0, 1.0)],
    mistakes=[
        Mistake(
            lambda a_t, a_s, eta: eta * _step_variance(a_t, a_s),
            "this is eta times the variance, beta-tilde. Noise is multiplied by its square root.",
        ),
        Mistake(
            lambda a_t, a_s, eta: (eta * _step_variance(a_t, a_s)) ** 0.5,
            "eta stands outside the square root.",
        ),
        Mistake(
            lambda a_t, a_s, eta: eta * (1 - a_t / a_s) ** 0.5,
            "this has beta of the step. DDIM's largest noise is beta-tilde: a factor is missing.",
        ),
        Mistake(
            lambda a_t, a_s, eta: eta * ((1 - a_s) / (1 - a_t) * (1 - a_t)) ** 0.5,
            "beta of a step is 1 - alpha_bar_t / alpha_bar_s, not 1 - alpha_bar_t.",
        ),
        Mistake(
            lambda a_t, a_s, eta: eta * ((1 - a_s) / (1 - a_t)) ** 0.5,
            "this is the quotient of the two noises alone: beta of the step, 1 - "
            "alpha_bar_t / alpha_bar_s, is missing.",
        ),
        Mistake(
            lambda a_t, a_s, eta: eta * ((1 - a_s) / (1 - a_t) * (a_s - a_t)) ** 0.5,
            "beta of a step is 1 - alpha_bar_t / alpha_bar_s: a quotient, and not the "
            "difference of the two.",
        ),
        Mistake(
            lambda a_t, a_s, eta: (
                eta * ((1 - a_t) / (1 - a_s) * (1 - a_t / a_s)) ** 0.5 if a_s < 1 else 0.0
            ),
            "the quotient is upside down: (1 - alpha_bar_s) / (1 - alpha_bar_t), so that it "
            "is below 1.",
        ),
    ],
    hints=[
        "The step's beta is 1 - alpha_bar_t / alpha_bar_s.",
        "beta-tilde is (1 - alpha_bar_s) / (1 - alpha_bar_t) times that.",
        "The result is eta times the square root of beta-tilde.",
    ],
    praise="With s = 0 it is 0 by itself: no noise in the last step.",
)

heun_nfe = Write(
    right=lambda timesteps: 2 * (len(timesteps) - 1) - (timesteps[-1] == 0),
    cases=lambda: [([1000, 500, 0],), ([1000, 0],), ([1000, 600, 300, 1],), ([981, 1],)],
    mistakes=[
        Mistake(
            lambda timesteps: 2 * (len(timesteps) - 1),
            "right for timesteps that end above 0. In a step to 0 the second slope would be 0 / "
            "0, and "
            "it is not asked for.",
        ),
        Mistake(
            lambda timesteps: 2 * (len(timesteps) - 1) - 1,
            "right for timesteps that end at 0. Where the end is above 0, the last step has two "
            "slopes "
            "as well.",
        ),
        Mistake(
            lambda timesteps: 2 * len(timesteps) - (timesteps[-1] == 0),
            "you count timesteps. n + 1 timesteps make n steps.",
        ),
        Mistake(
            lambda timesteps: len(timesteps) - 1,
            "these are the steps. Heun evaluates the slope twice in each.",
        ),
        Mistake(
            lambda timesteps: 2 * len(timesteps),
            "you count timesteps. n + 1 timesteps make n steps.",
        ),
        Mistake(
            lambda timesteps: len(timesteps),
            "this is the number of timesteps. Count the steps, one less, and two evaluations of "
            "the "
            "slope in each.",
        ),
        Mistake(
            lambda timesteps: 2 * (len(timesteps) - 1) - 2 * (timesteps[-1] == 0),
            "in a step to 0 the second slope is left out; the first is asked for all the same.",
        ),
        Mistake(
            lambda timesteps: 2 * (len(timesteps) - 1) - (timesteps[-1] != 0),
            "it is the other way round: the second slope is left out where the timesteps do end "
            "at 0.",
        ),
    ],
    hints=[
        "How many steps are there? One less than timesteps.",
        "Two evaluations a step; and what happens in a step to t = 0?",
    ],
    praise="When samplers are compared, compare evaluations, not steps.",
)


def _line(weight):
    return lambda x0, before, l_s, l_t, l_b: x0 + weight(l_s, l_t, l_b) * (x0 - before)


continued_x0 = Write(
    right=_line(lambda s, t, b: (s - t) / (2 * (t - b))),
    cases=lambda: [(*_pictures(2, 5), 1.5, 0.5, 0.1), (*_pictures(2, 6), -0.4, -2.0, -4.0)],
    mistakes=[
        Mistake(
            _line(lambda s, t, b: (s - t) / (t - b)),
            "this reads the line at the end of the step. Read it at the middle: half as far.",
        ),
        Mistake(
            _line(lambda s, t, b: 0.5),
            "this is right where both steps are equally long in lambda. Here they are not.",
        ),
        Mistake(
            _line(lambda s, t, b: (t - b) / (2 * (s - t))),
            "the quotient of the steps is upside down: the new one over the one before.",
        ),
        Mistake(
            _line(lambda s, t, b: -(s - t) / (2 * (t - b))),
            "you go back towards the old estimate. Continue the line, away from it.",
        ),
        Mistake(
            _line(lambda s, t, b: (s - t) / 2),
            "a line needs a slope: divide by the step between the two estimates.",
        ),
        Mistake(
            lambda x0, before, s, t, b: before + (s - t) / (2 * (t - b)) * (x0 - before),
            "you start from the estimate before. Start from x0, the newer one.",
        ),
        Mistake(
            _line(lambda s, t, b: (s - t) / (2 * (s - b))),
            "you divide by both steps together. The slope is over the step between the "
            "two estimates, lambda_t - lambda_before.",
        ),
        Mistake(
            lambda x0, before, s, t, b: (x0 + before) / 2,
            "this is the middle of the two estimates. Continue the line beyond x0.",
        ),
        Mistake(
            _line(lambda s, t, b: (s - t) / 2 * (t - b)),
            "brackets are missing: you multiply by lambda_t - lambda_before in the place of "
            "dividing.",
        ),
        Mistake(
            _line(lambda s, t, b: (s + t) / (2 * (t - b))),
            "you go as far as the middle's lambda is large. From lambda_t to the middle it is"
            " (lambda_s - lambda_t) / 2.",
        ),
    ],
    hints=[
        "The line through (lambda_before, x0_before) and (lambda_t, x0) has the slope "
        "(x0 - x0_before) / (lambda_t - lambda_before).",
        "From lambda_t go half of lambda_s - lambda_t further.",
    ],
    praise="This one line is what makes DDIM second order.",
)

same_start = Predict(
    right="hardly ever",
    choices=("nearly always", "about half", "hardly ever"),
    mistakes=[
        Mistake(
            "nearly always",
            "this is DDIM, which adds nothing on the way. DDPM adds new noise 999 times.",
        ),
        Mistake(
            "about half",
            "the start is forgotten more thoroughly: alpha_bar at 1000 is nearly 2,000 times "
            "smaller than at 500, and all the rest is new noise.",
        ),
    ],
    hints=[
        "How large is a correlation of 0.98 after a hundred steps, if each multiplies it?",
        "There are 1,000 digits to end at.",
    ],
    praise="The noise on the way decides, and each run draws its own.",
)

second_order = Predict(
    right=4,
    mistakes=[
        Mistake(2, "this is Euler's, of first order. Heun's error falls as 1 / n^2."),
        Mistake(8, "this would be third order: 1 / n^3."),
        Mistake(1, "more steps do help: the error falls as 1 / n^2."),
        Mistake(0.25, "this is what is left of the error. By which factor has it fallen?"),
        Mistake(16, "this would be fourth order. 1 / n^2, with 2 n in the place of n."),
    ],
    hints=["Put 2 n in the place of n in 1 / n^2.", "2 squared."],
    praise="Second order: twice the steps, a quarter of the error.",
)

_SHARE = torch.tensor([1 / 3, 2 / 3]).double()
_CENTRE, _SPREAD = torch.tensor([-0.8, 0.6]).double(), 0.15
_SCHEDULE = NoiseSchedule(linear_betas(1000))
_POINTS = torch.linspace(-2, 2, 201).double()


def _modes(t):
    signal, noise_std = _SCHEDULE.signal[t], _SCHEDULE.noise_std[t]
    return Normal(signal * _CENTRE, (signal**2 * _SPREAD**2 + noise_std**2).sqrt())


def _best_x0(x, t):
    mode, signal = _modes(t), _SCHEDULE.signal[t]
    line = _CENTRE + signal * _SPREAD**2 / mode.variance * (x[..., None] - mode.mean)
    return (torch.softmax(_SHARE.log() + mode.log_prob(x[..., None]), -1) * line).sum(-1)


def _cdf(x, t):
    return (_SHARE * _modes(t).cdf(x[..., None])).sum(-1)


def _exact():
    """Where the exact flow takes the points: to as much probability below them."""
    below = _cdf(_POINTS, 1000)
    low, high = torch.full_like(_POINTS, -6.0), torch.full_like(_POINTS, 6.0)
    for _ in range(50):
        middle = (low + high) / 2
        left = _cdf(middle, 0) < below
        low, high = torch.where(left, middle, low), torch.where(left, high, middle)
    return middle


def eight_steps_error(timesteps) -> float:
    """The error (root mean square) of 2M in the world of two modes; ValueError unless 8 steps."""
    try:
        times = [int(t) for t in timesteps]
    except (TypeError, ValueError):
        raise ValueError("a list of whole numbers is wanted, from 1000 to 0.") from None
    if len(times) != 9 or times[0] != 1000 or times[-1] != 0:
        raise ValueError("eight steps have nine timesteps, from 1000 to 0.")
    found = sample(_best_x0, _POINTS, _SCHEDULE, times, "dpmpp_2m", "sample")
    return (found - _exact()).square().mean().sqrt().item()


eight_steps = Explore(
    score=eight_steps_error,
    board={
        "trailing, of DDIM": 0.1512,
        "Karras's spacing": 0.1454,
        "trailing": 0.127,
        "the best that a search found": 0.0313,
    },
    higher=False,
    hints=[
        "Begin with the trailing timesteps 1000, 875, ..., 125, 0, and move one at a time.",
        "Far out, the estimate of x0 hardly changes: few steps are needed there. From where on do "
        "the curves bend?",
        "And the last step is DDIM's: it should not be the longest in sigma.",
    ],
    praise="Where to look matters as much as how.",
)
