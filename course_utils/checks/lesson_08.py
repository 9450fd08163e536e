"""The exercises of lesson 08, context and guidance."""

import torch
from torch.distributions import Normal

from course_utils.built.guidance import classifier_free_guidance, drop_cond
from course_utils.built.sample import sample
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.built.timesteps import trailing_timesteps
from course_utils.checks.engine import Explore, Mistake, NotYet, Predict, Repair, Write

guidance_scale = Predict(
    right=7.5,
    mistakes=[
        Mistake(6.5, "the two numbers are not the same. What is w where nothing is added?"),
        Mistake(5.5, "the other way round: Stable Diffusion's number is the larger."),
        Mistake(-6.5, "no sign changes: both conventions go from uncond to cond."),
        Mistake(13.0, "both grow at the same pace: nothing is doubled."),
        Mistake(14.0, "both grow at the same pace. Only their start differs."),
    ],
    hints=[
        "The conditional prediction alone: w = 0 in the paper. And in Stable Diffusion?",
        "Write (1 + w) cond - w uncond as uncond + (...) (cond - uncond).",
    ],
    praise="(1 + w) cond - w uncond = uncond + (1 + w) (cond - uncond): larger by one.",
)

sampled_variety = Predict(
    right="less",
    choices=("less", "the same", "more"),
    mistakes=[
        Mistake(
            "the same",
            "it would be, if the guided score at each t belonged to the noisy versions of one "
            "density. Is sharpening, then adding noise, the same as adding noise, then sharpening?",
        ),
        Mistake(
            "more",
            "under much noise the two varieties are one hill, and guidance pushes away from the "
            "neighbour that the second one stands beside.",
        ),
    ],
    hints=[
        "Under much noise, where does the rest of the data lie, seen from A?",
        "The sampler starts at t = 1000, and whoever has left by t = 300 doesn't come back.",
    ],
    praise="Early on guidance pushes away from the neighbour, and with it from the second variety.",
)

nfe_in_interval = Predict(
    right=28,
    mistakes=[
        Mistake(20, "this is without guidance. Where there is guidance, a step takes two calls."),
        Mistake(40, "this is guidance at every step. Outside of the interval one call is enough."),
        Mistake(16, "these are the calls within the interval; outside there is one a step."),
        Mistake(32, "you doubled the steps outside. Inside the interval there are two calls."),
        Mistake(8, "these are the steps with guidance. Count calls, of all 20 steps."),
    ],
    hints=[
        "A step with guidance: one conditional call, one unconditional one.",
        "12 steps with one call, 8 steps with two.",
    ],
    praise="12 + 2 x 8. The interval saves calls, too.",
)


def _world(centre, spread, share):
    """The log density, and the best estimate of x0: the lesson's `world`."""
    centre, spread, share = (torch.tensor(part).double() for part in (centre, spread, share))

    def modes(x, t):
        signal, noise_std = _SCHEDULE.signal[t], _SCHEDULE.noise_std[t]
        mode = Normal(signal * centre, (signal**2 * spread**2 + noise_std**2).sqrt())
        return signal, mode, share.log() + mode.log_prob(x[..., None])

    def best_x0(x, t):
        signal, mode, weight = modes(x, t)
        line = centre + signal * spread**2 / mode.variance * (x[..., None] - mode.mean)
        return (weight.softmax(-1) * line).sum(-1)

    return lambda x: modes(x, 0)[2].logsumexp(-1), best_x0


_SCHEDULE = NoiseSchedule(linear_betas(1000))
_LOG_COND, _BEST_COND = _world([-0.8, 0.1], [0.2, 0.2], [0.5, 0.5])
_LOG_ALL, _BEST_ALL = _world([-0.8, 0.1, 0.7], [0.2, 0.2, 0.3], [0.25, 0.25, 0.5])
ACCURACY = 0.955


def variety_kept(my_weight) -> float:
    """The share of the rarer variety, of 4,000 numbers guided by my_weight(t) in 50 steps.

    Raises ValueError where fewer than 95.5 % of them are what was asked for.
    """
    if not callable(my_weight):
        raise ValueError("a function is wanted, from a time t in 1..1000 to a weight.")

    def denoise(x, t):
        return classifier_free_guidance(_BEST_ALL(x, t), _BEST_COND(x, t), float(my_weight(t)))

    start = torch.randn(4000, generator=torch.Generator().manual_seed(0)).double()
    x = sample(denoise, start, _SCHEDULE, trailing_timesteps(1000, 50), "ddim", "sample")
    accuracy = ((_LOG_COND(x) - _LOG_ALL(x)).exp() / 2).mean().item()
    if not accuracy >= ACCURACY:
        raise ValueError(
            f"the accuracy is {accuracy:.3f}, and {ACCURACY} is asked for: guide more."
        )
    second = (x > -0.35).double().mean().item()
    return min(second, 1 - second)


