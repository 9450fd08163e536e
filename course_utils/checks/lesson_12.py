"""The exercises of lesson 12, the VAE."""

import functools

import torch
from torch import Tensor

from course_utils import diffusers_format
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write, with_gradient
from course_utils.data import datasets
from course_utils.evaluation import scores

PAIRS = 8


def copy_above() -> Tensor:
    """Of the pairs at the lesson's top, whether the copy stands above the original."""
    return torch.rand(PAIRS, generator=torch.Generator().manual_seed(12)) < 0.5


def copies_found(letters) -> int:
    """Of how many pairs the copy was named. Raises ValueError where that is no row of letters."""
    if not isinstance(letters, str) or {*letters.upper()} - {*"AB"} or len(letters) != PAIRS:
        raise ValueError(f'write {PAIRS} letters, A or B, as in "{"AB" * (PAIRS // 2)}".')
    return sum((a == "A") == b for a, b in zip(letters.upper(), copy_above().tolist(), strict=True))


copies = Explore(
    score=copies_found,
    board={"a coin": PAIRS // 2, "a quick look": 6, "a sharp eye": 7},
    unit=f" of {PAIRS}",
    hints=[
        "Look where the drawing is finest: a line of one pixel, a dot, a small gap.",
        "A copy is softer than its original. Compare the darkest and the brightest spots.",
    ],
    praise="What is finer than a latent pixel is what gets lost.",
)

heavy_kl = Predict(
    right="one picture",
    choices=("blots", "soft digits", "one picture"),
    mistakes=[
        Mistake("blots", "so it is without a KL term, where random codes miss the real ones."),
        Mistake(
            "soft digits",
            "so it is where both terms have their say. With 60 an encoder is paid best for "
            "saying nothing.",
        ),
    ],
    hints=[
        "What does an encoder put out that makes the KL term zero? Does it depend on the digit?",
        "The decoder then gets a code that says nothing. Which answer has the least squared error?",
    ],
    praise="The code says nothing, so the decoder draws the mean of all digits, each time.",
)


def _summed(error, kl):
    return (error.flatten(1).sum(1) + kl).mean()


def _averaged(x, back, kl):
    """The lesson's broken loss: an average over pixels beside a sum over latents."""
    return ((back - x) ** 2).mean() + kl.mean()


def _losses(seed):
    generator = torch.Generator().manual_seed(seed)
    x, back = torch.randn(2, 3, 1, 6, 5, generator=generator)
    return x, back, 4 * torch.rand(3, generator=generator)


elbo_loss = Repair(
    broken=_averaged,
    symptom="Every digit comes back as the same grey one: the KL term outweighs the picture.",
    right=lambda x, back, kl: _summed((back - x) ** 2, kl),
    cases=lambda: [_losses(1), _losses(2)],
    mistakes=[
        Mistake(
            lambda x, back, kl: _summed((back - x) ** 2, kl.sum()),
            "the KL is now summed over the batch, and outweighs the picture again.",
        ),
        Mistake(
            lambda x, back, kl: ((back - x) ** 2).sum() + kl.mean(),
            "the error is summed over the batch too. Sum over each picture's pixels alone.",
        ),
        Mistake(
            lambda x, back, kl: ((back - x) ** 2).sum() + kl.sum(),
            "this grows with the batch. Sum over a picture's numbers, and average over pictures.",
        ),
        Mistake(
            lambda x, back, kl: _summed((back - x).abs(), kl),
            "the ELBO of a Gaussian has the squared error.",
        ),
        Mistake(
            lambda x, back, kl: 0.5 * ((back - x) ** 2).flatten(1).sum(1).mean() + kl.mean(),
            "that is the ELBO for s = 1. Here 2 s squared is 1: the error counts whole.",
        ),
        Mistake(
            lambda x, back, kl: ((back - x) ** 2).mean() + kl.mean() / x[0].numel() ** 2,
            "now the KL term is too light. One division by the number of pixels is enough.",
        ),
        Mistake(
            lambda x, back, kl: ((back - x) ** 2).mean() + kl.mean() / x[0].numel(),
            "the two terms are in balance, so this trains as well. But it is the ELBO divided by "
            "the number of pixels: give the sum.",
        ),
        Mistake(
            lambda x, back, kl: ((back - x) ** 2).flatten(1).sum(1).mean(),
            "the KL term has left, and nothing keeps codes near N(0, 1).",
        ),
        Mistake(
            lambda x, back, kl: (((back - x) ** 2).flatten(1).sum(1) - kl).mean(),
            "the KL term is a price: it is added to the error.",
        ),
    ],
    hints=[
        "How many numbers does `kl` sum up? And over how many does the error take an average?",
        "The formula has a sum of squares over the picture. An average is 784 times smaller.",
        "Sum over all but the batch, add the KL of each picture, and then average over pictures.",
    ],
    praise="Whoever averages one term and sums the other has set a weight without knowing it.",
)

after_a_minute = Predict(
    right="pca",
    choices=("pca", "vae", "neither"),
    mistakes=[
        Mistake(
            "vae",
            "a network begins with nothing, and a minute is short: see below. With more time you "
            "will be right.",
        ),
        Mistake(
            "neither",
            "they are decibels apart: one is the best of its kind at once, the other has hardly "
            "begun.",
        ),
    ],
    hints=[
        "PCA is the best that a linear code can do, from the first second on.",
        "The VAE sees each drawing about three times in its minute.",
    ],
    praise="It is hard to beat in the first minute, and it never gets better.",
)


def _numbers(seed: int, many: int = 3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, 4, 4, generator=generator) for _ in range(many)]


