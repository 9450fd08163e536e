"""The exercises of lesson 13, latent diffusion."""

import functools
import math

import torch

from course_utils.built.forward import forward_jump
from course_utils.built.pipeline import text_to_image
from course_utils.built.schedule import NoiseSchedule, cosine_betas
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write
from course_utils.diffusers_format import load_pipeline
from course_utils.evaluation import emoji_prompts, scores

resting_part = Predict(
    right="encoder",
    choices=("text encoder", "u-net", "encoder", "decoder"),
    mistakes=[
        Mistake("text encoder", "it reads the words: without it the U-Net knows no word."),
        Mistake("u-net", "it does nearly all of the work: it takes the noise out."),
        Mistake("decoder", "the U-Net makes latents, 16 x 16. Who would make pixels of them?"),
    ],
    hints=[
        "Follow the arrows of the two upper rows, from the caption and the noise to the picture.",
        "Which part takes a picture in? Is there one, before it is drawn?",
    ],
    praise="Noise is drawn as latents: no picture goes in, so none is encoded.",
)


def _noises(seed, *shapes):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator) for shape in shapes]


weak_no = Predict(
    right="nothing",
    choices=("the opposite", "half as much", "nothing"),
    mistakes=[
        Mistake("the opposite", "for that w would have to be below 1: put numbers in the formula."),
        Mistake("half as much", "put w = 1 in the formula: how much of `unwanted` is left?"),
    ],
    hints=[
        "Sort the formula: which factor has `unwanted`, which has `cond`?",
        "unwanted + w (cond - unwanted) = (1 - w) unwanted + w cond.",
    ],
    praise="At w = 1 the formula is cond alone. A no needs guidance to be heard.",
)


def _summed(a_part, b_part=None):
    def answer(null, a, b, w):
        return a_part(null, a, w) + (b_part or a_part)(null, b, w) - null

    return answer


def _guided(null, a, w):
    return null + w * (a - null)


both_at_once = Write(
    right=_summed(_guided),
    cases=lambda: [
        (*_noises(1, (2, 4, 3, 3), (2, 4, 3, 3), (2, 4, 3, 3)), 3.0),
        (*_noises(2, (2, 4, 3, 3), (2, 4, 3, 3), (2, 4, 3, 3)), 1.5),
    ],
    mistakes=[
        Mistake(
            lambda null, a, b, w: _guided(null, a, w) + _guided(null, b, w),
            "the null prediction is in it twice, and only once in the formula.",
        ),
        Mistake(
            lambda null, a, b, w: null + w * ((a + b) / 2 - null),
            "this goes towards the mean of the two, with one whole weight between them. Each pulls "
            "with the whole weight.",
        ),
        Mistake(
            lambda null, a, b, w: null + w * (a + b - null),
            "null is to be subtracted from each of the two.",
        ),
        Mistake(
            lambda null, a, b, w: null + w * (a - null) - w * (b - null),
            "this leads away from b, as a negative prompt does.",
        ),
        Mistake(
            lambda null, a, b, w: w * (a - null) + w * (b - null),
            "the start is missing: both pulls are added to null.",
        ),
        Mistake(
            lambda null, a, b, w: a + w * (b - null),
            "only b pulls with w; a has the weight 1.",
        ),
        Mistake(
            lambda null, a, b, w: null + w * (null - a) + w * (null - b),
            "the differences are upside down: this leads away from both.",
        ),
        Mistake(
            lambda null, a, b, w: b + w * (a - b),
            "this is a negative prompt: away from b, towards a.",
        ),
    ],
    hints=[
        "Guidance with one prompt is null + w (a - null): a start and a pull.",
        "A second prompt is a second pull; there is still one start.",
    ],
    praise="Predictions can be added, since each is a direction in the same space.",
)

_SCHEDULE = NoiseSchedule(cosine_betas(100))


def _inpainting(seed, t, s):
    shape = (2, 3, 4, 4)
    drawn, known, noise = _noises(seed, shape, shape, shape)
    new = _noises(seed + 10, (2, 1, 4, 4))[0] > 0
    return drawn, known, new, noise, t, s, _SCHEDULE


def _put_back(kept_of):
    def answer(drawn, known, new, noise, t, s, schedule):
        return torch.where(new, drawn, kept_of(known, noise, t, s, schedule))

    return answer


