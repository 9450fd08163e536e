"""Inpainting by resampling: a part drawn anew, so that it fits the rest (lesson 13)."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from course_utils.built.forward import forward_jump
from course_utils.built.pipeline import text_denoiser
from course_utils.built.sample import fresh_noise, sample
from course_utils.built.samplers import step_betas
from course_utils.built.schedule import NoiseSchedule
from course_utils.built.stable_diffusion import StableDiffusion, get_timesteps


def shrink_mask(mask: Tensor, factor: int) -> Tensor:
    """An image's mask as one of its latents: a latent is drawn anew if any of its pixels is.

    mask: N x 1 x H x W, 1 where to draw; returns booleans, N x 1 x H / factor x W / factor.
    """
    return max_pool2d(mask.float(), factor) > 0


def renoise(x: Tensor, noise: Tensor, s: int, t: int, schedule: NoiseSchedule) -> Tensor:
    """The forward process from time s to a later time t: x_t from x = x_s.

    noise: standard normal, of x's shape. (Lugmayr et al. 2022, algorithm 1, line 10.)
    """
    beta = step_betas(t, s, schedule)[0]
    return (1 - beta) ** 0.5 * x + beta**0.5 * noise


@torch.no_grad()
def repaint(
    denoise: Callable[[Tensor, int], Tensor],
    known: Tensor,
    new: Tensor,
    schedule: NoiseSchedule,
    timesteps: Sequence[int],
    generator: torch.Generator,
    resample: int = 4,
    sampler: str = "ddim",
    prediction_type: str = "epsilon",
    callback: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Draw where `new` is True; elsewhere the result is `known`, with the noise of the last time.

    known: clean, N x C x H x W. new: booleans, N x 1 x H x W. After each sampling step the known
    part is put back, with as much noise as belongs there. Each step is made `resample` times, with
    a step back to more noise between: so the new part learns of the known one. The other arguments
    are those of `sample`; callback is called once a timestep. Raises ValueError where resample is
    not at least 1, or for a sampler that can't make single steps. (RePaint: Lugmayr et al. 2022,
    algorithm 1.)
    """
    _check_resample(resample)
    estimates = []
    options = dict(generator=generator, callback=lambda t, x, x0: estimates.append(x0))
    x = fresh_noise(known, generator)
    for t, s in pairwise(timesteps):
        for again in reversed(range(resample)):
            drawn = sample(denoise, x, schedule, [t, s], sampler, prediction_type, **options)
            kept = forward_jump(known, fresh_noise(known, generator), s, schedule)
            x = torch.where(new, drawn, kept)
            if again:
                x = renoise(x, fresh_noise(x, generator), s, t, schedule)
        if callback is not None:
            callback(s, x, estimates[-1])
        estimates.clear()
    return x


def inpaint(
    model: StableDiffusion,
    prompts: str | Sequence[str],
    images: Tensor,
    mask: Tensor,
    generator: torch.Generator,
    steps: int = 20,
    resample: int = 4,
    callback: Callable[[int, Tensor, Tensor], None] | None = None,
    **guiding: object,
) -> Tensor:
    """The images, drawn anew where the mask, N or 1 x 1 x H x W, is 1; kept where it is 0.

    resample: as for `repaint`; the rest as for `text_to_image`. A mask of ones draws all.
    """
    _check_mask(mask, images)
    known, new = model.to_latents(images), shrink_mask(mask, model.vae.factor)
    x = repaint(
        text_denoiser(model, prompts, len(known), **guiding),
        known,
        new.to(known.device),
        model.schedule,
        get_timesteps(model, steps),
        generator,
        resample,
        prediction_type=model.prediction_type,
        callback=callback,
    )
    return torch.where(mask.cpu() == 1, model.decode(x), images.float().cpu())


def _check_resample(resample: int) -> None:
    if not isinstance(resample, int) or resample < 1:
        raise ValueError(f"Each step is made resample = 1, 2, ... times, not {resample!r}.")


def _check_mask(mask: Tensor, images: Tensor) -> None:
    """Raise ValueError, with what to do, where `mask` does not say what to draw in `images`."""
    sizes = [(n, 1, *images.shape[2:]) for n in {1, len(images)}]
    if tuple(mask.shape) not in sizes:
        raise ValueError(f"A mask of these pictures is {[*sizes[-1]]}; got {[*mask.shape]}.")
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("A mask holds 1 where to draw and 0 where to keep: round it first.")
    if not mask.any():
        raise ValueError("The mask is 0 everywhere, so there is nothing to draw: 1 means draw.")
