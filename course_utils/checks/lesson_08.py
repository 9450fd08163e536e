"""The exercises of lesson 08, context and guidance."""

import torch

from course_utils.built.guidance import classifier_free_guidance, drop_cond
from course_utils.built.resblock import modulate
from course_utils.checks.engine import Mistake, NotYet, Write


def _predictions(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 1, 3, 3, generator=generator) for _ in range(2)]


guided_prediction = Write(
    right=classifier_free_guidance,
    cases=lambda: [(*_predictions(1), 3.0), (*_predictions(2), 0.0), (*_predictions(3), 1.0)],
    mistakes=[
        Mistake(
            lambda uncond, cond, w: (1 + w) * cond - w * uncond,
            "this is the paper's convention, which goes one further: at w = 1 we are at cond.",
        ),
        Mistake(
            lambda uncond, cond, w: cond + w * (uncond - cond),
            "this leads away from what was asked for: the step is cond minus uncond.",
        ),
        Mistake(
            lambda uncond, cond, w: w * (cond - uncond),
            "this is the difference alone. It begins at uncond: add it.",
        ),
        Mistake(
            lambda uncond, cond, w: uncond + w * cond,
            "the weights must add up to 1, and yours add up to 1 + w: subtract uncond from cond.",
        ),
        Mistake(
            lambda uncond, cond, w: w * cond,
            "this only makes the prediction larger. uncond is needed, too.",
        ),
        Mistake(
            lambda uncond, cond, w: (uncond + w * cond) / (1 + w),
            "this is an average, which stays between the two. Guidance goes beyond cond: "
            "uncond + w (cond - uncond).",
        ),
    ],
    hints=[
        "Start at uncond and take w times the way to cond.",
        "At w = 0 the result is uncond, at w = 1 it is cond.",
        "uncond + w * (cond - uncond)",
    ],
    praise="At w = 1 it is cond alone, and beyond 1 it exaggerates.",
)

guidance_scale = Write(
    right=lambda w: w + 1,
    cases=lambda: [(3.0,), (0.0,), (6.5,)],
    mistakes=[
        Mistake(lambda w: w, "the two numbers are not the same. What is w where nothing is added?"),
        Mistake(lambda w: w - 1, "the other way round: Stable Diffusion's number is the larger."),
        Mistake(lambda w: -w, "no sign changes: both conventions go from uncond to cond."),
        Mistake(lambda w: 1 + 2 * w, "both grow at the same pace. Only their start differs."),
        Mistake(
            lambda w: 2 * w,
            "both grow at the same pace: nothing is doubled.",
        ),
    ],
    hints=[
        "The conditional prediction alone: w = 0 in the paper. And in Stable Diffusion?",
        "Write (1 + w) cond - w uncond as uncond + (...) (cond - uncond).",
    ],
    praise="A guidance_scale of 7.5 is the paper's w = 6.5.",
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
        "labels.masked_fill(dropped, classes), or torch.where(dropped, classes, labels)",
    ],
    praise="One network now learns both: the conditional and the unconditional prediction.",
)


def _features(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 4, 2, 2, generator=generator), torch.randn(3, 8, generator=generator)


def _halves(use):
    def answer(h, embedding):
        scale, shift = embedding[:, :, None, None].chunk(2, dim=1)
        return use(h, scale, shift)

    return answer


def _one_number_a_pixel(h, embedding):
    scale, shift = (half.unflatten(1, (1, *h.shape[2:])) for half in embedding.chunk(2, dim=1))
    return h * (1 + scale) + shift


modulated = Write(
    right=lambda h, embedding: modulate(h, *embedding.chunk(2, dim=1)),
    cases=lambda: [_features(1), _features(2)],
    mistakes=[
        Mistake(
            _halves(lambda h, scale, shift: h * scale + shift),
            "this is multiply-and-add. With scale = 0 the features should stay: 1 + scale.",
        ),
        Mistake(
            _halves(lambda h, scale, shift: h * (1 + shift) + scale),
            "the halves are exchanged: the scale comes first.",
        ),
        Mistake(
            _halves(lambda h, scale, shift: (h + shift) * (1 + scale)),
            "first multiply, then add: your shift is scaled, too.",
        ),
        Mistake(
            lambda h, embedding: (
                h * (1 + embedding[:, 0::2, None, None]) + embedding[:, 1::2, None, None]
            ),
            "you take every second number. The first C are the scale, the last C the shift.",
        ),
        Mistake(
            _halves(lambda h, scale, shift: h * (1 + scale)),
            "the shift is missing: add the second half.",
        ),
        Mistake(
            _halves(lambda h, scale, shift: h + shift),
            "the scale is missing: multiply by 1 + the first half.",
        ),
        Mistake(
            _halves(lambda h, scale, shift: h * scale.exp() + shift),
            "you multiply by exp(scale). Here it is 1 + scale.",
        ),
        Mistake(
            _halves(lambda h, scale, shift: h * (1 + scale) - shift),
            "the shift is added, not subtracted.",
        ),
        Mistake(
            lambda h, embedding: h * (1 + embedding.chunk(2, 1)[0]) + embedding.chunk(2, 1)[1],
            "scale and shift are N x C and do not fit to h. Give them two more dimensions: "
            "[:, :, None, None].",
        ),
        Mistake(
            lambda h, embedding: (
                h * (1 + embedding[:, :, None, None].chunk(2)[0])
                + embedding[:, :, None, None].chunk(2)[1]
            ),
            "chunk without dim cuts the batch. Cut the numbers: dim=1.",
        ),
        Mistake(
            _one_number_a_pixel,
            "your numbers stand at the pixels, the same for all channels. There is one for "
            "each channel.",
        ),
    ],
    hints=[
        "embedding.chunk(2, dim=1) gives the two halves, N x C each.",
        "They need two more dimensions to fit to h: scale[:, :, None, None].",
        "h * (1 + scale) + shift",
    ],
    praise="With zeros it leaves the features as they are.",
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
        "Make a copy first: a.clone().",
        "found[part] = share * a[part] + (1 - share) * b[part]",
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
        "The mean is what stands before x, that is w mu / s^2, divided by the precision.",
    ],
    praise="The variance falls, and the mean moves beyond mu: guided pictures are exaggerated.",
)
