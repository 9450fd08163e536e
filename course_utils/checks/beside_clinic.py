"""The exercises of the clinic, the notebook beside the lessons."""

from dataclasses import dataclass

import torch

from course_utils.built.schedule import NoiseSchedule, at, linear_betas
from course_utils.checks import clinic_signs, ward
from course_utils.checks.engine import NOT_DONE, Mistake, Predict, Repair, Write

_TRUTH = {number: ward.bug_name(number) for number in ward.NUMBERS}


@dataclass(kw_only=True)
class Diagnoses(Predict):
    """A diagnosis for each patient: a dict from their numbers to names of `choices`."""

    def judge(self, answer):
        """What speaks for and against each diagnosis; right when all are."""
        answer = answer() if callable(answer) else answer
        if answer is None or answer is ...:
            return False, NOT_DONE
        if not isinstance(answer, dict):
            return False, "Not yet: this check wants a dict, {1: 'the name of a bug', 2: ..., ...}."
        given = {number: name for number, name in answer.items() if name not in (None, ...)}
        if not given:
            return False, NOT_DONE
        for number, name in given.items():
            if number not in self.right:
                return (
                    False,
                    f"Not yet: there is no patient {number!r}; they are 1 to {len(self.right)}.",
                )
            if name not in self.choices:
                return (
                    False,
                    f"Not yet: for patient {number} choose one of {', '.join(self.choices)}.",
                )
        good = [number for number, name in given.items() if name == self.right[number]]
        if len(good) == len(self.right):
            return True, f"Right. {self.praise}"
        left = len(self.right) - len(given)
        lines = [f"Not yet: {len(good)} of {len(self.right)} are right, {left} open."]
        lines += [self._told(number, name) for number, name in sorted(given.items())]
        lines += [mistake.says for mistake in self.mistakes if mistake.answer == answer]
        return False, "\n".join(lines)

    def outcomes(self, answer):
        return answer

    def _told(self, number: int, name: str) -> str:
        """A patient's line, without a word of what else it could be."""
        if name == self.right[number]:
            return f"{number:2} {name}: right."
        speaks_for, against = clinic_signs.evidence(number, name)
        text = f"{number:2} {name}: no."
        text += f" For it: {'; '.join(speaks_for)}." if speaks_for else " Nothing speaks for it."
        return text + (f" Against it: {'. And '.join(against)}." if against else "")


diagnoses = Diagnoses(
    right=_TRUTH,
    choices=ward.NAMES,
    mistakes=[
        Mistake(
            dict.fromkeys(ward.NUMBERS, "uniform_noise"),
            "The same for all: no two patients have the same bug.",
        ),
        Mistake(
            dict.fromkeys(ward.NUMBERS, "data_in_0_1"),
            "All of them the same? Each bug occurs once.",
        ),
    ],
    hints=[
        "Begin with those who can be told by their pictures: black ones, wrong colours, digits "
        "other than those asked for, and a patient with both good samples and noise.",
        "Then divide the rest by their loss: like the healthy one's, stuck above it, or below it. "
        "Where it is healthy, look at what happens after training (sampler, average, guidance), "
        "and at what training tells the network beside the picture: t and the label.",
        "A few show nothing in their pictures. Ask their code: `admit(number)` has the loss, the "
        "data, the schedule, the sampler. Feed the loss a network that notes what it is given.",
        "Each bug occurs once. What is left when fifteen are named is the sixteenth.",
    ],
    praise="All sixteen. You have met the bugs that public reports are full of.",
)


# --- three that are not in the list -------------------------------------------------------------

_SCHEDULE = NoiseSchedule(linear_betas(1000))


def _pair(noise_of):
    """What a training step shows the network, and what it must find, with noise drawn so."""

    def answer(x0, t, generator, schedule):
        eps = noise_of(x0, generator)
        signal, std = at(schedule.signal, t, x0), at(schedule.noise_std, t, x0)
        return signal * x0 + std * eps, eps

    return answer