guidance_schedule = Explore(
    score=variety_kept,
    board={
        "the best single weight, 1.45": 0.3503,
        "w = 4 at t <= 100": 0.4468,
        "w = 8 at t <= 50": 0.4855,
    },
    hints=[
        "Under much noise guidance costs variety. Under little, what does it cost?",
        "The shorter the interval, the larger w may be: def my_weight(t): return ... if t <= ... "
        "else 1.",
        "Where there is much noise, w may be smaller than 1.",
    ],
    praise="As accurate, and more varied than one weight for all times.",
)


def _halves(seed, n):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2 * n, 1, 3, 3, generator=generator)


def _with_parts(use):
    return lambda both, w: use(*both.chunk(2), w)


guided_halves = Repair(
    broken=_with_parts(lambda cond, uncond, w: uncond + w * (cond - uncond)),
    symptom="Each picture is anything but what was asked for.",
    right=_with_parts(classifier_free_guidance),
    cases=lambda: [(_halves(1, 2), 3.0), (_halves(2, 3), 1.5), (_halves(3, 2), 1.0)],
    mistakes=[
        Mistake(
            _with_parts(lambda uncond, cond, w: (1 + w) * cond - w * uncond),
            "this is the paper's convention, which goes one further: at w = 1 we are at cond.",
        ),
        Mistake(
            lambda both, w: classifier_free_guidance(both[0::2], both[1::2], w),
            "you take every second picture. The first half is unconditional, the last conditional.",
        ),
        Mistake(
            _with_parts(lambda uncond, cond, w: w * (cond - uncond)),
            "this is the difference alone. It begins at uncond: add it.",
        ),
        Mistake(
            _with_parts(lambda uncond, cond, w: uncond + w * cond),
            "the weights must add up to 1, and yours add up to 1 + w: subtract uncond from cond.",
        ),
        Mistake(
            _with_parts(lambda uncond, cond, w: w * cond),
            "this only makes the prediction larger. uncond is needed, too.",
        ),
        Mistake(
            _with_parts(lambda uncond, cond, w: uncond + w * (uncond - cond)),
            "the halves are right, and the sign is turned: the step is cond minus uncond.",
        ),
        Mistake(
            lambda both, w: both + w * (both.flip(0) - both),
            "this gives back both halves. One guided prediction for each picture is wanted.",
        ),
    ],
    hints=[
        "With w = 1 the broken function draws as if there were no label. Which prediction is it?",
        "Compare the order in torch.cat with the order in which the halves are named.",
    ],
    praise="A line that runs without an error, and draws the opposite. Look at w = 1 first.",
)

_LABELS = torch.arange(10).repeat(2000)


def _counted(answer, labels, classes, chance, seed):
    """How often each label was changed, to what, and in how long runs: to within chance."""
    found = answer(labels, classes, chance, torch.Generator().manual_seed(seed))
    if found is None or found is ...:
        return found
    if not isinstance(found, torch.Tensor) or found.shape != labels.shape:
        shape = getattr(found, "shape", type(found).__name__)
        raise NotYet(f"a tensor of {len(labels)} labels is wanted; yours is {shape}.")
    if found.is_floating_point():
        raise NotYet(f"labels pick rows of a table: whole numbers, and yours are {found.dtype}.")
    changed = found != labels
    parts = changed.view(-1, 10).double().mean(0)
    whole = (changed.view(-1, 10).all(1) | ~changed.view(-1, 10).any(1)).double().mean()
    new = found[changed].unique() if changed.any() else torch.tensor([-1])
    coarse = torch.cat([(parts * 10).round(), (whole * 10).round()[None]])
    again = answer(labels, classes, chance, torch.Generator().manual_seed(seed))
    if changed.any() and not torch.equal(found, again):
        raise NotYet("the generator does not decide: the same one must drop the same labels again.")
    return torch.cat([coarse, new.double()[:2]])


def _drop(null=lambda classes: classes, chance=lambda chance: chance, one_draw=False):
    def answer(labels, classes, probability, generator):
        n = 1 if one_draw else len(labels)
        dropped = torch.rand(n, generator=generator) < chance(probability)
        return torch.where(dropped, null(classes), labels)

    return answer


