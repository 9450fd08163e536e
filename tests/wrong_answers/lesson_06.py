"""Lesson 06: what learners answer, wrong ones with a word that they should read in the reply."""

import math
import random

import torch

from course_utils.built.reverse import posterior, to_x0

WRONG = {
    "waves": [
        ("sines first", lambda t, width: _waves(t, width, "sc")),
        ("half the width", lambda t, width: _waves(t, width, exponent=lambda k: -k / width)),
        (
            "frequency shift",
            lambda t, width: _waves(t, width, exponent=lambda k: -k / (width // 2 - 1)),
        ),
        ("yours rise", lambda t, width: _waves(t, width, exponent=lambda k: 2 * k / width)),
        ("divide the time", lambda t, width: _waves(t / 1000, width)),
        ("these are the right numbers", lambda t, width: _waves(t, width, "interleaved")),
        ("2 pi", lambda t, width: _waves(2 * math.pi * t, width)),
        (
            "k begins at 1 here",
            lambda t, width: _waves(t, width, exponent=lambda k: -(k + 1) / (width // 2)),
        ),
        ("`t` + 1 in the place of", lambda t, width: _waves(t + 1, width)),
        ("only the first half of the result is there", lambda t, width: _waves(t, width, "c")),
        ("these are cosines twice", lambda t, width: _waves(t, width, "cc")),
        ("angles", lambda t, width: _waves(t, width, "a")),
        ("these are the right numbers", lambda t, width: _waves(t, width, dim=0)),
        ("even steps", lambda t, width: _even_frequencies(t, width)),
        ("-`t` in the place of", lambda t, width: _waves(-t, width)),
        ("period", lambda t, width: _waves(t, width, period=1000.0)),
    ],
    "random_times": [
        ("last step, T", lambda T, n, generator: torch.randint(1, T, (n,), generator=generator)),
        ("0..T-1", lambda T, n, generator: torch.randint(T, (n,), generator=generator)),
        ("0..T-2", lambda T, n, generator: torch.randint(0, T - 1, (n,), generator=generator)),
        ("0 is drawn too", lambda T, n, generator: torch.randint(T + 1, (n,), generator=generator)),
        (
            "same time",
            lambda T, n, generator: torch.randint(1, T + 1, (), generator=generator).repeat(n),
        ),
        ("generator does not decide", lambda T, n, generator: torch.randint(1, T + 1, (n,))),
        (
            "generator does not decide",
            lambda T, n, generator: torch.tensor(random.choices(range(1, T + 1), k=n)),
        ),
        ("whole numbers", lambda T, n, generator: 1 + (T - 1) * torch.rand(n, generator=generator)),
        (
            "whole numbers",
            lambda T, n, generator: torch.randint(1, T + 1, (n,), generator=generator).float(),
        ),
        (
            "equally",
            lambda T, n, generator: (
                (1 + (T - 1) * torch.rand(n, generator=generator)).round().long()
            ),
        ),
        ("tensor of n", lambda T, n, generator: torch.randint(1, T + 1, (1,), generator=generator)),
        ("tensor of n", lambda T, n, generator: torch.randint(1, n + 1, (T,), generator=generator)),
        (
            "last step, T",
            lambda T, n, generator: (1 + (T - 1) * torch.rand(n, generator=generator)).long(),
        ),
        (
            "the result should be a tensor of n = 500",
            lambda T, n, generator: _shuffled(T, n, generator),
        ),
        ("generator does not decide", lambda T, n, generator: torch.arange(n) % T + 1),
        (
            "equally",
            lambda T, n, generator: (
                (torch.randn(n, generator=generator).abs() * T / 3).long().clamp(0, T - 1) + 1
            ),
        ),
    ],
    "ema_step": [
        ("exchanged", lambda average, weight, decay: average + decay * (weight - average)),
        ("for ever", lambda average, weight, decay: decay * average + weight),
        ("shrink as well", lambda average, weight, decay: average + (1 - decay) * weight),
        ("ignores decay", lambda average, weight, decay: torch.stack([average, weight]).mean(0)),
        ("this is `weight` itself", lambda average, weight, decay: weight),
        (
            "`decay` makes no difference here",
            lambda average, weight, decay: 0.9 * average + 0.1 * weight,
        ),
        ("sign", lambda average, weight, decay: average - (1 - decay) * (weight - average)),
        ("`weight` makes no difference here", lambda average, weight, decay: decay * average),
        ("weight of `average` is 1", lambda average, weight, decay: average + decay * weight),
        ("this is `average` itself", lambda average, weight, decay: average.clone()),
        (
            "weight of `average` is the square root of",
            lambda average, weight, decay: decay**0.5 * average + (1 - decay) ** 0.5 * weight,
        ),
        ("in place", lambda average, weight, decay: average.lerp_(weight, 1 - decay)),
        (
            "in place",
            lambda average, weight, decay: average.mul_(decay).add_(weight, alpha=1 - decay),
        ),
        (
            "in place",
            lambda average, weight, decay: _in_place_without_return(average, weight, decay),
        ),
    ],
    "v_target": [
        ("this is xt", lambda x0, eps, a: a**0.5 * x0 + (1 - a) ** 0.5 * eps),
        ("sign", lambda x0, eps, a: (1 - a) ** 0.5 * x0 - a**0.5 * eps),
        ("roots are missing", lambda x0, eps, a: a * eps - (1 - a) * x0),
        ("exchanged", lambda x0, eps, a: (1 - a) ** 0.5 * eps - a**0.5 * x0),
        ("-`x0` in the place of", lambda x0, eps, a: a**0.5 * eps + (1 - a) ** 0.5 * x0),
        ("exchanged", lambda x0, eps, a: a**0.5 * x0 - (1 - a) ** 0.5 * eps),
        ("flow matching", lambda x0, eps, a: eps - x0),
        ("weight of `x0` is not right", lambda x0, eps, a: a**0.5 * eps - (1 - a**0.5) * x0),
        ("this is `eps` itself", lambda x0, eps, a: eps),
        (
            "you put xt where x0 belongs",
            lambda x0, eps, a: a**0.5 * eps - (1 - a) ** 0.5 * (a**0.5 * x0 + (1 - a) ** 0.5 * eps),
        ),
        ("`x0` makes no difference here", lambda x0, eps, a: a**0.5 * eps),
    ],
    "ancestral_step": [
        ("not clamped", lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule, clamp=None)),
        (
            "its square root",
            lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule, power=1),
        ),
        ("added as it is", lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule, power=0)),
        ("mean alone", lambda xt, eps, z, t, schedule: _step(xt, eps, 0 * z, t, schedule)),
        (
            "this is the estimate",
            lambda xt, eps, z, t, schedule: to_x0("eps", eps, xt, t, schedule).clip(-1, 1),
        ),
        (
            "this is the estimate",
            lambda xt, eps, z, t, schedule: to_x0("eps", eps, xt, t, schedule),
        ),
        ("[0, 1]", lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule, clamp=(0, 1))),
        (
            "clamp x0",
            lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule, clamp=None).clamp(-1, 1),
        ),
        ("clamp x0", lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule).clamp(-1, 1)),
        ("beta", lambda xt, eps, z, t, schedule: _with_beta(xt, eps, z, t, schedule)),
        (
            "you take eps for the picture",
            lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule, kind="x0"),
        ),
        (
            "you take eps for v",
            lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule, kind="v"),
        ),
        ("exchanged", lambda xt, eps, z, t, schedule: _exchanged(xt, eps, z, t, schedule)),
        (None, lambda xt, eps, z, t, schedule: _step(xt, eps, z, t, schedule, clamp="tanh")),
        ("-`z` in the place of", lambda xt, eps, z, t, schedule: _step(xt, eps, -z, t, schedule)),
        (
            "`t` - 1 in the place of",
            lambda xt, eps, z, t, schedule: _step(xt, eps, z, t - 1, schedule),
        ),
        (
            "mean alone",
            lambda xt, eps, z, t, schedule: posterior(
                to_x0("eps", eps, xt, t, schedule).clamp(-1, 1), xt, t, schedule
            )[0],
        ),
        (
            None,
            lambda xt, eps, z, t, schedule: posterior(
                to_x0("eps", eps, xt, t, schedule).clamp(-1, 1), xt, t, schedule
            ),
        ),
    ],
}


