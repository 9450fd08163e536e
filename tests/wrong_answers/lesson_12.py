"""Lesson 12: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import torch

WRONG = {
    "draw_latents": [
        (
            "give different results",
            lambda mean, log_var, noise: torch.normal(mean, (log_var / 2).exp()),
        ),
        (
            "give different results",
            lambda mean, log_var, noise: mean + (log_var / 2).exp() * torch.randn_like(mean),
        ),
        ("learn", lambda mean, log_var, noise: (mean + (log_var / 2).exp() * noise).detach()),
    ],
    "kl_of_picture": [
        (
            "the sum over dimensions 1 and 2 and 3 is",
            lambda mean, log_var: 0.5 * _terms(mean, log_var),
        ),
        ("dimension", lambda mean, log_var: 0.5 * _terms(mean, log_var).sum(1)),
        ("dimension", lambda mean, log_var: 0.5 * _terms(mean, log_var).sum((2, 3))),
        (
            None,
            lambda mean, log_var: (
                0.5 * (mean**2 + log_var - 1 - log_var.abs().log()).sum((1, 2, 3))
            ),
        ),
    ],
    "elbo_loss": [
        ("batch", lambda x, back, kl: ((back - x) ** 2).sum() + kl.sum()),
        ("price", lambda x, back, kl: ((back - x) ** 2).flatten(1).sum(1).mean() - kl.mean()),
    ],
    "decibels": [
        ("0.1 times", lambda images, originals: torch.log10(4 / _errors(images, originals))),
        (
            "times what it should be",
            lambda images, originals: 10 * torch.log2(4 / _errors(images, originals)),
        ),
    ],
}


def _terms(mean, log_var):
    return mean**2 + log_var.exp() - 1 - log_var


def _errors(images, originals):
    return ((images - originals) ** 2).mean((1, 2, 3))


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


def _elbo_pixel_by_pixel(x, back, kl):
    found = [sum((a - b) ** 2 for a, b in zip(*each, strict=True)) for each in _lists(x, back)]
    return (sum(found) + sum(kl.tolist())) / len(x)


def _lists(*images):
    return list(zip(*(image.double().flatten(1).tolist() for image in images), strict=True))


def _minus_log_likelihood(x, back, kl):
    """Of a decoder with 2 s^2 = 1: its log density, without the constant, and the KL."""
    from torch.distributions import Normal

    decoder = Normal(back.double(), 0.5**0.5)
    constant = decoder.log_prob(back.double())
    return ((constant - decoder.log_prob(x.double())).flatten(1).sum(1) + kl).mean()


RIGHT = {
    "heavy_kl": ["one picture", "One picture "],
    "after_a_minute": ["pca", "PCA"],
    "elbo_loss": [_elbo_pixel_by_pixel, _minus_log_likelihood],
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