def _sampled(std):
    return lambda mean, log_var, noise: mean + std(log_var) * noise


draw_latents = Write(
    right=_sampled(lambda log_var: (0.5 * log_var).exp()),
    cases=lambda: [tuple(_numbers(1)), tuple(_numbers(2))],
    outcome=with_gradient,
    mistakes=[
        Mistake(
            _sampled(torch.exp),
            "you multiply the noise by the variance. You want its square root: exp(log_var / 2).",
        ),
        Mistake(
            _sampled(lambda log_var: log_var),
            "log_var is a logarithm: undo it with exp, and take half of it for the root.",
        ),
        Mistake(
            _sampled(lambda log_var: log_var.exp().exp().sqrt()),
            "one exp too many: exp(log_var) is the variance already.",
        ),
        Mistake(
            lambda mean, log_var, noise: mean * (0.5 * log_var).exp() + noise,
            "the standard deviation belongs to the noise; the mean is added as it is.",
        ),
        Mistake(
            _sampled(lambda log_var: 0.0),
            "this is the mean alone: nothing is drawn.",
        ),
        Mistake(
            _sampled(lambda log_var: 0.5 * log_var),
            "you halved the logarithm, and forgot to undo it with exp.",
        ),
        Mistake(
            _sampled(lambda log_var: log_var.abs().sqrt()),
            "log_var is a logarithm and may be negative: undo it with exp, and then take the root.",
        ),
        Mistake(
            _sampled(lambda log_var: (2 * log_var).exp()),
            "you squared the variance. You want its square root: exp(log_var / 2).",
        ),
        Mistake(
            lambda mean, log_var, noise: mean + (0.5 * log_var).exp() + noise,
            "the standard deviation is added. Multiply the noise by it.",
        ),
    ],
    hints=[
        "Noise from N(0, 1) becomes noise from N(mean, sigma^2) by multiplying and adding.",
        "sigma is the root of the variance, and the variance is exp(log_var).",
        "The root of exp(a) is exp(a / 2).",
    ],
    praise="The noise comes from outside, so gradients reach mean and log_var.",
)


def _kl(part, factor=0.5):
    return lambda mean, log_var: factor * part(mean, log_var).flatten(1).sum(1)


def _terms(mean, log_var):
    return mean**2 + log_var.exp() - 1 - log_var


kl_of_picture = Write(
    right=_kl(_terms),
    cases=lambda: [tuple(_numbers(3, 2)), tuple(_numbers(4, 2))],
    mistakes=[
        Mistake(
            _kl(_terms, -0.5),
            "the sign is wrong: a KL divergence is never negative.",
        ),
        Mistake(
            _kl(_terms, 1.0),
            "a factor of one half is missing.",
        ),
        Mistake(
            lambda mean, log_var: 0.5 * _terms(mean, log_var).flatten(1).mean(1),
            "you took the mean over a picture's numbers. The divergences of independent numbers "
            "add up: take the sum.",
        ),
        Mistake(
            lambda mean, log_var: 0.5 * _terms(mean, log_var).sum(),
            "this is the sum over the whole batch. Keep one number a picture: flatten(1).sum(1).",
        ),
        Mistake(
            _kl(lambda mean, log_var: mean**2 + log_var - 1 - log_var.exp()),
            "variance and log-variance are exchanged: the variance counts up, its logarithm down.",
        ),
        Mistake(
            _kl(lambda mean, log_var: mean**2 + log_var.exp() - log_var),
            "the - 1 is missing: for mean 0 and variance 1 the divergence must be 0.",
        ),
        Mistake(
            _kl(lambda mean, log_var: mean + log_var.exp() - 1 - log_var),
            "the mean is not squared.",
        ),
        Mistake(
            _kl(lambda mean, log_var: mean**2 + (0.5 * log_var).exp() - 1 - log_var),
            "you put the standard deviation in. The formula has the variance, exp(log_var).",
        ),
        Mistake(
            _kl(lambda mean, log_var: mean**2 + log_var.exp() - 1 - log_var.abs().log()),
            "log_var is the logarithm already: take no other of it.",
        ),
        Mistake(
            lambda mean, log_var: 0.5 * _terms(mean, log_var).sum(0),
            "you summed over the batch. Keep one number a picture: sum over all but dimension 0.",
        ),
        Mistake(
            lambda mean, log_var: 0.5 * _terms(mean, log_var).mean(),
            "this is the mean of everything. Keep one number a picture, and sum its numbers: "
            "flatten(1).sum(1).",
        ),
        Mistake(
            _kl(lambda mean, log_var: (1 + mean**2) * (-log_var).exp() - 1 + log_var),
            "this is the divergence the other way round, of N(0, 1) from the latents. It is "
            "not symmetric.",
        ),
    ],
    hints=[
        "For one number: (mean^2 + variance - 1 - log variance) / 2.",
        "The variance is log_var.exp().",
        "Sum over all but the first dimension: flatten(1).sum(1).",
    ],
    praise="0 for N(0, 1), and more the further away.",
)