def _waves(t, width, which="cs", exponent=None, period=10_000.0, dim=1):
    k = torch.arange(width // 2)
    exponent = exponent or (lambda k: -2 * k / width)
    angle = t[:, None] * period ** exponent(k)
    if which == "interleaved":
        return torch.stack([angle.cos(), angle.sin()], dim=2).flatten(1)
    made = {"c": angle.cos, "s": angle.sin, "a": lambda: angle}
    return torch.cat([made[letter]() for letter in which], dim=dim)


def _even_frequencies(t, width):
    angle = t[:, None] * torch.linspace(1, 1e-4, width // 2)
    return torch.cat([angle.cos(), angle.sin()], 1)


def _shuffled(T, n, generator):
    """Times that are drawn without replacement."""
    return torch.stack([torch.randperm(T, generator=generator) + 1 for _ in range(n)])[:, 0][:T]


def _in_place_without_return(average, weight, decay):
    average.lerp_(weight, 1 - decay)


def _step(xt, eps, z, t, schedule, clamp=(-1, 1), power=0.5, kind="eps"):
    x0 = to_x0(kind, eps, xt, t, schedule)
    if clamp:
        x0 = x0.tanh() if clamp == "tanh" else x0.clamp(*clamp)
    mean, variance = posterior(x0, xt, t, schedule)
    return mean + variance**power * z


def _with_beta(xt, eps, z, t, schedule):
    mean, _ = posterior(to_x0("eps", eps, xt, t, schedule).clamp(-1, 1), xt, t, schedule)
    return mean + schedule.beta[t].float().sqrt() * z * (t > 1)


def _exchanged(xt, eps, z, t, schedule):
    mean, variance = posterior(xt, to_x0("eps", eps, xt, t, schedule).clamp(-1, 1), t, schedule)
    return mean + variance.sqrt() * z


def _wave_by_wave(t, width):
    rows = [
        [
            f(time * 10_000 ** (-2 * k / width))
            for f in (math.cos, math.sin)
            for k in range(width // 2)
        ]
        for time in t.tolist()
    ]
    return torch.tensor(rows, dtype=torch.float64)


def _turning_numbers(t, width):
    turning = torch.exp(1j * t[:, None] * 10_000 ** (-torch.arange(0, width, 2) / width))
    return torch.view_as_real(turning).transpose(1, 2).reshape(len(t), width)


def _by_hand(xt, eps, z, t, schedule):
    a, p, beta = (
        float(x) for x in (schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t])
    )
    x0 = torch.clip((xt.double() - math.sqrt(1 - a) * eps) / math.sqrt(a), -1, 1)
    mean = (math.sqrt(p) * beta * x0 + math.sqrt(1 - beta) * (1 - p) * xt) / (1 - a)
    return mean if t == 1 else mean + math.sqrt((1 - p) / (1 - a) * beta) * z


def _pictures_alone(xt, eps, z, t, schedule):
    parts = [
        _step(xt[i : i + 1], eps[i : i + 1], z[i : i + 1], t, schedule) for i in range(len(xt))
    ]
    return torch.cat(parts)


RIGHT = {
    "waves": [_wave_by_wave, _turning_numbers],
    "random_times": [
        lambda T, n, generator: (T * torch.rand(n, generator=generator)).long() + 1,
        lambda T, n, generator: (
            torch.stack([torch.randint(T, (), generator=generator) for _ in range(n)]).int() + 1
        ),
        lambda T, n, generator: torch.multinomial(torch.ones(T), n, True, generator=generator) + 1,
    ],
    "ema_step": [
        lambda average, weight, decay: average.lerp(weight, 1 - decay),
        lambda average, weight, decay: weight.double() + decay * (average.double() - weight),
        lambda average, weight, decay: average - (1 - decay) * (average - weight),
    ],
    "v_target": [
        lambda x0, eps, a: math.cos(math.acos(a**0.5)) * eps - math.sin(math.acos(a**0.5)) * x0,
        lambda x0, eps, a: (eps - (1 - a) ** 0.5 * (a**0.5 * x0 + (1 - a) ** 0.5 * eps)) / a**0.5,
    ],
    "ancestral_step": [_by_hand, _pictures_alone],
}
