"""Lesson 04: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "forward_jump": [
        ("amplitude is its square root", lambda x0, eps, a: _jump(x0, eps, a, 1, 0.5)),
        ("standard deviation", lambda x0, eps, a: _jump(x0, eps, a, 0.5, 1)),
        ("both square roots", lambda x0, eps, a: _jump(x0, eps, a, 1, 1)),
        ("variances add up", lambda x0, eps, a: _four(a).sqrt() * x0 + (1 - _four(a).sqrt()) * eps),
        ("columns", lambda x0, eps, a: a.sqrt() * x0 + (1 - a).sqrt() * eps),
        ("columns", lambda x0, eps, a: a[None, :].sqrt() * x0 + (1 - a[None, :]).sqrt() * eps),
        ("rows", lambda x0, eps, a: a[:, None].sqrt() * x0 + (1 - a[:, None]).sqrt() * eps),
        ("channels", lambda x0, eps, a: _jump(x0, eps, a[:, None, None])),
        ("1 - `a` in the place of", lambda x0, eps, a: _jump(eps, x0, a)),
        ("1 - `a` in the place of", lambda x0, eps, a: _jump(x0, eps, 1 - a)),
        ("the first of the `a` in the place of", lambda x0, eps, a: _jump(x0, eps, a[:1])),
        (
            "the first of the `a` in the place of",
            lambda x0, eps, a: a[0].sqrt() * x0 + (1 - a[0]).sqrt() * eps,
        ),
        ("the mean of `a` in the place of", lambda x0, eps, a: _jump(x0, eps, a.mean())),
        ("-`eps` in the place of", lambda x0, eps, a: _jump(x0, -eps, a)),
        ("0 in the place of", lambda x0, eps, a: _four(a).sqrt() * x0),
        ("weight of `x0` is 1", lambda x0, eps, a: x0 + (1 - _four(a)).sqrt() * eps),
        (None, lambda x0, eps, a: _jump(x0, eps, a.reshape(4, 1, 1, 1))),
        ("in place", lambda x0, eps, a: x0.mul_(_four(a).sqrt()) + (1 - _four(a)).sqrt() * eps),
    ],
    "signal_left": [
        ("this is alpha_bar", lambda betas: math.prod(1 - betas)),
        ("multiply those", lambda betas: betas.prod()),
        ("add up the betas", lambda betas: (1 - betas.sum()).clamp(min=0).sqrt()),
        ("last step alone", lambda betas: (1 - betas[-1]) ** 0.5),
        ("noise at the end", lambda betas: (1 - (1 - betas).prod()) ** 0.5),
        ("1 - `betas` in the place of", lambda betas: betas.prod().sqrt()),
        ("1 - `betas` in the place of", lambda betas: betas.sqrt().prod()),
        ("this is what is left after each step", lambda betas: (1 - betas).cumprod(0).sqrt()),
        ("the product over dimension 0 is missing", lambda betas: (1 - betas).sqrt()),
        ("1 - sqrt(beta)", lambda betas: (1 - betas.sqrt()).prod()),
        ("the last step is missing", lambda betas: (1 - betas[:-1]).prod().sqrt()),
        ("the first step is missing", lambda betas: (1 - betas[1:]).prod().sqrt()),
        ("average", lambda betas: (1 - betas).mean().sqrt()),
        ("1 - alpha_bar", lambda betas: 1 - (1 - betas).prod()),
        ("you add the factors", lambda betas: (1 - betas).sqrt().sum()),
        ("in place", lambda betas: betas.neg_().add_(1).prod().sqrt()),
    ],
    "jump_between": [
        ("from the clean picture", lambda xs, eps, s, t: t**0.5 * xs + (1 - t) ** 0.5 * eps),
        ("too much noise", lambda xs, eps, s, t: (t / s) ** 0.5 * xs + (1 - t) ** 0.5 * eps),
        ("fades too", lambda xs, eps, s, t: (t / s) ** 0.5 * xs + (s - t) ** 0.5 * eps),
        ("square roots are missing", lambda xs, eps, s, t: t / s * xs + (1 - t / s) * eps),
        ("weight of `xs` is 1", lambda xs, eps, s, t: xs + (1 - t / s) ** 0.5 * eps),
        ("upside down", lambda xs, eps, s, t: (s / t) ** 0.5 * xs + (s / t - 1) ** 0.5 * eps),
        (
            "weight of `eps` is the square of the",
            lambda xs, eps, s, t: (t / s) ** 0.5 * xs + (1 - t / s) * eps,
        ),
        (
            "weight of `xs` is the square of the",
            lambda xs, eps, s, t: t / s * xs + (1 - t / s) ** 0.5 * eps,
        ),
        (
            "weight of `xs` is the square of the",
            lambda xs, eps, s, t: t / s * xs + (1 - (t / s) ** 2) ** 0.5 * eps,
        ),
        ("0 in the place of", lambda xs, eps, s, t: (t / s) ** 0.5 * xs),
        (
            "1 / `s` in the place of",
            lambda xs, eps, s, t: (s * t) ** 0.5 * xs + (1 - s * t) ** 0.5 * eps,
        ),
        (
            "weight of `eps` is not right",
            lambda xs, eps, s, t: (t / s) ** 0.5 * xs + ((1 - t) ** 0.5 - (1 - s) ** 0.5) * eps,
        ),
        ("difference", lambda xs, eps, s, t: (1 - s + t) ** 0.5 * xs + (s - t) ** 0.5 * eps),
        (
            "-`eps` in the place of",
            lambda xs, eps, s, t: (t / s) ** 0.5 * xs - (1 - t / s) ** 0.5 * eps,
        ),
        ("exchanged", lambda xs, eps, s, t: (t / s) ** 0.5 * eps + (1 - t / s) ** 0.5 * xs),
    ],
    "noise_wins": [
        ("count from 0", lambda betas: int((torch.cumprod(1 - betas, 0) < 0.5).int().argmax())),
        ("amplitude", lambda betas: _first(torch.cumprod(1 - betas, 0).sqrt() < 0.5)),
        ("sqrt(0.5)", lambda betas: _first(torch.cumprod(1 - betas, 0) < 0.5**0.5)),
        ("`betas` makes no difference here", lambda betas: _first(torch.cumprod(1 - betas, 0) < 1)),
        (
            "your steps count from 0",
            lambda betas: int((torch.cumprod(1 - betas, 0) > 0.5).nonzero()[-1]) + 1,
        ),
        (None, lambda betas: _first(betas > 0.5)),
        ("add up", lambda betas: _first(torch.cumsum(betas, 0) > 0.5)),
        ("how many", lambda betas: int((torch.cumprod(1 - betas, 0) < 0.5).sum())),
        ("all steps", lambda betas: (torch.cumprod(1 - betas, 0) < 0.5).nonzero().squeeze() + 1),
        ("too large by 1", lambda betas: _first(torch.cumprod(1 - betas, 0) < 0.5) + 1),
        (None, lambda betas: _snr(betas)[_snr(betas) < 1][0]),
        ("`betas` makes no difference here", lambda betas: _first(torch.cumprod(betas, 0) < 0.5)),
        (None, lambda betas: len(betas) // 4 + 9),
    ],
}


def _four(alpha_bar):
    return alpha_bar.view(-1, 1, 1, 1)


def _jump(x0, eps, alpha_bar, signal=0.5, noise=0.5):
    if alpha_bar.ndim == 1:
        alpha_bar = _four(alpha_bar)
    return alpha_bar**signal * x0 + (1 - alpha_bar) ** noise * eps


def _first(where):
    return int(where.nonzero()[0]) + 1 if where.any() else len(where)


def _snr(betas):
    alpha_bar = torch.cumprod(1 - betas, 0)
    return alpha_bar / (1 - alpha_bar)


def _picture_by_picture(x0, eps, alpha_bar):
    return torch.stack(
        [
            math.sqrt(a) * x + math.sqrt(1 - a) * e
            for x, e, a in zip(x0, eps, alpha_bar.tolist(), strict=True)
        ]
    )


def _einsum(x0, eps, alpha_bar):
    signal, noise = alpha_bar.double().sqrt(), (1 - alpha_bar.double()).sqrt()
    return torch.einsum("n,nchw->nchw", signal, x0.double()) + torch.einsum(
        "n,nchw->nchw", noise, eps.double()
    )


def _batch_last_view(x0, eps, alpha_bar):
    x, e = (torch.moveaxis(tensor, 0, -1) for tensor in (x0, eps))
    return torch.moveaxis(x * alpha_bar**0.5 + e * (1 - alpha_bar) ** 0.5, -1, 0)


def _walk(betas):
    left = 1.0
    for beta in betas.tolist():
        left *= math.sqrt(1 - beta)
    return left


def _count_on(betas):
    signal, t = 1.0, 0
    while signal >= 1 - signal:
        signal *= 1 - float(betas[t])
        t += 1
    return t


RIGHT = {
    "forward_jump": [_picture_by_picture, _einsum, _batch_last_view],
    "signal_left": [_walk, lambda betas: torch.exp(0.5 * torch.log1p(-betas).sum()).float()],
    "jump_between": [
        lambda xs, eps, s, t: (xs * t**0.5 + (s - t) ** 0.5 * eps) / s**0.5,
        lambda xs, eps, s, t: (
            torch.lerp(xs, eps, 0.5) * 0
            + math.cos(math.acos((t / s) ** 0.5)) * xs
            + math.sin(math.acos((t / s) ** 0.5)) * eps.double()
        ),
    ],
    "noise_wins": [
        _count_on,
        lambda betas: (_snr(betas) >= 1).sum() + 1,
        lambda betas: (
            torch.argmax((torch.log1p(-betas).cumsum(0) < math.log(0.5)).int()).item() + 1.0
        ),
    ],
}
