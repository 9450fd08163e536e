"""Compare sizes of latents by what diffusion makes of them: a row for each size.

For each a VAE and then a U-Net are trained from nothing, each for the same minutes; the text
encoder is that of data/checkpoints/emoji. A row says how well held-out drawings come back from the
VAE, and what the emoji's classifiers read in pictures of 500 captions of the training set. No
weights are kept.
"""

import argparse
import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from course_utils import diffusers_format, training
from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.built.vae import AutoencoderKL
from course_utils.data import datasets
from course_utils.evaluation import emoji_classifiers, scores
from tools.score import emoji
from tools.train import emoji_unet, emoji_vae
from tools.train.emoji_captions import caption_ids
from tools.train.loop import Settings, fit

CHECKPOINT = scores.CHECKPOINTS / "emoji"
LATENTS = ("8x8x8", "8x8x12", "8x8x16", "16x16x4")
SEEDS = 1
SETTINGS = ("latents", "vae_minutes", "unet_minutes", "pictures", "seed")
FOUND = ("vae_weights", "vae_steps", "psnr_held_out", "unet_weights", "unet_steps")
READ = ("style", "concept", "top_five", "similarity")
COLUMNS = ("checkpoint", *SETTINGS, *FOUND, *READ, "seconds", "threads", "processor", "command")


def networks(latents: str) -> tuple[dict, dict]:
    """The arguments of the VAE and the U-Net for latents such as "8x8x12".

    A grid of 16 x 16 has a level less in the VAE, and one more in the U-Net, which is half as wide.
    Raises ValueError for other grids.
    """
    asked = re.fullmatch(r"(8x8|16x16)x([1-9]\d*)", latents)
    if asked is None:
        raise ValueError(f"The grids are 8x8 and 16x16, as in 8x8x12; not {latents!r}.")
    vae = emoji_vae.SETTINGS.network | {"latent_channels": int(asked[2])}
    unet = dict(emoji_unet.SETTINGS.network)
    if asked[1] == "16x16":
        vae["widths"] = vae["widths"][:-1]
        unet["widths"] = (unet["widths"][0] // 2, *unet["widths"])
        unet["attend"] = (False, *unet["attend"])
    return vae, unet


def trained(
    settings: Settings,
    model: nn.Module,
    loss_of: Callable[..., Tensor],
    data: tuple,
    minutes: float,
) -> tuple[nn.Module, dict]:
    """The average of the model after so many minutes; its weights and steps as columns."""
    stage = settings.name.removeprefix("emoji_")
    settings = replace(settings, name=f"latents_{stage}", every=10**9)  # one save, at the end
    (saved,) = fit(settings, model, loss_of, data, minutes=minutes)
    weights = sum(p.numel() for p in model.parameters())
    return saved.model, {f"{stage}_weights": weights, f"{stage}_steps": saved.step}


def trained_vae(network: dict, minutes: float, seed: int) -> tuple[AutoencoderKL, dict]:
    """A VAE after so many minutes, with its scale; and its columns."""
    images, unseen = datasets.emoji(64)[0], datasets.emoji(64, "held_out")[0]
    settings = replace(emoji_vae.SETTINGS, network=network, seed=seed)
    vae, loss = AutoencoderKL(**network).to(training.device()), partial(emoji_vae.loss_of, settings)
    vae, row = trained(settings, vae, loss, (images,), minutes)
    some = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:512]
    vae.scaling_factor = emoji_vae.measured_scale(vae, images[some])
    psnr = scores.psnr(emoji_vae.come_back(vae, unseen), unseen).mean().item()
    return vae, row | {"psnr_held_out": f"{psnr:.2f}"}


def trained_unet(
    network: dict, vae: AutoencoderKL, pipe: StableDiffusion, minutes: float, seed: int
) -> tuple[StableDiffusion, dict]:
    """A model whose U-Net was trained for so many minutes on the latents of `vae`; its columns."""
    device, tokenizer, text = training.device(), pipe.tokenizer, pipe.text_encoder
    images, _, drawings = datasets.emoji(64)
    data = (emoji_unet.encoded(vae, images), *caption_ids(tokenizer, drawings))
    settings = replace(emoji_unet.SETTINGS, network=network, seed=seed)
    loss = emoji_unet.CaptionedLoss(settings, tokenizer, text, device)
    unet = emoji_unet.build(settings, vae, text).to(device)
    unet, row = trained(settings, unet, loss, data, minutes)
    return emoji_unet.pipeline(settings, tokenizer, text, unet, vae), row


def measure(pipe: StableDiffusion, values: dict) -> dict:
    """Train for one row's settings, with the text encoder of `pipe`; its measured columns."""
    started, seed = time.perf_counter(), values["seed"]
    vae_network, unet_network = networks(values["latents"])
    torch.manual_seed(seed)
    vae, row = trained_vae(vae_network, values["vae_minutes"], seed)
    model, more = trained_unet(unet_network, vae, pipe, values["unet_minutes"], seed)
    row |= more | read(model, values["pictures"], seed)
    return row | {"seconds": round(time.perf_counter() - started)}


def read(model: StableDiffusion, number: int, seed: int) -> dict[str, str]:
    """What the classifiers read in pictures of so many captions of the training set.

    similarity: the mean cosine between a picture and its concept's name.
    """
    asked = emoji.group("seen", number)
    pictures = emoji.draw(model, asked, seed, guidance=3.0, steps=20)
    found = emoji_classifiers.score(pictures, asked)
    cosines = emoji_classifiers.similarity(pictures, [drawing.concept for drawing in asked])
    found["similarity"] = cosines.diag().mean().item()
    return {name: f"{found[name]:.4f}" for name in READ}


def options(add: Callable) -> None:
    add("--latents", nargs="+", default=[*LATENTS], help="height x width x channels")
    add("--vae-minutes", type=float, default=6.0, help="for each VAE")
    add("--unet-minutes", type=float, default=7.0, help="for each U-Net")
    add("--pictures", type=int, default=500, help="drawn for each row")


def adjusted(row: dict) -> dict:
    return row


def measurer(asked: argparse.Namespace) -> Callable[[dict], dict]:
    return partial(measure, diffusers_format.load_pipeline(asked.checkpoint))
