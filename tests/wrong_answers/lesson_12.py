"""Lesson 12: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "draw_latents": [
        ("by the variance", lambda mean, log_var, noise: mean + torch.exp(log_var) * noise),
        ("undo it with exp", lambda mean, log_var, noise: mean + log_var * noise),
        (
            "one exp too many",
            lambda mean, log_var, noise: mean + log_var.exp().exp().sqrt() * noise,
        ),
        ("belongs to the noise", lambda mean, log_var, noise: (log_var / 2).exp() * mean + noise),
        ("nothing is drawn", lambda mean, log_var, noise: mean.clone()),
        ("undo it with exp", lambda mean, log_var, noise: mean + log_var / 2 * noise),
        (
            "the deviation belongs to the noise; the",
            lambda mean, log_var, noise: noise + (log_var / 2).exp() * mean,
        ),
        ("-`log_var`", lambda mean, log_var, noise: mean + (-log_var / 2).exp() * noise),
        ("-`noise`", lambda mean, log_var, noise: mean - (log_var / 2).exp() * noise),
        (
            "`mean` makes no difference here",
            lambda mean, log_var, noise: (log_var / 2).exp() * noise,
        ),
        ("undo it with exp", lambda mean, log_var, noise: mean + log_var.abs().sqrt() * noise),
        ("root", lambda mean, log_var, noise: mean + log_var.exp() ** 2 * noise),
        (
            "give different results",
            lambda mean, log_var, noise: torch.normal(mean, (log_var / 2).exp()),
        ),
        (
            "give different results",
            lambda mean, log_var, noise: mean + (log_var / 2).exp() * torch.randn_like(mean),
        ),
        (
            "`noise` makes no difference here",
            lambda mean, log_var, noise: mean + (log_var / 2).exp(),
        ),
        ("the deviation is added", lambda mean, log_var, noise: mean + (log_var / 2).exp() + noise),
        (
            "you multiply the noise by the variance",
            lambda mean, log_var, noise: mean + (2 * log_var / 2).exp() ** 1 * noise + 0,
        ),
        ("in place", lambda mean, log_var, noise: mean.add_((log_var / 2).exp() * noise)),
        ("learn", lambda mean, log_var, noise: (mean + (log_var / 2).exp() * noise).detach()),
    ],
    "kl_of_picture": [
        (
            "sign",
            lambda mean, log_var: 0.5 * (1 + log_var - mean**2 - log_var.exp()).sum((1, 2, 3)),
        ),
        ("one half", lambda mean, log_var: (mean**2 + log_var.exp() - 1 - log_var).sum((1, 2, 3))),
        ("add up", lambda mean, log_var: 0.5 * _terms(mean, log_var).mean((1, 2, 3))),
        ("whole batch", lambda mean, log_var: 0.5 * _terms(mean, log_var).sum()),
        (
            "are exchanged",
            lambda mean, log_var: 0.5 * (mean**2 + log_var - 1 - log_var.exp()).sum((1, 2, 3)),
        ),
        (
            "- 1 is missing",
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - log_var).sum((1, 2, 3)),
        ),
        (
            "this is one number",
            lambda mean, log_var: 0.5 * _terms(mean, log_var).sum((1, 2, 3)).mean(),
        ),
        ("square", lambda mean, log_var: 0.5 * (mean + log_var.exp() - 1 - log_var).sum((1, 2, 3))),
        (
            "you put the standard deviation in",
            lambda mean, log_var: (
                0.5 * (mean**2 + (log_var / 2).exp() - 1 - log_var).sum((1, 2, 3))
            ),
        ),
        (
            "logarithm",
            lambda mean, log_var: (
                0.5 * (mean**2 + log_var.exp() - 1 - log_var.abs().log()).sum((1, 2, 3))
            ),
        ),
        (
            "the sum over dimensions 1 and 2 and 3 is",
            lambda mean, log_var: 0.5 * _terms(mean, log_var),
        ),
        ("dimension", lambda mean, log_var: 0.5 * _terms(mean, log_var).sum(1)),
        ("dimension", lambda mean, log_var: 0.5 * _terms(mean, log_var).sum((2, 3))),
        ("over the batch", lambda mean, log_var: 0.5 * _terms(mean, log_var).sum(0)),
        (
            "`mean` makes no difference here",
            lambda mean, log_var: 0.5 * _terms(0 * mean, log_var).sum((1, 2, 3)),
        ),
        (
            "`log_var` makes no difference here",
            lambda mean, log_var: 0.5 * (mean**2).sum((1, 2, 3)),
        ),
        (
            "this is the mean of everything",
            lambda mean, log_var: 0.5 * _terms(mean, log_var).mean(),
        ),
        ("other way", lambda mean, log_var: _turned_round(mean, log_var)),
        (
            None,
            lambda mean, log_var: (
                0.5 * (mean**2 + log_var - 1 - log_var.abs().log()).sum((1, 2, 3))
            ),
        ),
    ],
    "decibels": [
        ("[0, 1]", lambda images, originals: -10 * torch.log10(_errors(images, originals))),
        ("whole numbers", lambda images, originals: _psnr(images, originals, peak=255)),
        ("20 goes with", lambda images, originals: 2 * _psnr(images, originals)),
        ("base 10", lambda images, originals: 10 * torch.log(4 / _errors(images, originals))),
        (
            "root of the mean",
            lambda images, originals: 10 * torch.log10(4 / _errors(images, originals).sqrt()),
        ),
        ("number for the batch", lambda images, originals: _psnr(images, originals).mean()),
        (
            "number for the batch",
            lambda images, originals: 10 * torch.log10(4 / ((images - originals) ** 2).mean()),
        ),
        ("squared", lambda images, originals: 10 * torch.log10(2 / _errors(images, originals))),
        ("sign", lambda images, originals: 10 * torch.log10(_errors(images, originals) / 4)),
        ("0.1 times", lambda images, originals: torch.log10(4 / _errors(images, originals))),
        (
            "absolute",
            lambda images, originals: (
                10 * torch.log10(4 / (images - originals).abs().mean((1, 2, 3)))
            ),
        ),
        (
            "sum",
            lambda images, originals: (
                10 * torch.log10(4 / ((images - originals) ** 2).sum((1, 2, 3)))
            ),
        ),
        (
            "each channel",
            lambda images, originals: (
                10 * torch.log10(4 / ((images - originals) ** 2).mean((2, 3)))
            ),
        ),
        ("this is the mean squared error", lambda images, originals: _errors(images, originals)),
        (
            "largest",
            lambda images, originals: (
                10 * torch.log10(originals.amax((1, 2, 3)) ** 2 / _errors(images, originals))
            ),
        ),
        (
            "times what it should be",
            lambda images, originals: 10 * torch.log2(4 / _errors(images, originals)),
        ),
        (
            "absolute",
            lambda images, originals: (
                20 * torch.log10(2 / (images - originals).abs().mean((1, 2, 3)))
            ),
        ),
        (
            "this is the signal-to-noise ratio",
            lambda images, originals: (
                10 * torch.log10((originals**2).mean((1, 2, 3)) / _errors(images, originals))
            ),
        ),
    ],
    "latent_scale": [
        ("deviation itself", lambda latents: latents.std()),
        ("over the variance", lambda latents: 1 / latents.var()),
        ("root mean square", lambda latents: (latents**2).mean() ** -0.5),
        ("each channel", lambda latents: 1 / latents.std((0, 2, 3))),
        ("largest value", lambda latents: 1 / latents.abs().max()),
        ("`latents` makes no difference here", lambda latents: 0.18215),
        ("each picture", lambda latents: 1 / latents.std((1, 2, 3))),
        ("over the variance", lambda latents: 1 / latents.std() ** 2),
        ("this is the variance", lambda latents: latents.var()),
        ("scaled latents", lambda latents: latents / latents.std()),
        ("these are the latents", lambda latents: (latents - latents.mean()) / latents.std()),
        ("mean", lambda latents: 1 / latents.mean()),
        ("absolute", lambda latents: 1 / latents.abs().mean()),
        ("`latents` makes no difference here", lambda latents: 1.0),
        ("average of", lambda latents: (1 / latents.std((0, 2, 3))).mean()),
        ("range", lambda latents: 2 / (latents.max() - latents.min())),
        ("root", lambda latents: 1 / latents.std().sqrt()),
    ],
}


def _terms(mean, log_var):
    return mean**2 + log_var.exp() - 1 - log_var


def _turned_round(mean, log_var):
    """KL(N(0, 1) || q) in the place of KL(q || N(0, 1))."""
    return 0.5 * ((1 + mean**2) / log_var.exp() - 1 + log_var).sum((1, 2, 3))


def _errors(images, originals):
    return ((images - originals) ** 2).mean((1, 2, 3))


def _psnr(images, originals, peak=2):
    return 10 * torch.log10(peak**2 / _errors(images, originals))


def _by_distributions(mean, log_var):
    from torch.distributions import Normal, kl_divergence

    latents = Normal(mean.double(), (0.5 * log_var.double()).exp())
    return kl_divergence(latents, Normal(0.0, 1.0)).flatten(1).sum(1)


def _numbers_one_by_one(mean, log_var):
    found = []
    for m, v in zip(mean.flatten(1).tolist(), log_var.flatten(1).tolist(), strict=True):
        found.append(sum((a * a + math.exp(b) - 1 - b) / 2 for a, b in zip(m, v, strict=True)))
    return found


def _in_unit_range(images, originals):
    """PSNR of pictures that were brought to [0, 1], where the peak is 1."""
    a, b = (((x.double() + 1) / 2).flatten(1) for x in (images, originals))
    return torch.stack(
        [-20 * torch.log10((p - q).norm() / len(p) ** 0.5) for p, q in zip(a, b, strict=True)]
    )


RIGHT = {
    "draw_latents": [
        lambda mean, log_var, noise: torch.addcmul(mean, log_var.exp().sqrt(), noise),
        lambda mean, log_var, noise: noise.double() * math.e ** (log_var.double() / 2) + mean,
        lambda mean, log_var, noise: torch.stack(
            [m + noise[i] * log_var[i].mul(0.5).exp() for i, m in enumerate(mean)]
        ),
    ],
    "kl_of_picture": [_by_distributions, _numbers_one_by_one],
    "decibels": [
        _in_unit_range,
        lambda images, originals: 10 * math.log10(4) - 10 * _errors(originals, images).log10(),
    ],
    "latent_scale": [
        lambda latents: latents.double().flatten().std(correction=0) ** -1,
        lambda latents: 1 / math.sqrt(float((latents**2).mean() - latents.mean() ** 2)),
        lambda latents: latents.var().rsqrt()[None][0],
    ],
}