def _decibels(peak=2.0, factor=10.0, log=torch.log10, root=False):
    def answer(images, originals):
        error = ((images - originals) ** 2).flatten(1).mean(1)
        return factor * log(peak**2 / (error.sqrt() if root else error))

    return answer


def _mse(images, originals):
    return (images - originals).square().flatten(1).mean(1)


decibels = Write(
    right=_decibels(),
    cases=lambda: [tuple(0.3 * x for x in _numbers(5, 2)), tuple(0.1 * x for x in _numbers(6, 2))],
    mistakes=[
        Mistake(
            _decibels(peak=1.0),
            "this is for pictures in [0, 1]. Ours are in [-1, 1]: the range is 2.",
        ),
        Mistake(
            _decibels(peak=255.0),
            "this is for whole numbers up to 255. Our pictures are in [-1, 1]: the range is 2.",
        ),
        Mistake(
            _decibels(factor=20.0),
            "20 goes with the root of the error, 10 with the mean square itself.",
        ),
        Mistake(
            _decibels(log=torch.log),
            "decibels want the logarithm to base 10, and this is the natural one.",
        ),
        Mistake(
            _decibels(root=True),
            "you took the root of the mean square. Inside the logarithm the square is wanted.",
        ),
        Mistake(
            lambda images, originals: _decibels()(originals, images).mean(),
            "this is one number for the batch. Give one for each picture: flatten(1).mean(1).",
        ),
        Mistake(
            lambda images, originals: _decibels()(
                images.flatten()[None], originals.flatten()[None]
            )[0],
            "this is one number for the batch, of its mean error. Give one for each picture: "
            "flatten(1).mean(1).",
        ),
        Mistake(
            lambda images, originals: 10 * (2 / _mse(images, originals)).log10(),
            "the range is not squared: it is 2 * 2 over the mean squared error.",
        ),
        Mistake(
            lambda images, originals: (
                10 * (4 / (images - originals).abs().flatten(1).mean(1)).log10()
            ),
            "this has the mean absolute error. Square the differences before the mean.",
        ),
        Mistake(
            lambda images, originals: (
                20 * (2 / (images - originals).abs().flatten(1).mean(1)).log10()
            ),
            "this has the mean absolute error. It is the root of the mean square.",
        ),
        Mistake(
            lambda images, originals: (
                10 * (4 / (images - originals).square().flatten(1).sum(1)).log10()
            ),
            "you summed the squared differences. Take their mean.",
        ),
        Mistake(
            lambda images, originals: 10 * (4 / (images - originals).square().mean((2, 3))).log10(),
            "this is one number for each channel. Give one for each picture: flatten(1).mean(1).",
        ),
        Mistake(
            _mse,
            "this is the mean squared error. Decibels are 10 log10 of 4 over it.",
        ),
        Mistake(
            lambda images, originals: (
                10 * (originals.flatten(1).amax(1) ** 2 / _mse(images, originals)).log10()
            ),
            "you took the largest value of this picture. The peak is the range that pictures "
            "can have: 2.",
        ),
        Mistake(
            lambda images, originals: (
                10 * (originals.square().flatten(1).mean(1) / _mse(images, originals)).log10()
            ),
            "this is the signal-to-noise ratio. The *peak* signal-to-noise ratio has the "
            "range, 2, squared.",
        ),
    ],
    hints=[
        "First the mean squared error of each picture: flatten(1).mean(1).",
        "Decibels are 10 log10 of a ratio: the squared range over the mean squared error.",
        "From -1 to 1 the range is 2, its square 4.",
    ],
    praise="6 dB more means half the error.",
)


def _centred(latents):
    return (latents**2).mean().rsqrt()


