"""A doctor for diffusion code: it watches a learner's own functions at work, and says what it saw.

No test rests on how well a model draws: each looks at numbers that are right or wrong from the
first step on. A bug that changes none of these numbers is not found.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from course_utils.built.schedule import NoiseSchedule

ACTIVATIONS = {"relu", "relu_", "silu", "gelu", "tanh", "sigmoid", "leaky_relu", "hardtanh"}
ACTIVATIONS |= {"softplus", "exp", "abs", "square"}


class Finding(NamedTuple):
    """One test: its name, whether it is well (None: not looked at), and what was seen."""

    test: str
    well: bool | None
    saw: str


@dataclass
class Patient:
    """What `diagnose` was given, as its tests take it."""

    model: nn.Module
    loss: Callable[..., Tensor]
    sampler: Callable[[Callable, Tensor, torch.Generator], Tensor]
    data: tuple[Tensor, ...]
    schedule: NoiseSchedule
    guide: Callable[[Tensor, Tensor, float], Tensor] | None
    null: Tensor | float | None
    ema: nn.Module | None


class Calls:
    """A stand-in for a network: it notes the arguments of each call, and does as the network."""

    def __init__(self, model: Callable, before: Callable[[int], None] = lambda number: None):
        self.model, self.before, self.seen = model, before, []

    def __call__(self, x: Tensor, t: Tensor, *cond: Tensor | None, **named: Tensor | None):
        self.before(len(self.seen))
        self.seen.append((x, t, next(iter([*cond, *named.values()]), None)))
        return self.model(x, t, *cond, **named)

    def __getattr__(self, name: str):
        return getattr(self.model, name)


@dataclass
class Watch(TorchFunctionMode):
    """Notes the largest angle of a sine or cosine, and what came out of activations."""

    angle: float | None = None
    activated: dict[int, tuple[str, Tensor]] = field(default_factory=dict)

    def __post_init__(self):
        super().__init__()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in ("sin", "cos"):
            self.angle = max(self.angle or 0.0, float(args[0].abs().max()))
        if name in ACTIVATIONS:
            self.activated[id(result)] = name, result  # kept, so that no id comes twice
        return result


def diagnose(
    model: nn.Module,
    loss: Callable[..., Tensor],
    sampler: Callable[[Callable, Tensor, torch.Generator], Tensor],
    data: tuple[Tensor, ...],
    *,
    schedule: NoiseSchedule,
    guide: Callable[[Tensor, Tensor, float], Tensor] | None = None,
    null: Tensor | float | None = None,
    ema: nn.Module | None = None,
) -> list[Finding]:
    """Twelve tests of the parts of a diffusion model; a sentence each, in the order of training.

    model(x, t, cond) is the network, t counted 0, 1, ..., T - 1. loss(model, *batch, generator) is
    what was trained on, as for `train`. data: tensors of equal length, pictures first, then the
    conditioning if there is one. sampler(model, x, generator) makes pictures of the noise x.
    guide(uncond, cond, w): the guidance. null: the conditioning that says nothing. ema: the average
    of the weights, after training. Nothing is changed but torch's global seed, which is put back.
    """
    patient = Patient(model, loss, sampler, data, schedule, guide, null, ema)
    was_training = model.training
    model.eval()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            return [test(patient) for test in TESTS]
    finally:
        model.train(was_training)


def report(findings: list[Finding]) -> str:
    """The findings as text, one line each."""
    signs = {True: "well ", False: "ILL  ", None: "?    "}
    return "\n".join(f"{signs[f.well]} {f.test}: {f.saw}" for f in findings)


def _seeded(number: int) -> torch.Generator:
    torch.manual_seed(number)  # for code that draws without a generator
    return torch.Generator().manual_seed(number)


def _batch(patient: Patient, number: int) -> list[Tensor]:
    chosen = torch.arange(number) % len(patient.data[0])
    return [tensor[chosen] for tensor in patient.data]


class Nothing(nn.Module):
    """A network that predicts 0, at no cost: for tests that only look at what goes in."""

    def forward(self, x: Tensor, t: Tensor, *cond: Tensor | None, **named: Tensor | None) -> Tensor:
        return torch.zeros_like(x)


class Hollow(Calls):
    """`Calls` of `Nothing`, with the attributes of the true network."""

    def __init__(self, model: nn.Module, before: Callable[[int], None] = lambda number: None):
        super().__init__(model, before)
        self.run = Nothing()

    def __call__(self, x: Tensor, t: Tensor, *cond: Tensor | None, **named: Tensor | None):
        self.before(len(self.seen))
        self.seen.append((x, t, next(iter([*cond, *named.values()]), None)))
        return self.run(x, t, *cond, **named)


def noised(patient: Patient) -> tuple[Tensor, Tensor, Tensor]:
    """What training shows the network: t, the picture's factor there, and the noise as added.

    The loss is called with grey 0 pictures and with white ones and the same seed: the difference is
    the picture's factor, and what grey 0 becomes is the noise.
    """
    seen = []
    for value in (0.0, 1.0):
        pictures, *rest = _batch(patient, 512)
        network = Hollow(patient.model)
        patient.loss(network, torch.full_like(pictures, value), *rest, _seeded(0))
        seen.append(network.seen[0])
    (noise, t, _), (mixed, _, _) = seen
    return t.flatten().float().cpu(), (mixed - noise).flatten(1).mean(1), noise.flatten(1)


def data_range(patient: Patient) -> Finding:
    low, high = (float(f(patient.data[0])) for f in (torch.min, torch.max))
    saw = f"the pictures lie between {low:.2f} and {high:.2f}"
    well = low < -0.05 and high <= 20
    return Finding("range of the data", well, saw + ("" if well else "; a network wants [-1, 1]"))


def variance(patient: Patient) -> Finding:
    t, signal, noise = noised(patient)
    total = (signal**2 + noise.var(1))[t.expand(len(signal)).argsort()]
    total = total.reshape(32, -1).mean(1)  # neighbours in t: small pictures have few numbers
    off = float((total - 1).abs().quantile(0.9))  # at most t a forgotten root does not show
    saw = f"at nine of ten t, signal^2 + noise variance is at most {off:.2f} off 1"
    well = off < 0.15
    why = "" if well else ": a root is missing, or the variance of the noise is not 1"
    return Finding("variance of x_t", well, saw + why)


def gaussian(patient: Patient) -> Finding:
    _, _, noise = noised(patient)
    noise = noise[noise.std(1) > 1e-6]
    z = ((noise - noise.mean(1, keepdim=True)) / noise.std(1, keepdim=True)).flatten()
    kurtosis, shift = float((z**4).mean()), float((noise.mean(1) / noise.std(1)).mean().abs())
    saw = f"the noise has kurtosis {kurtosis:.1f} (Gaussian 3, uniform 1.8), mean {shift:.2f} std"
    return Finding("shape of the noise", abs(kurtosis - 3) < 0.4 and shift < 0.1, saw)


def shift_of_t(patient: Patient) -> tuple[int, float]:
    """By how many steps the noise is off the t that the network is told; and how badly that fits.

    The second is the mean error of the picture's factor, if the noise is that of the best shift.
    """
    t, signal, _ = noised(patient)
    root = patient.schedule.signal.float()
    off = {}
    for shift in (-1, 0, 1):  # the network's t = 0 is the schedule's 1
        index = (t.round().long() + 1 + shift).clamp(0, patient.schedule.T)
        off[shift] = float((signal - root[index]).abs().mean())
    best = min(off, key=off.get)
    return best, off[best]


def time_at_training(patient: Patient) -> Finding:
    best, off = shift_of_t(patient)
    if off > 0.02:
        saw = f"x_t does not follow this schedule at any count of t (off by {off:.2f})"
        return Finding("t at training", None, saw)
    saw = "the network is told the t whose noise it sees"
    if best:
        saw = f"the network sees the noise of step {best:+d} from the t it is told"
    return Finding("t at training", best == 0, saw)


def fastest_wave(patient: Patient) -> float | None:
    """The largest angle of a sine in the network, at the largest t that training shows it.

    None where there is no sine.
    """
    last = noised(patient)[0].max().item()
    with Watch() as watch:
        look(patient, t=int(last) if last.is_integer() else last)
    return watch.angle


def time_embedding(patient: Patient) -> Finding:
    angle = fastest_wave(patient)
    if angle is None:
        return Finding("waves of t", None, "there is no sine of t in this network")
    well = angle > 6.3
    saw = f"at the last t the fastest wave is at angle {angle:.1f}"
    return Finding(
        "waves of t", well, saw + ("" if well else ": less than one turn; t should count to T")
    )


def look(patient: Patient, t: float, model: nn.Module | None = None, dtype=None) -> Tensor:
    """The network's prediction for two pictures of pure noise."""
    pictures, *rest = _batch(patient, 2)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(pictures.shape, generator=generator).to(pictures.device, dtype)
    cond = [c.to(dtype) if c.is_floating_point() else c for c in rest]
    return (model or patient.model)(x, torch.full((2,), t, device=x.device), *cond)