def _behaves(answer, seed):
    """Two training steps: is the noise new, Gaussian, its own for each picture, mixed in?"""
    generator = torch.Generator().manual_seed(seed)
    x0 = torch.randn(8, 1, 16, 16, generator=generator)
    t = torch.randint(1, 1001, (8,), generator=generator)
    steps = [answer(x0, t, generator, _SCHEDULE) for _ in range(2)]
    if steps[0] is None or steps[0] is ...:
        return steps[0]
    (xt, eps), (_, other) = steps
    mixed = at(_SCHEDULE.signal, t, x0) * x0 + at(_SCHEDULE.noise_std, t, x0) * eps
    # Rounded: right noise is right whichever numbers it has.
    likeness = torch.corrcoef(torch.stack([eps.flatten(), other.flatten()]))[0, 1]
    among = torch.corrcoef(torch.stack([eps[0].flatten(), eps[1].flatten()]))[0, 1]
    kurtosis = ((eps - eps.mean()) / eps.std()).pow(4).mean()
    return [
        round(abs(likeness.item())),
        round(abs(among.item())),
        round(eps.std().item()),
        round(kurtosis.item()),
        int(torch.allclose(xt, mixed, atol=1e-4)),
    ]


def _reseeded(x0, generator):
    return torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))


fresh_noise = Repair(
    broken=_pair(_reseeded),
    symptom="The loss falls, and yet the samples are noise: something else than digits is learned.",
    right=_pair(lambda x0, generator: torch.randn(x0.shape, generator=generator)),
    cases=lambda: [(1,), (2,)],
    outcome=_behaves,
    measured=True,
    tolerance=0.5,
    mistakes=[
        Mistake(
            _pair(lambda x0, generator: torch.rand(x0.shape, generator=generator)),
            "new at each step, and uniform: `randn`, with an n for normal.",
        ),
        Mistake(
            _pair(
                lambda x0, generator: torch.randn(x0[:1].shape, generator=generator).expand(
                    x0.shape
                )
            ),
            "new at each step, and the same for all pictures of the batch: draw it in x0's shape.",
        ),
    ],
    hints=[
        "Call it twice with the same `generator`. Is the noise of the second call another one?",
        "A generator that is made and seeded inside the function begins anew at each call.",
    ],
    praise="A network that knows the noise by heart has a loss of 0, and has learned nothing.",
)


def _x0(of_xt, of_out):
    return lambda out, xt, signal, noise_std: (
        of_xt(signal, noise_std) * xt + of_out(signal, noise_std) * out
    )


def _three_tensors(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 1, 4, 4, generator=generator) for _ in range(2)]


x0_of_v = Repair(
    broken=_x0(lambda s, n: 1 / s, lambda s, n: -n / s),
    symptom="The network is in good order, and the samples are hard and broken.",
    right=_x0(lambda s, n: s, lambda s, n: -n),
    cases=lambda: [(*_three_tensors(1), 0.8, 0.6), (*_three_tensors(2), 0.28, 0.96)],
    mistakes=[
        Mistake(
            _x0(lambda s, n: s, lambda s, n: n),
            "the sign: v = signal eps - noise_std x0, so x0 = signal xt - noise_std v.",
        ),
        Mistake(
            _x0(lambda s, n: n, lambda s, n: s),
            "that is eps, the noise: noise_std xt + signal v. x0 is wanted.",
        ),
        Mistake(
            lambda out, xt, signal, noise_std: out,
            "you give back what the network says. It says v, and x0 has to be made of it.",
        ),
    ],
    hints=[
        "xt = signal x0 + noise_std eps and v = signal eps - noise_std x0: solve the two for x0.",
        "signal^2 + noise_std^2 = 1: multiply the first by signal, the second by noise_std, and "
        "subtract.",
    ],
    praise="No exception is raised when one kind of prediction is taken for another: write the "
    "kind beside the weights, as diffusers does.",
)


def _product(dtype):
    return lambda betas: torch.cumprod(1 - betas.to(dtype), dim=0).float()


