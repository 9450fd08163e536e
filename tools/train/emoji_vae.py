"""Lesson 12's VAE at 64 x 64, on emoji: `python -m tools.train emoji vae`

The same classes, loss and loop, on all drawings that are not held out, mirrored at random. The
averaged weights go to data/checkpoints/emoji/vae in half precision and in diffusers' format, with
their curve; a picture of held-out drawings, above, and what comes back, below, to
downloads/emoji_vae.png. With `--decoder` the decoder alone goes on, and the latents stay those that
the U-Net was trained with.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import imageio.v3 as imageio
import torch
from torch import Tensor, nn

from course_utils import diffusers_format, training
from course_utils.built.vae import AutoencoderKL, vae_loss
from course_utils.data import datasets
from course_utils.evaluation import scores
from course_utils.notebook import plotting
from tools.train import loop


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    kl_weight: float = 1e-6
    edge_weight: float = 0.5
    decoder: bool = False  # alone, from the weights that are there


SETTINGS = Settings(
    name="emoji_vae",
    # to 8 x 8
    network=dict(latent_channels=12, widths=(16, 32, 64, 128), layers_per_block=1, groups=1),
    steps=6400,
    batch_size=16,
    learning_rate=2e-3,
    every=400,
)
ALL = (SETTINGS,)


def loss_of(settings: Settings, model: nn.Module, x: Tensor, generator: torch.Generator) -> Tensor:
    mirrored = torch.rand(len(x), 1, 1, 1, generator=generator).to(x.device) < 0.5
    x = torch.where(mirrored, x.flip(3), x)
    return vae_loss(model, x, generator, settings.kl_weight, settings.edge_weight)


@torch.no_grad()
def measured_scale(model: AutoencoderKL, images: Tensor, seed: int = 0) -> float:
    """1 / the standard deviation of the latents of `images`, sampled as training samples them."""
    where, generator = next(model.parameters()).device, torch.Generator().manual_seed(seed)
    found = [model.encode(part.to(where)) for part in images.split(64)]
    drawn = [f.sample(torch.randn(f.mean.shape, generator=generator).to(where)) for f in found]
    return 1 / torch.cat(drawn).std().item()


@torch.no_grad()
def come_back(model: AutoencoderKL, images: Tensor) -> Tensor:
    """What the decoder makes of the latents' means, on the CPU."""
    where = next(model.parameters()).device
    parts = [model.decode(model.encode(part.to(where)).mean) for part in images.split(64)]
    return torch.cat(parts).clamp(-1, 1).cpu()


def write(saved: loop.Saved, images: Tensor, unseen: Tensor, folder: Path) -> None:
    """Write the folder, a line of its curve, and the picture."""
    model = saved.half().float()  # measured as it is written
    model.scaling_factor = measured_scale(model, images, saved.settings.seed)
    back = come_back(model, unseen)
    found = {"psnr_held_out": round(scores.psnr(back, unseen).mean().item(), 3)}
    diffusers_format.save_vae(folder, model.half(), **saved.notes(), **found)
    loop.add_to_curve(folder / "curve.csv", saved, **found)
    chosen = slice(None, None, len(unseen) // 15)
    rows = [torch.cat([*images[chosen][:15]], dim=2) for images in (unseen, back)]
    imageio.imwrite(loop.DOWNLOADS / "emoji_vae.png", plotting.to_uint8(torch.cat(rows, dim=1)))
    print(f"held out: {found['psnr_held_out']} dB, scale {model.scaling_factor:.3f}", flush=True)


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    folder = loop.CHECKPOINTS / "emoji" / "vae"
    images, unseen = datasets.emoji(64)[0], datasets.emoji(64, "held_out")[0]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(settings.seed))
    model = AutoencoderKL(**settings.network).to(training.device())
    if settings.decoder:
        settings = replace(settings, from_weights=True)
        for part in (model.encoder, model.quant_conv):
            part.requires_grad_(False)
    if settings.from_weights:
        model.load_state_dict(diffusers_format.load_vae(folder).state_dict())
    for saved in loop.fit(settings, model, partial(loss_of, settings), (images,), **how):
        write(saved, images[order[:512]], unseen, folder)