def last_layer(patient: Patient) -> Finding:
    with Watch() as watch:
        out = look(patient, patient.schedule.T // 2)
    name = watch.activated.get(id(out), (None,))[0]
    if name is None and float(out.min()) == 0:  # an untrained network may be above 0 by chance
        name = "something that lets no negative number through"
    saw = "nothing stands behind the last layer"
    return Finding("last layer", name is None, f"the last thing is {name}" if name else saw)


def difference_of_two(patient: Patient) -> float:
    """By how much two outputs differ at most, the input being the same."""
    outs = []
    for number in (1, 2):
        torch.manual_seed(number)
        outs.append(look(patient, patient.schedule.T // 2))
    return float((outs[0] - outs[1]).abs().max())


def same_twice(patient: Patient) -> Finding:
    off = difference_of_two(patient)
    saw = f"the same input twice gives outputs that differ by {off:.2g}"
    return Finding("same twice", off < 1e-4, saw + ("" if off < 1e-4 else ": a layer is made anew"))


def last_noise(patient: Patient) -> float:
    """How much noise comes into the picture after the network's last word: a mean difference."""
    shape = (2, *patient.data[0].shape[1:])
    start = torch.randn(shape, generator=torch.Generator().manual_seed(4))

    def run(last: int | None, seed: int) -> tuple[Tensor, int]:
        generator = _seeded(0)

        def before(number: int) -> None:
            if number == last:  # from here on other noise: does the picture notice?
                generator.manual_seed(seed)
                torch.manual_seed(seed)

        network = Hollow(patient.model, before)
        return patient.sampler(network, start.clone(), generator), len(network.seen)

    calls = run(None, 0)[1]
    one, other = (run(calls - 1, seed)[0] for seed in (1, 2))
    return float((one - other).abs().mean())


def last_step(patient: Patient) -> Finding:
    off = last_noise(patient)
    saw = "no noise is added after the network's last word"
    return Finding("last step", off < 1e-6, f"noise of {off:.2g} is added" if off >= 1e-6 else saw)


def guidance(patient: Patient) -> Finding:
    if patient.guide is None:
        return Finding("guidance", None, "there is none")
    uncond, cond = torch.randn(2, 1, 1, 4, 4, generator=torch.Generator().manual_seed(5))
    wanted = {w: uncond + w * (cond - uncond) for w in (0.0, 1.0, 3.0)}
    off = [w for w in wanted if not torch.allclose(patient.guide(uncond, cond, w), wanted[w])]
    saw = "w = 0 is unconditional, 1 conditional, 3 beyond it"
    return Finding("guidance", not off, f"wrong at w = {off}: sign, or twice?" if off else saw)


def share_of_null(patient: Patient) -> float:
    """Which share of the network's inputs in training has the conditioning that says nothing."""
    seen = 0.0
    network = Hollow(patient.model)
    patient.loss(network, *_batch(patient, 512), _seeded(6))
    for _, _, cond in network.seen:
        if cond is None:
            seen += 1
        elif patient.null is not None:
            same = cond == torch.as_tensor(patient.null).to(cond)
            seen += float(same.reshape(len(cond), -1).all(1).float().mean())
    return seen / len(network.seen)


def null_trained(patient: Patient) -> Finding:
    if len(patient.data) < 2:
        return Finding("null conditioning", None, "the network has no conditioning")
    share = share_of_null(patient)
    return Finding("null conditioning", share > 0, f"{share:.0%} of training shows the null one")


def half_precision(patient: Patient) -> Finding:
    half = copy.deepcopy(patient.model).half()

    def seen(model: nn.Module, dtype: torch.dtype | None = None) -> Tensor:
        torch.manual_seed(8)
        return torch.stack([look(patient, t, model, dtype) for t in (0, patient.schedule.T - 1)])

    try:
        outs = seen(half, torch.float16).float()
    except (RuntimeError, ValueError, NotImplementedError) as error:
        return Finding("half precision", None, f"it does not run: {str(error)[:60]}")
    broken = int((~outs.isfinite()).sum())
    if broken:
        return Finding("half precision", False, f"{broken} numbers are nan or infinite")
    # An overflow that is cut off later leaves no trace but a wrong answer.
    full = seen(patient.model).float()
    off = float((outs - full).abs().mean() / full.std())
    saw = f"it changes the output by {off:.1%}"
    return Finding("half precision", off < 0.1, saw + ("" if off < 0.1 else ": what overflows?"))


def average(patient: Patient) -> Finding:
    if patient.ema is None:
        return Finding("EMA", None, "there is none")
    losses = []
    for model in (patient.model, patient.ema):
        losses.append(float(patient.loss(model, *_batch(patient, 64), _seeded(7))))
    well = losses[1] < 2 * losses[0]
    saw = f"loss {losses[0]:.3f} with the weights, {losses[1]:.3f} with their average"
    return Finding("EMA", well, saw + ("" if well else ": was it updated?"))


TESTS = (
    *(data_range, variance, gaussian, time_at_training, time_embedding, last_layer),
    *(same_twice, last_step, guidance, average, null_trained, half_precision),
)
"""The doctor's tests, in the order of `diagnose`'s findings."""