def _first_ones(labels, classes, chance, generator):
    return torch.where(torch.arange(len(labels)) < chance * len(labels), classes, labels)


def _by_normal(labels, classes, chance, generator):
    return torch.where(torch.randn(len(labels), generator=generator) < chance, classes, labels)


dropped_labels = Write(
    right=lambda labels, classes, chance, generator: drop_cond(labels, classes, chance, generator),
    cases=lambda: [(_LABELS, 10, 0.2, 3), (_LABELS, 12, 0.4, 14)],
    outcome=_counted,
    measured=True,
    tolerance=1e-6,
    mistakes=[
        Mistake(
            _drop(null=lambda classes: 0),
            "0 is a digit: the network would learn that 'no label' means zero. The null label is "
            "classes.",
        ),
        Mistake(
            _drop(null=lambda classes: classes - 1),
            "classes - 1 is the last digit. The null label comes after it.",
        ),
        Mistake(
            _drop(chance=lambda chance: 1 - chance),
            "you keep as many as you should drop. Turn the comparison round.",
        ),
        Mistake(
            _drop(one_draw=True),
            "all labels are dropped together, or none. Draw a number for each label.",
        ),
        Mistake(
            lambda labels, classes, chance, generator: labels.clone(),
            "nothing is dropped.",
        ),
        Mistake(
            lambda labels, classes, chance, generator: torch.full_like(labels, classes),
            "everything is dropped. Each label should be, with probability chance.",
        ),
        Mistake(
            _drop(null=lambda classes: -1),
            "the null label is classes, a row of its own at the end of the table. "
            "nn.Embedding takes no negative numbers.",
        ),
        Mistake(
            _drop(null=lambda classes: classes + 1),
            "the null label is classes: labels count from 0, so this number is free.",
        ),
        Mistake(
            _drop(null=lambda classes: 10),
            "the null label is always 10 here. It is classes, however many there are.",
        ),
        Mistake(
            _drop(chance=lambda chance: 0.1),
            "a tenth is dropped, whatever chance is.",
        ),
        Mistake(
            _first_ones,
            "the first labels are dropped, always the same ones. Draw.",
        ),
        Mistake(
            _by_normal,
            "randn is normal, and below chance more often than chance says. rand is uniform "
            "in [0, 1).",
        ),
    ],
    hints=[
        "Draw one number in [0, 1) for each label: torch.rand(len(labels), generator=generator).",
        "A number below chance means: dropped.",
        "torch.where chooses between two values, label by label; masked_fill replaces some.",
    ],
    praise="One network now learns both: the conditional and the unconditional prediction.",
)


