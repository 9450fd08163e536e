"""What a latent diffusion model draws: text to image, and image to image (lesson 13)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course_utils.built.forward import forward_jump
from course_utils.built.guidance import cfg_denoiser
from course_utils.built.sample import fresh_noise, sample
from course_utils.built.stable_diffusion import StableDiffusion, get_timesteps, prepare_latents


def text_denoiser(
    model: StableDiffusion,
    prompts: str | Sequence[str],
    number: int,
    guidance: float = 7.5,
    negative: str | Sequence[str] = "",
    interval: tuple[float, float] | None = None,
) -> Callable[[Tensor, int], Tensor]:
    """The model's denoiser for `sample`; prompts: one for each of `number` images, or for all.

    guidance: w, as Stable Diffusion counts it. negative: captions in the place of the null caption
    "": the images are led away from them. interval: as for `cfg_denoiser`. Raises ValueError where
    there are several negatives, but not one for each image.
    """
    cond, uncond = model.encode_prompt(prompts), model.encode_prompt(negative)
    cond = cond.expand(number, -1, -1) if len(cond) == 1 else cond
    if len(uncond) not in (1, len(cond)):
        raise ValueError(f"{len(uncond)} negatives for {len(cond)} pictures: one, or one for each.")

    def unet(x: Tensor, t: Tensor, states: Tensor) -> Tensor:
        return model.unet(x.to(states), t, states)  # half precision, while the sampler is not

    return cfg_denoiser(unet, cond, guidance, uncond, model.precision, interval)


def sample_latents(
    model: StableDiffusion,
    x: Tensor,
    timesteps: Sequence[int],
    prompts: str | Sequence[str],
    generator: torch.Generator | None = None,
    sampler: str = "dpmpp_2m",
    callback: Callable[[int, Tensor, Tensor], None] | None = None,
    **guiding: object,
) -> Tensor:
    """Latents at the end of the timesteps, from x at the first.

    sampler and callback: as for `sample`. guiding: guidance, negative and interval, as for
    `text_denoiser`.
    """
    denoise = text_denoiser(model, prompts, len(x), **guiding)
    x = x.to(model.unet.conv_in.weight.device)
    options = dict(generator=generator, callback=callback)
    return sample(denoise, x, model.schedule, timesteps, sampler, model.prediction_type, **options)


def text_to_image(
    model: StableDiffusion,
    prompts: str | Sequence[str],
    generator: torch.Generator | None,
    steps: int = 20,
    size: int | None = None,
    latents: Tensor | None = None,
    **options: object,
) -> Tensor:
    """An image of each caption, float32 N x channels x H x W in [-1, 1], on the CPU.

    generator: on the CPU, draws all noise. size: in pixels a side. latents: the noise to start
    from, if it is given. options: guidance, negative, interval, sampler, callback, as for
    `sample_latents`.
    """
    if latents is None:
        number = 1 if isinstance(prompts, str) else len(prompts)
        latents = prepare_latents(model, number, generator, size)
    timesteps = get_timesteps(model, steps)
    return model.decode(sample_latents(model, latents, timesteps, prompts, generator, **options))


def image_to_image(
    model: StableDiffusion,
    prompts: str | Sequence[str],
    images: Tensor,
    generator: torch.Generator,
    strength: float = 0.6,
    steps: int = 20,
    **options: object,
) -> Tensor:
    """Images drawn from noisy ones (SDEdit, Meng et al. 2022).

    strength: the share of the steps that is made; 0 gives back what the VAE makes of the images.
    The rest as for `text_to_image`.
    """
    x0, timesteps = model.to_latents(images), get_timesteps(model, steps, strength)
    if len(timesteps) == 1:
        return model.decode(x0)
    x = forward_jump(x0, fresh_noise(x0, generator), timesteps[0], model.schedule)
    return model.decode(sample_latents(model, x, timesteps, prompts, generator, **options))


def preview(
    model: StableDiffusion, film: list[Tensor], every: int = 5
) -> Callable[[int, Tensor, Tensor], None]:
    """A callback that adds to `film`, every so many steps, what the estimate of x0 looks like."""
    steps = 0

    def after_step(t: int, x: Tensor, x0: Tensor) -> None:
        nonlocal steps
        steps += 1
        if steps % every == 0:
            film.append(model.decode(x0))

    return after_step
