"""Stable Diffusion of any size: a latent diffusion model's parts and spaces (lesson 13)."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from course_utils.built.schedule import NoiseSchedule
from course_utils.built.timesteps import spaced_timesteps
from course_utils.built.tokenizer import Tokenizer


class StableDiffusion:
    """A latent diffusion model, by default in the manner of Stable Diffusion 1.x.

    tokenizer and text_encoder (`CLIPText`) read captions; unet (`UNet`) takes noise out of latents;
    vae (`AutoencoderKL`) makes them of images, float32 in [-1, 1], and back. prediction_type: what
    the U-Net predicts. spacing: a name for `spaced_timesteps`. size: height and width of images
    where none is asked for. precision: the U-Net's context while sampling: `autocast(device)`, say.
    Raises ValueError for parts that can't work together. (Rombach et al. 2022.)
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        text_encoder: nn.Module,
        unet: nn.Module,
        vae: nn.Module,
        schedule: NoiseSchedule,
        prediction_type: str = "epsilon",
        spacing: str = "stable_diffusion",
        size: int = 512,
        precision: AbstractContextManager | None = None,
    ):
        _check_parts(tokenizer, text_encoder, unet, vae)
        spaced_timesteps(spacing, 1000, 1)  # raises where there is none of this name
        self.tokenizer, self.text_encoder, self.unet, self.vae = tokenizer, text_encoder, unet, vae
        self.schedule, self.prediction_type, self.spacing = schedule, prediction_type, spacing
        self.size, self.precision = size, precision
        self.multiple = vae.factor * unet.multiple  # of which heights and widths are multiples
        _check_size(size, size, self.multiple)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "StableDiffusion":
        """Move the networks there, and give their weights this type; returns the model itself."""
        for part in (self.text_encoder, self.unet, self.vae):
            part.to(device=device, dtype=dtype)
        return self

    @torch.no_grad()
    def encode_prompt(self, prompts: str | Sequence[str]) -> Tensor:
        """One caption or N as text embeddings, N x length x width; what is too long is cut.

        Raises ValueError where there is no caption, or what is none; "" is one.
        """
        ids = self.tokenizer.encode(_checked_captions(prompts))
        return self.text_encoder(ids.to(self.unet.conv_in.weight.device))[0]

    @torch.no_grad()
    def to_latents(self, images: Tensor) -> Tensor:
        """Latents of images, without noise. Raises ValueError, with what to do, for no images."""
        images = _checked_images(images, self.vae.channels, self.multiple)
        parts = _portions(images.to(self.unet.conv_in.weight), images[0, 0].numel())
        return torch.cat([self.vae.to_latents(part) for part in parts]).float()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images of latents, on the CPU."""
        pixels = latents[0, 0].numel() * self.vae.factor**2
        parts = _portions(latents.to(self.unet.conv_in.weight), pixels)
        return torch.cat([self.vae.to_pictures(part) for part in parts]).float().cpu()


def prepare_latents(
    model: StableDiffusion, number: int, generator: torch.Generator, size: int | None = None
) -> Tensor:
    """Latents of nothing but noise, for so many images of `size` pixels a side."""
    size = model.size if size is None else size
    _check_size(size, size, model.multiple)
    side = size // model.vae.factor
    return torch.randn(number, model.vae.latent_channels, side, side, generator=generator)


def get_timesteps(model: StableDiffusion, steps: int, strength: float = 1.0) -> list[int]:
    """Timesteps from noise to image: those of the last int(strength * steps) of the steps.

    Raises ValueError where strength is not in [0, 1].
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength lies in [0, 1], where 1 is all noise; not at {strength}.")
    timesteps = spaced_timesteps(model.spacing, model.schedule.T, steps)
    return timesteps[steps - int(strength * steps) :]


def _portions(x: Tensor, pixels: int, most: int = 512 * 512) -> tuple[Tensor, ...]:
    """A batch in parts of at most so many pixels, but one image at least, to save memory.

    pixels: of one image.
    """
    return x.split(max(1, most // pixels))


def _checked_captions(prompts: str | Sequence[str]) -> list[str]:
    texts = [prompts] if isinstance(prompts, str) else [*prompts]
    if not texts:
        raise ValueError("There is no caption in this list: to say nothing, give [''].")
    if others := [text for text in texts if not isinstance(text, str)]:
        raise ValueError(f"A caption is a string; this one is {others[0]!r:.80}.")
    return texts


def _check_parts(
    tokenizer: Tokenizer, text_encoder: nn.Module, unet: nn.Module, vae: nn.Module
) -> None:
    """Raise ValueError where these can't work together."""
    words = len(text_encoder.token_embedding.weight)
    positions = text_encoder.position_embedding.num_embeddings
    if len(tokenizer.vocab) != words or tokenizer.length > positions:
        raise ValueError(
            f"The text encoder has {words} tokens and {positions} positions, its tokenizer "
            f"{len(tokenizer.vocab)} and {tokenizer.length}: they are of different models."
        )
    width = text_encoder.token_embedding.embedding_dim
    if (unet.cross_attention_dim, unet.channels) != (width, vae.latent_channels):
        raise ValueError(
            f"The U-Net takes {unet.channels} channels and embeddings of "
            f"{unet.cross_attention_dim}; the VAE gives {vae.latent_channels}, the text encoder "
            f"{width}: they are of different models."
        )


def _check_size(height: int, width: int, multiple: int) -> None:
    """Raise ValueError where images of this size can't be halved as often as they must be."""
    if min(height, width) < multiple or height % multiple or width % multiple:
        near = [max(multiple, round(n / multiple) * multiple) for n in (height, width)]
        raise ValueError(
            f"Height and width are multiples of {multiple} here, not {height} x {width}: crop or "
            f"resize to {near[0]} x {near[1]}."
        )


def _checked_images(images: Tensor, channels: int, multiple: int) -> Tensor:
    """The images, N x channels x H x W; the one channel of a grey image is repeated.

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
    _check_size(*images.shape[2:], multiple)
    return images.expand(-1, channels, -1, -1)