sharp_alpha_bar = Repair(
    broken=_product(torch.bfloat16),
    symptom="The first alpha_bar are exactly 1, and later ones are off by up to a tenth.",
    right=lambda betas: torch.cumprod(1 - betas.double(), dim=0).float(),
    cases=lambda: [(torch.linspace(1e-4, 0.02, 1000),), (torch.linspace(1e-3, 0.01, 300),)],
    tolerance=1e-5,
    mistakes=[
        Mistake(
            _product(torch.float16),
            "float16 has three bits more than bfloat16, and 1 - 0.0001 is still rounded: float32 "
            "at least.",
        ),
        Mistake(
            lambda betas: 1 - torch.cumprod(betas.float(), dim=0),
            "1 minus the product of the betas: take the product of 1 - beta.",
        ),
        Mistake(
            lambda betas: 1 - betas.float().cumsum(0),
            "that is a sum, right for the first few steps alone: each step multiplies.",
        ),
    ],
    hints=[
        "Near 1, bfloat16 knows 1, 0.996, 0.992 and nothing between. What becomes of 1 - 0.0001?",
        "A thousand numbers cost nothing: keep the schedule in float32, or better in float64, and "
        "cast what comes out of it.",
    ],
    praise="The schedule stays sharp: cast its results, never its betas.",
)


# --- a test that would have caught it -----------------------------------------------------------


def _verdict(answer, code):
    """What the learner's test says of a piece of code: True, it is well; an assert says no."""
    try:
        says = answer(code)
    except AssertionError:
        return 0
    return says if says is None or says is ... else int(bool(says))


def _normal(x0, generator):
    return torch.randn(x0.shape, generator=generator)


def _in_place(x0, generator):
    return torch.empty_like(x0).normal_(generator=generator)


def _uniform(x0, generator):
    return torch.rand(x0.shape, generator=generator)


def _one_for_all(x0, generator):
    return torch.randn(x0[:1].shape, generator=generator).expand(x0.shape)


def _scaled_uniform(x0, generator):
    return (torch.rand(x0.shape, generator=generator) - 0.5) * 12**0.5


def _well(noise_of):
    generator = torch.Generator().manual_seed(0)
    x0 = torch.zeros(64, 1, 16, 16)
    one, two = noise_of(x0, generator), noise_of(x0, generator)
    z = (one - one.mean()) / one.std()
    return (
        not torch.equal(one, two)
        and not torch.equal(one[0], one[1])
        and abs(one.mean()) < 0.1
        and abs(one.std() - 1) < 0.1
        and abs((z**4).mean() - 3) < 0.3
    )


def _only(test):
    return lambda noise_of: test(
        noise_of, torch.Generator().manual_seed(0), torch.zeros(64, 1, 16, 16)
    )


noise_test = Write(
    right=_well,
    cases=lambda: [
        (_normal,),
        (_reseeded,),
        (_in_place,),
        (_uniform,),
        (_one_for_all,),
        (_scaled_uniform,),
    ],
    outcome=_verdict,
    measured=True,
    mistakes=[
        Mistake(lambda noise_of: True, "it is content with everything: let it refuse something."),
        Mistake(lambda noise_of: False, "it refuses right code, too: a test has to let that pass."),
        Mistake(
            _only(lambda noise_of, g, x0: abs(noise_of(x0, g).std() - 1) < 0.1),
            "the std alone: noise that is the same at each call has that, too. Call it twice.",
        ),
        Mistake(
            _only(lambda noise_of, g, x0: not torch.equal(noise_of(x0, g), noise_of(x0, g))),
            "it catches noise that comes again, and lets uniform noise pass: look at statistics.",
        ),
    ],
    hints=[
        "Call `noise_of(x0, generator)` twice with one generator. What should differ, and what "
        "should two pictures of one batch have in common?",
        "Mean and std tell `rand` from `randn`, but uniform noise can be stretched to std 1. The "
        "mean of z**4 is 3 for a Gaussian, and 1.8 for that.",
    ],
    praise="It passes the two right pieces of code, and refuses the four broken ones.",
)
