"""Latent diffusion, whole: text to image, image to image, inpainting (lesson 13)."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from course_utils.built.forward import forward_jump
from course_utils.built.guidance import guided
from course_utils.built.inpaint import check_mask, repaint, shrink_mask
from course_utils.built.latent_diffusion import LatentDiffusion
from course_utils.built.sample import fresh_noise, sample


def with_progress(
    callback: Callable[[int, Tensor, Tensor], None] | None,
    progress: Callable[[Iterable], Iterable],
    steps: int,
) -> Callable[[int, Tensor, Tensor], None]:
    """A callback that also moves a progress bar; progress wraps an iterable, as tqdm does."""
    ticks = iter(progress(range(steps)))
    next(ticks, None)  # shows the bar

    def after_step(t: int, x: Tensor, x0: Tensor) -> None:
        next(ticks, None)
        if callback is not None:
            callback(t, x, x0)

    return after_step


def preview(
    model: LatentDiffusion, film: list[Tensor], every: int = 5
) -> Callable[[int, Tensor, Tensor], None]:
    """A callback that adds to `film`, each so many steps, what the estimate of x0 looks like."""
    steps = 0

    def after_step(t: int, x: Tensor, x0: Tensor) -> None:
        nonlocal steps
        steps += 1
        if steps % every == 0:
            film.append(model.decode(x0))

    return after_step


class GuidedDiffusion(LatentDiffusion):
    """A latent diffusion model that walks from noise, guided by captions."""

    def listen(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """The U-Net, which may compute in half precision while the sampler does not."""
        return self.unet(self.like(x), t, context)

    def denoiser(
        self,
        prompts: str | Sequence[str],
        number: int,
        guidance: float = 7.5,
        negative: str | Sequence[str] = "",
        interval: tuple[float, float] | None = None,
    ) -> Callable[[Tensor, int], Tensor]:
        """What `sample` and `repaint` call; prompts: one for each of `number` pictures, or for all.

        guidance: w, as Stable Diffusion counts it. negative: captions in the place of the null
        caption "": the pictures are led away from them. interval: as for `guided`. Raises
        ValueError where there are several negatives, but not one for each picture.
        """
        told, null = self.encode(prompts), self.encode(negative)
        told = told.expand(number, -1, -1) if len(told) == 1 else told
        if len(null) not in (1, len(told)):
            raise ValueError(
                f"{len(null)} negatives for {len(told)} pictures: one, or one for each."
            )
        return guided(self.listen, told, guidance, null, interval=interval)

    def walk(
        self,
        x: Tensor,
        path: Sequence[int],
        prompts: str | Sequence[str],
        generator: torch.Generator | None = None,
        sampler: str = "dpmpp_2m",
        callback: Callable[[int, Tensor, Tensor], None] | None = None,
        progress: Callable[[Iterable], Iterable] = iter,
        **guiding: object,
    ) -> Tensor:
        """Latents at the end of the path, from x at its first time.

        sampler and callback: as for `sample`. progress: as for `with_progress`. guiding: guidance,
        negative and interval, as for `denoiser`.
        """
        denoise = self.denoiser(prompts, len(x), **guiding)
        callback = with_progress(callback, progress, len(path) - 1)
        x = x.to(self.unet.conv_in.weight.device)
        return sample(
            denoise, x, self.schedule, path, sampler, self.kind, 0.0, generator, callback=callback
        )


class TextToImage(GuidedDiffusion):
    """Text to image, and image to image.

    Both return pictures, float32, N x channels x H x W in [-1, 1], on the CPU. prompts: one caption
    for each picture, or one for all. generator: on the CPU, draws all noise. steps: strides from
    pure noise. options: guidance, negative, interval, sampler, callback, progress, as for `walk`.
    """

    def text_to_image(
        self,
        prompts: str | Sequence[str],
        generator: torch.Generator | None,
        steps: int = 20,
        size: int | None = None,
        latents: Tensor | None = None,
        **options: object,
    ) -> Tensor:
        """A picture of each caption, of `size` pixels a side, from `latents` of noise if given."""
        if latents is None:
            number = 1 if isinstance(prompts, str) else len(prompts)
            latents = self.noise(number, generator, size)
        return self.decode(self.walk(latents, self.path(steps), prompts, generator, **options))

    def image_to_image(
        self,
        prompts: str | Sequence[str],
        images: Tensor,
        generator: torch.Generator,
        strength: float = 0.6,
        steps: int = 20,
        **options: object,
    ) -> Tensor:
        """Pictures drawn from noisy ones (SDEdit, Meng et al. 2022).

        strength: how much of the path is walked; 0 gives back what the VAE makes of the pictures.
        """
        x0, path = self.to_latents(images), self.path(steps, strength)
        if len(path) == 1:
            return self.decode(x0)
        x = forward_jump(x0, fresh_noise(x0, generator), path[0], self.schedule)
        return self.decode(self.walk(x, path, prompts, generator, **options))


class StableDiffusion(TextToImage):
    """Stable Diffusion of any size: `ModelParts` that draw, redraw, inpaint, and live in a folder.

    (Rombach et al. 2022.)
    """

    def inpaint(
        self,
        prompts: str | Sequence[str],
        images: Tensor,
        mask: Tensor,
        generator: torch.Generator,
        steps: int = 20,
        resample: int = 4,
        sampler: str = "ddim",
        callback: Callable[[int, Tensor, Tensor], None] | None = None,
        progress: Callable[[Iterable], Iterable] = iter,
        **guiding: object,
    ) -> Tensor:
        """The pictures, drawn anew where the mask, N or 1 x 1 x H x W, is 1; kept where it is 0.

        resample: as for `repaint`; the rest as for the methods above. A mask of ones draws all.
        """
        check_mask(mask, images)
        known, new = self.to_latents(images), shrink_mask(mask, self.vae.factor)
        x = repaint(
            self.denoiser(prompts, len(known), **guiding),
            known,
            new.to(known.device),
            self.schedule,
            self.path(steps),
            generator,
            resample,
            sampler,
            self.kind,
            with_progress(callback, progress, steps),
        )
        return torch.where(mask.cpu() == 1, self.decode(x), images.float().cpu())

    def save_pretrained(self, folder: str) -> None:
        """Write the model as a folder in diffusers' layout (`layout.save_pipeline`)."""
        from course_utils.layout import save_pipeline

        save_pipeline(folder, self)

    @classmethod
    def from_pretrained(cls, place: str, **options: object) -> "StableDiffusion":
        """A model from a folder or a file, ours or a published one (`layout.load_pipeline`)."""
        from course_utils.layout import load_pipeline

        return load_pipeline(place, **options)