def _vectors(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(9, generator=generator), torch.rand(9, generator=generator)


def _mix(change):
    def answer(a, b, part, share):
        found = a.clone()
        found[part] = change(a[part], b[part], share)
        return found

    return answer


def _outside(what):
    def answer(a, b, part, share):
        found = what(a, b).clone()
        found[part] = share * a[part] + (1 - share) * b[part]
        return found

    return answer


def _cut_in_part(a, b, part, share):
    """The first numbers of part from a, the others from b."""
    found, cut = a.clone(), part.start + round(share * (part.stop - part.start))
    found[cut : part.stop] = b[cut : part.stop]
    return found


mixed_context = Write(
    right=_mix(lambda a, b, share: share * a + (1 - share) * b),
    cases=lambda: [(*_vectors(1), slice(0, 4), 0.5), (*_vectors(2), slice(4, 6), 0.8)],
    mistakes=[
        Mistake(
            lambda a, b, part, share: share * a + (1 - share) * b,
            "this mixes everything: outside of part the result is a.",
        ),
        Mistake(
            _mix(lambda a, b, share: (1 - share) * a + share * b),
            "the shares are exchanged: share is a's part.",
        ),
        Mistake(
            _mix(lambda a, b, share: a + b),
            "this is all of both. The shares must add up to 1.",
        ),
        Mistake(
            _mix(lambda a, b, share: share * a + b),
            "b is there as a whole: it gets what a leaves, 1 - share.",
        ),
        Mistake(
            lambda a, b, part, share: share * a[part] + (1 - share) * b[part],
            "this is the mixed part alone. Put it into a copy of a.",
        ),
        Mistake(
            _outside(lambda a, b: 0 * a),
            "outside of part there are zeros. There the result is a: begin with a copy of it.",
        ),
        Mistake(
            _outside(lambda a, b: b),
            "outside of part there is b. There the result is a: begin with a copy of it.",
        ),
        Mistake(
            _cut_in_part,
            "you take some numbers from a and the others from b. Mix each number of part.",
        ),
        Mistake(
            lambda a, b, part, share: torch.cat([a, share * a[part] + (1 - share) * b[part]]),
            "the mixed part was put behind a. It belongs into its place.",
        ),
    ],
    hints=[
        "Make a copy first: a.clone(). Only its numbers in part change.",
        "found[part] = ...: share of one, and what is left of the other.",
    ],
    praise="The network was never shown such a vector, and draws something all the same.",
)


def _sharpened(precision, mean):
    return lambda mu, s, w: torch.tensor([mean(mu, s, w), 1 / precision(mu, s, w)])


def _precision(mu, s, w):
    return w / s**2 + 1 - w


def _mean(mu, s, w):
    return w * mu / s**2 / _precision(mu, s, w)


def _pair(answer, *case):
    found = answer(*case)
    if found is None or found is ...:
        return found
    if not isinstance(found, (tuple, list, torch.Tensor)) or len(found) != 2:
        raise NotYet("a pair is wanted: return mean, variance.")
    if any(number is None or number is ... for number in found):
        return ...
    return torch.stack([torch.as_tensor(float(number)) for number in found])


sharpened_normal = Write(
    right=_sharpened(_precision, _mean),
    cases=lambda: [(1.0, 0.5, 3.0), (-0.4, 0.8, 8.0), (2.0, 0.3, 1.0)],
    outcome=_pair,
    mistakes=[
        Mistake(
            lambda mu, s, w: (w * mu, w * s**2 + 1 - w),
            "you mix the variances. In a product of densities the exponents add up: mix the "
            "precisions, 1 / variance.",
        ),
        Mistake(
            _sharpened(_precision, lambda mu, s, w: mu),
            "the variance is right. The mean moves beyond mu, away from the other pictures.",
        ),
        Mistake(
            _sharpened(lambda mu, s, w: w / s**2, lambda mu, s, w: mu),
            "this is p(x | c) to the power w. The factor p(x) to the power 1 - w is missing.",
        ),
        Mistake(
            lambda mu, s, w: (_mean(mu, s, w), _precision(mu, s, w)),
            "the second number is the precision. The variance is 1 divided by it.",
        ),
        Mistake(
            lambda mu, s, w: (_mean(mu, s, w), _precision(mu, s, w) ** -0.5),
            "the second number is the standard deviation. Square it.",
        ),
        Mistake(
            lambda mu, s, w: (_mean(mu, s, w + 1), 1 / _precision(mu, s, w + 1)),
            "this counts w as the paper does, one further: at w = 1 it should be N(mu, s^2).",
        ),
        Mistake(
            lambda mu, s, w: (w * mu / s**2, 1 / _precision(mu, s, w)),
            "the variance is right. The mean still has to be divided by the precision.",
        ),
        Mistake(
            lambda mu, s, w: (w * mu / _precision(mu, s, w), 1 / _precision(mu, s, w)),
            "the variance is right. What stands before x is w mu / s^2: a division by s^2 is "
            "missing.",
        ),
        Mistake(
            lambda mu, s, w: (mu / s**2 / _precision(mu, s, w), 1 / _precision(mu, s, w)),
            "the variance is right. What stands before x is w mu / s^2: w is missing.",
        ),
        Mistake(
            _sharpened(
                lambda mu, s, w: w / s**2 + 1, lambda mu, s, w: w * mu / s**2 / (w / s**2 + 1)
            ),
            "p(x) has the power 1 - w, and you gave it 1.",
        ),
        Mistake(
            _sharpened(
                lambda mu, s, w: w / s**2 + w - 1,
                lambda mu, s, w: w * mu / s**2 / (w / s**2 + w - 1),
            ),
            "the power of p(x) is 1 - w, not w - 1.",
        ),
    ],
    hints=[
        "Write the logarithm: -w (x - mu)^2 / (2 s^2) - (1 - w) x^2 / 2, and sort by powers of x.",
        "The precision, 1 / variance, is what stands before -x^2 / 2: w / s^2 + 1 - w.",
        "The mean is what stands before x, divided by the precision.",
    ],
    praise="The variance falls, and the mean moves beyond mu: guided pictures are exaggerated.",
)