known_put_back = Repair(
    broken=_put_back(lambda known, noise, t, s, schedule: known),
    symptom="What is drawn looks foreign to the face below: at each step the network sees a "
    "mixture that it never met in training.",
    right=_put_back(lambda known, noise, t, s, schedule: forward_jump(known, noise, s, schedule)),
    cases=lambda: [_inpainting(1, 60, 40), _inpainting(2, 90, 80), _inpainting(3, 20, 0)],
    mistakes=[
        Mistake(
            _put_back(lambda known, noise, t, s, schedule: forward_jump(known, noise, t, schedule)),
            "this is the noise of time t, where the step began. `drawn` has arrived at s.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: torch.where(
                new, forward_jump(known, noise, s, schedule), drawn
            ),
            "the mask is upside down: `new` is True where the picture is drawn anew.",
        ),
        Mistake(
            _put_back(
                lambda known, noise, t, s, schedule: known + schedule.noise_std[s].item() * noise
            ),
            "the noise is right, but the known part must shrink as well: it is multiplied by the "
            "square root of alpha_bar.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: forward_jump(
                torch.where(new, drawn, known), noise, s, schedule
            ),
            "`drawn` has the noise of time s already, and gets more here: add it to `known` alone.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: forward_jump(
                known, noise, s, schedule
            ),
            "the mask is not used: where `new` is True, `drawn` stays.",
        ),
        Mistake(
            _put_back(
                lambda known, noise, t, s, schedule: torch.lerp(
                    noise, known, schedule.alpha_bar[s].item()
                )
            ),
            "the square roots are missing: sqrt(alpha_bar) of `known`, and sqrt(1 - "
            "alpha_bar) of the noise.",
        ),
        Mistake(
            _put_back(lambda known, noise, t, s, schedule: noise),
            "only noise was put back: nothing of `known` is in it.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: (
                drawn + ~new * forward_jump(known, noise, s, schedule)
            ),
            "the known part was added to `drawn`. Put it in its place: torch.where.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: new * drawn,
            "outside of `new` there are zeros. There belongs the known part, with noise.",
        ),
        Mistake(
            _put_back(
                lambda known, noise, t, s, schedule: forward_jump(known, noise, t - s, schedule)
            ),
            "t - s is how far the step went. The noise is that of the time where it arrived, s.",
        ),
        Mistake(
            lambda drawn, known, new, noise, t, s, schedule: torch.where(
                new, drawn, forward_jump(drawn, noise, s, schedule)
            ),
            "outside of `new` you put `drawn` again, with more noise. There belongs `known`.",
        ),
    ],
    hints=[
        "Both parts must have the same amount of noise. Which time has `drawn` reached?",
        "Lesson 04's forward_jump brings `known` from the clean picture to time s.",
        "`torch.where` picks, number by number, from one of two tensors.",
    ],
    praise="At s = 0 no noise is left, and the known part is what it was.",
)


def _turned(weights):
    def answer(first, second, share):
        a, b = weights(share)
        return a * first + b * second

    return answer


_RIGHT_ANGLE = math.pi / 2


def _at_right_angles(seed):
    first, second = _noises(seed, (2, 3, 4, 4), (2, 3, 4, 4))
    along = (second * first).sum((1, 2, 3), True) / first.square().sum((1, 2, 3), True)
    return first, second - along * first  # so that the measured angle may be taken, too


