"""The emoji model's U-Net: `python -m tools.train emoji unet`

The classes and the objective of lesson 11, on latents of the drawings that are not held out,
conditional on the frozen text encoder. VAE and text encoder are read from data/checkpoints/emoji;
the averaged weights are written there, in half precision and in diffusers' format, with their
curve. What they draw for 64 captions goes to downloads/emoji_unet.png.
"""

from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as imageio
import torch
from torch import Tensor, nn

from course_utils import diffusers_format, training
from course_utils.built import text_to_image
from course_utils.built.diffusion import diffusion_loss
from course_utils.built.guidance import drop_cond
from course_utils.built.schedule import NoiseSchedule, cosine_betas
from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.built.unet import UNet
from course_utils.data import datasets
from course_utils.notebook import plotting
from tools.train import loop
from tools.train.emoji_captions import caption_ids, draw_captions

SCHEDULE = NoiseSchedule(cosine_betas(1000))


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    prediction_type: str = "v_prediction"
    spacing: str = "trailing"  # of the timesteps it draws with
    drop: float = 0.1  # the part of captions that is left out, for guidance


SETTINGS = Settings(
    name="emoji_unet",
    network=dict(widths=(128, 160), attend=(False, True), layers_per_block=1, heads=4, groups=8),
    steps=2600,
    batch_size=64,
    learning_rate=1e-3,
    every=400,
)
ALL = (SETTINGS,)


class CaptionedLoss:
    """The objective, with a caption drawn for each drawing, read by a frozen text encoder."""

    def __init__(self, settings: Settings, tokenizer, text: nn.Module, device: torch.device):
        self.settings, self.text = settings, text.to(device).eval().requires_grad_(False)
        self.null = self.text(tokenizer.encode("").to(device))[0]

    def __call__(
        self, model: UNet, latents: Tensor, styled: Tensor, plain: Tensor, generator
    ) -> Tensor:
        with torch.no_grad():
            cond = self.text(draw_captions(styled, plain, generator))[0]
        cond = drop_cond(cond, self.null, self.settings.drop, generator)
        how = (SCHEDULE, self.settings.prediction_type)
        return diffusion_loss(model, latents, cond, generator, *how)


def build(settings: Settings, vae: nn.Module, text: nn.Module) -> UNet:
    width = text.final_layer_norm.normalized_shape[0]
    return UNet(vae.latent_channels, **settings.network, cross_attention_dim=width)


def pipeline(settings: Settings, tokenizer, text, unet: UNet, vae: nn.Module) -> StableDiffusion:
    parts = (tokenizer, text, unet, vae)
    return StableDiffusion(*parts, SCHEDULE, settings.prediction_type, settings.spacing, size=64)


@torch.no_grad()
def encoded(vae: nn.Module, images: Tensor) -> Tensor:
    """The latents of N drawings, scaled for diffusion: encoded once, not at each step."""
    where = next(vae.parameters()).device
    return torch.cat([vae.to_latents(part.to(where)).cpu() for part in images.split(64)])


def prompts(number: int = 64) -> list[str]:
    """The first captions of a seeded shuffle of all drawings that are not held out."""
    captions = datasets.emoji(16)[1]
    order = torch.randperm(len(captions), generator=torch.Generator().manual_seed(0))
    return [captions[i][0] for i in order[:number]]


def write(saved: loop.Saved, pipe: StableDiffusion, folder: Path) -> None:
    """Write the U-Net and its scheduler, a line of its curve, and what it draws."""
    settings, pipe.unet = saved.settings, saved.half().float()
    diffusers_format.save_unet(folder / "unet", saved.half(), sample_size=8, **saved.notes())
    how = (settings.prediction_type, settings.spacing)
    diffusers_format.save_scheduler(folder / "scheduler", SCHEDULE, *how)
    diffusers_format.save_index(folder)
    loop.add_to_curve(folder / "unet" / "curve.csv", saved)
    generator = torch.Generator().manual_seed(settings.seed)
    how = dict(steps=20, guidance=3.0, sampler="dpmpp_2m")
    drawn = text_to_image(pipe, prompts(), generator, **how).cpu()
    rows = [torch.cat([*row], dim=2) for row in drawn.split(16)]
    imageio.imwrite(loop.DOWNLOADS / "emoji_unet.png", plotting.to_uint8(torch.cat(rows, dim=1)))


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    folder, device = loop.CHECKPOINTS / "emoji", training.device()
    tokenizer = diffusers_format.load_tokenizer(folder / "tokenizer")
    text = diffusers_format.load_text_encoder(folder / "text_encoder")
    vae = diffusers_format.load_vae(folder / "vae").to(device).eval()
    images, _, drawings = datasets.emoji(64)
    data = (encoded(vae, images), *caption_ids(tokenizer, drawings))
    model = build(settings, vae, text).to(device)
    if settings.from_weights:
        model.load_state_dict(diffusers_format.load_unet(folder / "unet").state_dict())
    loss = CaptionedLoss(settings, tokenizer, text, device)
    pipe = pipeline(settings, tokenizer, text, model, vae)
    for saved in loop.fit(settings, model, loss, data, **how):
        write(saved, pipe, folder)