_CHANNELS = torch.tensor([0.5, 1.0, 2.0]).reshape(1, 3, 1, 1)

latent_scale = Write(
    right=lambda latents: 1 / latents.std(),
    cases=lambda: [
        ((5 * _numbers(7)[0] + 2) * _CHANNELS,),
        (0.2 * _numbers(8)[0] - 0.3 * _CHANNELS,),
    ],
    tolerance=2e-2,  # with or without the - 1 in the standard deviation
    mistakes=[
        Mistake(
            lambda latents: latents.std(),
            "this is the standard deviation itself. Multiplied by it, wide latents would become "
            "wider: divide 1 by it.",
        ),
        Mistake(
            lambda latents: 1 / latents.var(),
            "this is 1 over the variance. After it the standard deviation would be 1 / sigma, "
            "not 1.",
        ),
        Mistake(
            _centred,
            "you took the root mean square. With a mean that is not 0 it is more than the "
            "standard deviation.",
        ),
        Mistake(
            lambda latents: 1 / latents.std((0, 2, 3)),
            "this is a scale for each channel. Stable Diffusion has one number for them all.",
        ),
        Mistake(
            lambda latents: 1 / latents.abs().max(),
            "this brings the largest value to 1. It is the standard deviation that should be 1.",
        ),
        Mistake(
            lambda latents: latents.var(),
            "this is the variance. The scale is 1 over its root.",
        ),
        Mistake(
            lambda latents: latents / latents.std(),
            "these are the scaled latents. The scale is asked for, one number.",
        ),
        Mistake(
            lambda latents: (latents - latents.mean()) / latents.std(),
            "these are the latents, centred and scaled. The scale is asked for, one number.",
        ),
        Mistake(
            lambda latents: 1 / latents.mean(),
            "you divide by the mean. It is the standard deviation that should become 1.",
        ),
        Mistake(
            lambda latents: 1 / latents.abs().mean(),
            "this brings the mean absolute value to 1. It is the standard deviation that "
            "should be 1.",
        ),
        Mistake(
            lambda latents: 1 / latents.std((1, 2, 3)),
            "this is a scale for each picture. Stable Diffusion has one number for them all.",
        ),
        Mistake(
            lambda latents: (1 / latents.std((0, 2, 3))).mean(),
            "this is the average of the channels' scales. The standard deviation of all numbers "
            "together is asked for.",
        ),
        Mistake(
            lambda latents: 2 / (latents.max() - latents.min()),
            "this brings the range to 2. It is the standard deviation that should be 1.",
        ),
    ],
    hints=[
        "scale * latents should have standard deviation 1.",
        "The standard deviation of c * z is c times that of z.",
    ],
    praise="Stable Diffusion's 0.18215 is this number, measured on one batch.",
)


@functools.cache
def _codec():
    """The shipped VAE, unseen drawings, and their latents."""
    vae = diffusers_format.load_vae(scores.CHECKPOINTS / "emoji" / "vae").float().eval()
    drawings = datasets.emoji(64, "held_out")[0][::14][:48]
    with torch.no_grad():
        return vae, drawings, vae.encode(drawings).mean


@torch.no_grad()
def bytes_of_picture(steps) -> float:
    """How many bytes a picture takes, if each channel is rounded to multiples of its step.

    Counted is the entropy of each channel's numbers, which a good packer comes near to. Raises
    ValueError for other than four positive steps, and where less than 28 dB come back.
    """
    vae, drawings, latents = _codec()
    steps = torch.as_tensor(steps, dtype=torch.float32).reshape(-1)
    if len(steps) != 4 or not bool((steps > 0).all()):
        raise ValueError("four steps above 0 are wanted, one for each channel.")
    steps = steps.view(1, 4, 1, 1)
    rounded, bits = (latents / steps).round(), 0.0
    for channel in rounded.unbind(1):
        counts = channel.unique(return_counts=True)[1] / channel.numel()
        bits -= channel[0].numel() * float((counts * counts.log2()).sum())
    back = vae.decode(rounded * steps).clamp(-1, 1)
    decibels = scores.psnr(back, drawings).mean().item()
    if decibels < 28:
        raise ValueError(f"{decibels:.1f} dB come back, 28 are wanted: make some steps finer.")
    return bits / 8


codec = Explore(
    score=bytes_of_picture,
    board={
        "a step of 0.4 for all": 419,
        "0.55 for all": 363,
        "the best of ours": 297,
    },
    higher=False,
    unit=" bytes",
    hints=[
        "Begin with one step for all, and go as far as 28 dB allow.",
        "Then make one channel coarser and another finer: does a channel matter less to the eye?",
        "Change one step at a time by a tenth, and keep what lowers the bytes.",
    ],
    praise="Finding these numbers by training is a field of its own: learned compression.",
)
