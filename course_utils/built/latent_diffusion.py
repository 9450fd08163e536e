"""The parts of a latent diffusion model, and the ways between its spaces (lesson 13)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils.built.paths import even_path, leading_path, linspace_path
from course_utils.built.schedule import NoiseSchedule
from course_utils.built.tokenizer import Tokenizer


def spaced_path(spacing: str, T: int, steps: int) -> list[int]:
    """A path from noise to picture in so many steps, by the name of its spacing.

    "even", "linspace" and "leading" are built.paths' functions; "stable" is Stable Diffusion's
    own, which is `leading_path` with offset 1 and end 1. Raises ValueError for another name.
    """
    paths = {"even": even_path, "linspace": linspace_path, "leading": leading_path}
    if spacing == "stable":
        return leading_path(T, steps, offset=1, end=1)
    if spacing not in paths:
        raise ValueError(f"spacing is one of {', '.join(paths)}, stable; not {spacing!r}.")
    return paths[spacing](T, steps)


def check_parts(
    tokenizer: Tokenizer, text_encoder: nn.Module, unet: nn.Module, vae: nn.Module
) -> None:
    """Raise ValueError where these can't work together."""
    words, places = text_encoder.tokens.weight.shape[0], text_encoder.positions.weight.shape[0]
    if len(tokenizer.vocab) != words or tokenizer.length > places:
        raise ValueError(
            f"The text encoder has {words} tokens and {places} places, its tokenizer "
            f"{len(tokenizer.vocab)} and {tokenizer.length}: they are of different models."
        )
    width = text_encoder.norm.weight.shape[0]
    if (unet.context_width, unet.channels) != (width, vae.latent):
        raise ValueError(
            f"The U-Net takes {unet.channels} channels and contexts of {unet.context_width}; the "
            f"VAE gives {vae.latent}, the text encoder {width}: they are of different models."
        )


def check_size(height: int, width: int, multiple: int) -> None:
    """Raise ValueError where pictures of this size can't be halved as often as they must be."""
    if min(height, width) < multiple or height % multiple or width % multiple:
        near = [max(multiple, round(n / multiple) * multiple) for n in (height, width)]
        raise ValueError(
            f"Height and width are multiples of {multiple} here, not {height} x {width}: crop or "
            f"resize to {near[0]} x {near[1]}."
        )


def check_pictures(images: Tensor, channels: int, multiple: int) -> Tensor:
    """The pictures, N x channels x H x W; the one channel of a grey picture is repeated.

    Raises ValueError, with what to do, where they are something else.
    """
    if not isinstance(images, Tensor):
        raise ValueError(f"Pictures are a tensor, of N x {channels} x H x W; got {type(images)}.")
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"Pictures are floats, N x {channels} x H x W; got {[*images.shape]}, {images.dtype}. "
            f"Of a single one make images[None]."
        )
    if images.shape[1] == 4:
        raise ValueError(
            "These pictures have a fourth channel, alpha: lay them on a background and give its 3."
        )
    if images.shape[1] not in (1, channels):
        raise ValueError(f"Pictures have {channels} channels or 1; these {images.shape[1]}.")
    if not images.abs().max() <= 1:
        raise ValueError("Pictures lie in [-1, 1]; of 0..255 make images / 127.5 - 1.")
    check_size(*images.shape[2:], multiple)
    return images.expand(-1, channels, -1, -1)


class ModelParts:
    """The parts of a latent diffusion model, by default in the manner of Stable Diffusion 1.x.

    tokenizer and text_encoder (`CLIPText`) read captions; unet (`UNet`) takes noise out of latents;
    vae (`AutoencoderKL`) makes them of pictures, and back. kind: what the U-Net predicts, "eps",
    "v" or "x0". spacing: a name for `spaced_path`. size: height and width of pictures where none
    is asked for. Raises ValueError where the parts can't work together.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        text_encoder: nn.Module,
        unet: nn.Module,
        vae: nn.Module,
        schedule: NoiseSchedule,
        kind: str = "eps",
        spacing: str = "stable",
        size: int = 512,
    ):
        check_parts(tokenizer, text_encoder, unet, vae)
        spaced_path(spacing, 1000, 1)  # raises where there is none of this name
        self.tokenizer, self.text_encoder, self.unet, self.vae = tokenizer, text_encoder, unet, vae
        self.schedule, self.kind, self.spacing, self.size = schedule, kind, spacing, size
        self.multiple = vae.factor * unet.multiple  # of which heights and widths are multiples
        check_size(size, size, self.multiple)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "ModelParts":
        """Move the networks there, and give their weights this type; returns the model itself."""
        for part in (self.text_encoder, self.unet, self.vae):
            part.to(device=device, dtype=dtype)
        return self

    def like(self, x: Tensor) -> Tensor:
        """x on the networks' device, in the type of their weights."""
        return x.to(self.unet.conv_in.weight)


def portions(x: Tensor, pixels: int, most: int = 512 * 512) -> tuple[Tensor, ...]:
    """A batch in parts of at most so many pixels, but one picture at least, to save memory.

    pixels: of one picture.
    """
    return x.split(max(1, most // pixels))


class LatentDiffusion(ModelParts):
    """The ways between captions, pictures, latents and noise.

    Pictures are float32, N x channels x H x W in [-1, 1]. Latents are float32, N x latent x
    H / factor x W / factor, also where the networks compute in half precision.
    """

    @torch.no_grad()
    def encode(self, prompts: str | Sequence[str]) -> Tensor:
        """One caption or N captions as contexts, N x length x width; what is too long is cut.

        Raises ValueError where there is no caption, or what is none; "" is one.
        """
        texts = [prompts] if isinstance(prompts, str) else [*prompts]
        if not texts:
            raise ValueError("There is no caption in this list: to say nothing, give [''].")
        if others := [text for text in texts if not isinstance(text, str)]:
            raise ValueError(f"A caption is a string; this one is {others[0]!r:.80}.")
        ids = self.tokenizer.encode(texts).to(self.unet.conv_in.weight.device)
        return self.text_encoder(ids)[0]

    @torch.no_grad()
    def to_latents(self, images: Tensor) -> Tensor:
        """Latents of pictures, without noise. Raises ValueError as `check_pictures`."""
        images = self.like(check_pictures(images, self.vae.channels, self.multiple))
        parts = portions(images, images[0, 0].numel())
        return torch.cat([self.vae.to_latents(part) for part in parts]).float()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of latents, on the CPU."""
        parts = portions(self.like(latents), latents[0, 0].numel() * self.vae.factor**2)
        return torch.cat([self.vae.to_pictures(part) for part in parts]).float().cpu()

    def noise(self, number: int, generator: torch.Generator, size: int | None = None) -> Tensor:
        """Latents of nothing but noise, for so many pictures of `size` pixels a side."""
        size = self.size if size is None else size
        check_size(size, size, self.multiple)
        side = size // self.vae.factor
        return torch.randn(number, self.vae.latent, side, side, generator=generator)

    def path(self, steps: int, strength: float = 1.0) -> list[int]:
        """Times from noise to picture: the last int(strength * steps) strides of so many steps.

        Raises ValueError where strength is not in [0, 1].
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength lies in [0, 1], where 1 is all noise; not at {strength}.")
        times = spaced_path(self.spacing, self.schedule.T, steps)
        return times[steps - int(strength * steps) :]
