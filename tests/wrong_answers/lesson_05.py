"""Lesson 05: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "posterior_mean": [
        (
            "its square root belongs",
            lambda x0, xt, b, a, p: (p * b * x0 + _r(b) * (1 - p) * xt) / (1 - a),
        ),
        ("at t - 1", lambda x0, xt, b, a, p: (a**0.5 * b * x0 + _r(b) * (1 - p) * xt) / (1 - a)),
        (
            "has alpha where",
            lambda x0, xt, b, a, p: (p**0.5 * b * x0 + (1 - b) * (1 - p) * xt) / (1 - a),
        ),
        ("exchanged", lambda x0, xt, b, a, p: _posterior(xt, x0, b, a, p)),
        ("given x0 alone", lambda x0, xt, b, a, p: p**0.5 * x0),
        (
            "divided by 1 - alpha_bar",
            lambda x0, xt, b, a, p: p**0.5 * b * x0 + _r(b) * (1 - p) * xt,
        ),
        (
            "both weights are divided by sqrt(1 -",
            lambda x0, xt, b, a, p: _posterior(x0, xt, b, a, p) * (1 - a) ** 0.5,
        ),
        (
            "weight of `xt` is not right",
            lambda x0, xt, b, a, p: (p**0.5 * b * x0 + _r(b) * (1 - a) * xt) / (1 - a),
        ),
        (
            "weight of `xt` is not right",
            lambda x0, xt, b, a, p: (p**0.5 * b * x0 + b**0.5 * (1 - p) * xt) / (1 - a),
        ),
        (
            "weight of `x0` is not right",
            lambda x0, xt, b, a, p: (p**0.5 * b**0.5 * x0 + _r(b) * (1 - p) * xt) / (1 - a),
        ),
        (
            "-`xt` in the place of",
            lambda x0, xt, b, a, p: (p**0.5 * b * x0 - _r(b) * (1 - p) * xt) / (1 - a),
        ),
        ("`xt` makes no difference here", lambda x0, xt, b, a, p: p**0.5 * b * x0 / (1 - a)),
        ("exchanged", lambda x0, xt, b, a, p: (a**0.5 * b * x0 + _r(b) * (1 - a) * xt) / (1 - p)),
        (
            "`x0` makes no difference here",
            lambda x0, xt, b, a, p: torch.full_like(xt, (1 - p) / (1 - a) * b),
        ),
    ],
    "x0_from_eps": [
        ("both square roots", lambda xt, eps, a: xt / a - (1 - a) / a * eps),
        ("divide by alpha_bar", lambda xt, eps, a: (xt - (1 - a) ** 0.5 * eps) / a),
        ("that much must be taken", lambda xt, eps, a: (xt - (1 - a) * eps) / a**0.5),
        ("still faded", lambda xt, eps, a: xt - (1 - a) ** 0.5 * eps),
        ("not x0 + eps", lambda xt, eps, a: xt - eps),
        (
            "this is multiplied by `a` once too often",
            lambda xt, eps, a: a**0.5 * (xt - (1 - a) ** 0.5 * eps),
        ),
        ("weight of `xt` is 1", lambda xt, eps, a: xt - (1 - a) ** 0.5 * eps / a**0.5),
        ("weight of `eps` is not right", lambda xt, eps, a: xt / a**0.5 - (1 - a) ** 0.5 * eps),
        ("-`eps` in the place of", lambda xt, eps, a: (xt + (1 - a) ** 0.5 * eps) / a**0.5),
        ("forward", lambda xt, eps, a: a**0.5 * xt + (1 - a) ** 0.5 * eps),
        ("1 - `a` in the place of", lambda xt, eps, a: (xt - a**0.5 * eps) / (1 - a) ** 0.5),
        ("exchanged", lambda xt, eps, a: (eps - (1 - a) ** 0.5 * xt) / a**0.5),
        ("weight of `eps` is not right", lambda xt, eps, a: (xt - (1 - a**0.5) * eps) / a**0.5),
        (
            "the values beyond [-1",
            lambda xt, eps, a: ((xt - (1 - a) ** 0.5 * eps) / a**0.5).clamp(-1, 1),
        ),
        ("in place", lambda xt, eps, a: xt.sub_((1 - a) ** 0.5 * eps) / a**0.5),
    ],
    "eps_from_v": [
        ("this is x0", lambda v, xt, a: a**0.5 * xt - (1 - a) ** 0.5 * v),
        ("sign", lambda v, xt, a: a**0.5 * v - (1 - a) ** 0.5 * xt),
        ("you put xt where", lambda v, xt, a: (v + (1 - a) ** 0.5 * xt) / a**0.5),
        ("square roots are missing", lambda v, xt, a: a * v + (1 - a) * xt),
        ("1 - `a` in the place of", lambda v, xt, a: a**0.5 * xt + (1 - a) ** 0.5 * v),
        ("sign", lambda v, xt, a: -(a**0.5) * v - (1 - a) ** 0.5 * xt),
        ("-`v` in the place of", lambda v, xt, a: (1 - a) ** 0.5 * xt - a**0.5 * v),
        ("this is -x0", lambda v, xt, a: (1 - a) ** 0.5 * v - a**0.5 * xt),
        ("xt", lambda v, xt, a: v / a**0.5),
        ("this is `v` itself", lambda v, xt, a: v),
        ("weight of `xt` is wrong", lambda v, xt, a: a**0.5 * v + (1 - a**0.5) * xt),
    ],
    "score_from_eps": [
        ("sign", lambda eps, a: eps / (1 - a) ** 0.5),
        ("variance of the noise", lambda eps, a: eps / (a - 1)),
        ("its length", lambda eps, a: eps.neg()),
        ("divide", lambda eps, a: -((1 - a) ** 0.5) * eps),
        ("1 - `a` in the place of", lambda eps, a: -eps / a**0.5),
        ("you divide by alpha_bar", lambda eps, a: -eps / a),
        ("sign", lambda eps, a: eps / (1 - a)),
        ("1 - sqrt", lambda eps, a: -eps / (1 - a**0.5)),
        ("this is `eps` itself", lambda eps, a: eps),
        ("you multiply by the variance of the noise", lambda eps, a: -(1 - a) * eps),
        ("in place", lambda eps, a: eps.neg_() / (1 - a) ** 0.5),
    ],
    "reverse_step": [
        ("last step too", lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + b**0.5 * z),
        ("its variance", lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + b * z * (t > 1)),
        ("mean alone", lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a)),
        (
            "as if eps were",
            lambda xt, eps, z, t, b, a: (xt - b**0.5 * eps) / _r(b) + b**0.5 * z * (t > 1),
        ),
        (
            "divide the mean",
            lambda xt, eps, z, t, b, a: _r(b) * _mean(xt, eps, b, a) + b**0.5 * z * (t > 1),
        ),
        ("at t = 1", lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + b**0.5 * z * (t > 0)),
        (
            "`t` / 2 in the place of",
            lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + b**0.5 * z * (t > 2),
        ),
        (
            "weight of `z` is not right",
            lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + b**0.5 * z * (t == 1),
        ),
        (
            "weight of `z` is not right",
            lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + z * (t > 1),
        ),
        (
            "weight of `eps` is not right",
            lambda xt, eps, z, t, b, a: (xt - b / (1 - a) * eps) / _r(b) + b**0.5 * z * (t > 1),
        ),
        (
            "weight of `xt` is the square of the",
            lambda xt, eps, z, t, b, a: (
                (xt - b / (1 - a) ** 0.5 * eps) / (1 - b) + b**0.5 * z * (t > 1)
            ),
        ),
        (
            "sqrt(alpha_bar)",
            lambda xt, eps, z, t, b, a: (
                (xt - b / (1 - a) ** 0.5 * eps) / a**0.5 + b**0.5 * z * (t > 1)
            ),
        ),
        (
            "multiply",
            lambda xt, eps, z, t, b, a: (
                (xt - b / (1 - a) ** 0.5 * eps) * _r(b) + b**0.5 * z * (t > 1)
            ),
        ),
        ("estimate of x0", lambda xt, eps, z, t, b, a: (xt - (1 - a) ** 0.5 * eps) / a**0.5),
        (
            "-`eps` in the place of",
            lambda xt, eps, z, t, b, a: _mean(xt, -eps, b, a) + b**0.5 * z * (t > 1),
        ),
        (
            "weight of `z` is not right",
            lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + b**0.5 / _r(b) * z * (t > 1),
        ),
        (
            "weight of `z` is not right",
            lambda xt, eps, z, t, b, a: _mean(xt, eps, b, a) + (1 - a) ** 0.5 * z * (t > 1),
        ),
        (
            "in place",
            lambda xt, eps, z, t, b, a: xt.copy_(_mean(xt, eps, b, a) + b**0.5 * z * (t > 1)),
        ),
    ],
}


def _r(beta):
    return (1 - beta) ** 0.5


def _posterior(x0, xt, beta, alpha_bar, before):
    return (before**0.5 * beta * x0 + _r(beta) * (1 - before) * xt) / (1 - alpha_bar)


def _mean(xt, eps, beta, alpha_bar):
    return (xt - beta / (1 - alpha_bar) ** 0.5 * eps) / _r(beta)


def _by_precisions(x0, xt, beta, alpha_bar, before):
    """The product of two normal densities: precisions add, means are weighted by them."""
    forward, prior = (1 - beta) / beta, 1 / (1 - before)
    return (forward * xt / _r(beta) + prior * before**0.5 * x0) / (forward + prior)


def _turned_back(v, xt, alpha_bar):
    angle = math.acos(math.sqrt(alpha_bar))
    rotation = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    return torch.einsum("k,k...->...", rotation, torch.stack([v, xt]).double())


def _by_slope(eps, alpha_bar):
    """Differentiated by torch: the slope of the log-density at a point whose noise is eps."""
    noise = (1 - alpha_bar) ** 0.5
    xt = (noise * eps).requires_grad_()
    (-(xt**2).sum() / (2 * (1 - alpha_bar))).backward()
    return xt.grad


def _through_x0(xt, eps, z, t, beta, alpha_bar):
    before = alpha_bar / (1 - beta)
    x0 = (xt - math.sqrt(1 - alpha_bar) * eps) / math.sqrt(alpha_bar)
    mean = _by_precisions(x0, xt, beta, alpha_bar, before) if before < 1 - 1e-9 else x0
    return mean if t == 1 else torch.add(mean, z, alpha=math.sqrt(beta))


RIGHT = {
    "posterior_mean": [
        _by_precisions,
        lambda x0, xt, b, a, p: (
            torch.stack([x0, xt], -1).double()
            @ torch.tensor([p**0.5 * b, _r(b) * (1 - p)], dtype=torch.float64)
            / (1 - a)
        ),
    ],
    "x0_from_eps": [
        lambda xt, eps, a: xt / a**0.5 - (1 / a - 1) ** 0.5 * eps,
        lambda xt, eps, a: (xt.numpy() - math.sqrt(1 - a) * eps.numpy()) / math.sqrt(a),
    ],
    "eps_from_v": [
        _turned_back,
        lambda v, xt, a: (xt - a**0.5 * (a**0.5 * xt - (1 - a) ** 0.5 * v)) / (1 - a) ** 0.5,
    ],
    "score_from_eps": [_by_slope, lambda eps, a: eps.div(-math.sqrt(1 - a)).mT.contiguous().mT],
    "reverse_step": [
        _through_x0,
        lambda xt, eps, z, t, b, a: (
            xt / _r(b) - b / (_r(b) * (1 - a) ** 0.5) * eps + (t != 1) * b**0.5 * z
        ),
    ],
}