noise_between = Write(
    right=_turned(lambda s: (math.cos(s * _RIGHT_ANGLE), math.sin(s * _RIGHT_ANGLE))),
    cases=lambda: [(*_at_right_angles(n), n / 4) for n in range(5)],
    mistakes=[
        Mistake(
            _turned(lambda s: (1 - s, s)),
            "these shares add up to 1, but their squares do not. Half of two noises has the "
            "variance 1/4 + 1/4: noise that is too weak.",
        ),
        Mistake(
            _turned(lambda s: (math.sin(s * _RIGHT_ANGLE), math.cos(s * _RIGHT_ANGLE))),
            "the two are exchanged: at share 0 the result is `first`.",
        ),
        Mistake(
            _turned(lambda s: (math.cos(90 * s), math.sin(90 * s))),
            "math.cos wants radians: a right angle is pi / 2.",
        ),
        Mistake(
            _turned(lambda s: (math.cos(s * math.pi), math.sin(s * math.pi))),
            "you turn by twice as much: at share 1 this is minus `first`.",
        ),
        Mistake(
            _turned(lambda s: ((1 - s) ** 0.5, s**0.5)),
            "the variance is right, and this would do. But the steps are not even: turn by an "
            "angle, with cosine and sine.",
        ),
        Mistake(
            _turned(lambda s: (math.cos(s), math.sin(s))),
            "you turn by `share` radians. It is `share` of a right angle, pi / 2.",
        ),
        Mistake(
            _turned(lambda s: (math.cos(2 * s * math.pi), math.sin(2 * s * math.pi))),
            "you turn by `share` of the full circle. It is `share` of a right angle, pi / 2.",
        ),
        Mistake(
            _turned(lambda s: (1 - s**2, s**2)),
            "the shares that you squared add up to 1. It is the squares of the two factors "
            "that must.",
        ),
        Mistake(
            _turned(lambda s: ((1 - s) / math.hypot(s, 1 - s), s / math.hypot(s, 1 - s))),
            "the variance is right, and this would do. But the steps are not even: turn by an"
            " angle, with cosine and sine.",
        ),
        Mistake(
            lambda first, second, share: (
                torch.lerp(first, second, share) / torch.lerp(first, second, share).std()
            ),
            "you divide by the standard deviation that you measured: then each draw has exactly "
            "the "
            "standard deviation 1, and noise does not. Turn, with cosine and sine.",
        ),
        Mistake(
            _turned(lambda s: (1.0, s)),
            "the noise becomes too strong: what the second gains, the first must lose.",
        ),
    ],
    hints=[
        "For independent noises a * first + b * second has the variance a^2 + b^2.",
        "cos^2 + sin^2 = 1, whatever the angle.",
        "At angle 0 there is only `first`, at pi / 2 only `second`. Which takes the cosine?",
    ],
    praise="The sum of squares stays 1, so it is standard normal all the way.",
)

drawn_latents = Predict(
    right=9,
    mistakes=[
        Mistake(4, "6 x 6 pixels would fit into 2 x 2 latents, if they began where one does."),
        Mistake(1, "the square touches more than one: pixels 3 to 8 are in several latents."),
        Mistake(36, "these are its pixels. Each latent stands for 4 x 4 of them."),
        Mistake(3, "so many a side: it is a square."),
        Mistake(
            2.25, "this is its area. A latent of which one pixel is masked is drawn as a whole."
        ),
    ],
    hints=[
        "Latent 0 has pixels 0 to 3, latent 1 has 4 to 7. Which pixels has the square, in a row?",
        "Pixels 3 to 8: how many latents have one of them? And in two directions?",
    ],
    praise="144 pixels are drawn to change 36. A square of 8 that begins at pixel 4 draws 64.",
)

WANTED = dict(steps=20, guidance=4.0)  # what the exercise's settings are compared with
FEWER = 2  # prompts that may be lost


@functools.cache
def _pipe():
    return load_pipeline(scores.CHECKPOINTS / "emoji")


def _right_and_calls(settings: dict) -> tuple[int, float]:
    """How many of 24 prompts are drawn right, and how often the U-Net is called for a picture."""
    rows, calls = emoji_prompts.prompts()[2::8][:24], []
    hook = _pipe().unet.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    try:
        generator, how = torch.Generator().manual_seed(0), WANTED | settings
        pictures = text_to_image(_pipe(), [row["prompt"] for row in rows], generator, **how)
    finally:
        hook.remove()
    return sum(emoji_prompts.read(rows, pictures)["all"]), sum(calls) / len(rows)


@functools.cache
def _to_reach() -> int:
    return _right_and_calls(WANTED)[0] - FEWER


def calls_for_a_picture(settings) -> float:
    """The NFE of a picture. Raises ValueError where too few prompts are right."""
    allowed = ("steps", "guidance", "sampler", "interval", "negative")
    if not isinstance(settings, dict) or not {"steps"} <= {*settings} <= {*allowed}:
        raise ValueError("a dict is wanted, with steps and, if you like, " + ", ".join(allowed[1:]))
    right, calls = _right_and_calls(settings)
    if right < _to_reach():
        raise ValueError(
            f"with {calls:g} NFE {right} of 24 prompts are right, {_to_reach()} are wanted."
        )
    return calls


few_calls = Explore(
    score=calls_for_a_picture,
    board={"twenty guided steps": 40, "ten guided steps": 20, "six guided steps": 12, "five": 10},
    higher=False,
    unit=" NFE",
    hints=[
        "Take fewer steps first, of the same sampler.",
        "Large shapes are decided in the first steps. Where is guidance needed, and where is it "
        "waste?",
        "interval=(300, 1000) guides at the noisy times alone: each step below 300 costs one NFE.",
    ],
    praise="Half the NFE is half the time. Look at the pictures, too: classifiers forgive grain.",
)
