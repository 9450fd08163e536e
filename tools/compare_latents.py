"""Compare sizes of latents by what diffusion makes of them: `python tools/compare_latents.py`

For each size a VAE and then a U-Net are trained from nothing, each for the same minutes; the text
encoder is that of data/checkpoints/emoji. A row in data/scores/latents.csv says how well held-out
drawings come back from the VAE, and what the emoji's judges read in pictures of 500 captions of the
training set. No weights are kept, and a row that is there is not measured again. `--help` lists the
settings.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn

from course_utils import ROOT, datasets, emoji_judges, layout, scores, training
from course_utils.built.ema import EMA
from course_utils.built.pipeline import StableDiffusion
from course_utils.built.train import train
from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL

sys.path.insert(0, str(ROOT))  # the folder of `tools`
from tools import long_run, score_emoji, train_emoji_unet, train_emoji_vae  # noqa: E402
from tools.emoji_text import caption_ids  # noqa: E402
from tools.score_table import about, add_missing  # noqa: E402

FILE = scores.MEASURED / "latents.csv"
FOLDER = scores.CHECKPOINTS / "emoji"
LATENTS = ("8x8x8", "8x8x12", "8x8x16", "16x16x4")
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
    vae, unet = train_emoji_vae.NETWORK | {"latent": int(asked[2])}, dict(train_emoji_unet.NETWORK)
    if asked[1] == "16x16":
        vae["widths"] = vae["widths"][:-1]
        unet["widths"] = (unet["widths"][0] // 2, *unet["widths"])
        unet["attend"] = (False, *unet["attend"])
    return vae, unet


def trained(
    model: nn.Module,
    loss_of: Callable[..., Tensor],
    data: tuple[Tensor, ...],
    minutes: float,
    batch: int,
    learning_rate: float,
    seed: int,
) -> tuple[nn.Module, int]:
    """The average of the model after so many minutes, and the steps that fitted in."""
    precision, ema = training.autocast(training.device()), EMA(model)
    steps = long_run.steps_within(minutes, model, loss_of, data, batch, precision)
    generator = torch.Generator().manual_seed(seed)
    for _ in train(model, loss_of, data, steps, generator, batch, learning_rate, precision):
        ema.update(model)
    return ema.model.eval(), steps


def trained_vae(made: dict, minutes: float, seed: int) -> tuple[AutoencoderKL, dict]:
    """A VAE after so many minutes, with its scale; and its columns."""
    images, unseen = datasets.emoji(64)[0], datasets.emoji(64, "held_out")[0]
    tool = train_emoji_vae
    how = (tool.loss_of, (images,), minutes, tool.BATCH, tool.LEARNING_RATE, seed)
    vae, steps = trained(AutoencoderKL(**made).to(training.device()), *how)
    some = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:512]
    vae.scale = tool.measured_scale(vae, images[some])
    psnr = scores.psnr(tool.come_back(vae, unseen), unseen).mean().item()
    return vae, {"vae_weights": count(vae), "vae_steps": steps, "psnr_held_out": f"{psnr:.2f}"}


def trained_unet(
    made: dict, vae: AutoencoderKL, pipe: StableDiffusion, minutes: float, seed: int
) -> tuple[UNet, dict]:
    """A U-Net after so many minutes on the latents of `vae`; and its columns."""
    tool, device, text = train_emoji_unet, training.device(), pipe.text_encoder
    images, _, drawings = datasets.emoji(64)
    data = (tool.encoded(vae, images), *caption_ids(pipe.tokenizer, drawings))
    told = tool.Told(pipe.tokenizer, text, device)
    unet = UNet(vae.latent, **made, context_width=text.norm.normalized_shape[0]).to(device)
    unet, steps = trained(unet, told, data, minutes, tool.BATCH, tool.LEARNING_RATE, seed)
    return unet, {"unet_weights": count(unet), "unet_steps": steps}


def measure(pipe: StableDiffusion, values: dict) -> dict:
    """Train for one row's settings, told by the text encoder of `pipe`; its measured columns."""
    started, seed = time.perf_counter(), values["seed"]
    vae_made, unet_made = networks(values["latents"])
    torch.manual_seed(seed)
    vae, row = trained_vae(vae_made, values["vae_minutes"], seed)
    unet, more = trained_unet(unet_made, vae, pipe, values["unet_minutes"], seed)
    tool, parts = train_emoji_unet, (pipe.tokenizer, pipe.text_encoder, unet, vae)
    model = StableDiffusion(*parts, tool.SCHEDULE, tool.KIND, tool.SPACING, size=64)
    row |= more | read(model, values["pictures"], seed)
    return row | {"seconds": round(time.perf_counter() - started)}


def read(model: StableDiffusion, number: int, seed: int) -> dict[str, str]:
    """What the judges read in pictures of so many captions of the training set.

    similarity: the mean cosine between a picture and its concept's name.
    """
    asked = score_emoji.group("seen", number)
    pictures = score_emoji.draw(model, asked, seed, guidance=3.0, steps=20)
    found = emoji_judges.score(pictures, asked)
    cosines = emoji_judges.similarity(pictures, [drawing.concept for drawing in asked])
    found["similarity"] = cosines.diag().mean().item()
    return {name: f"{found[name]:.4f}" for name in READ}


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(": `")[0])
    parser.add_argument("--latents", nargs="+", default=LATENTS, help="height x width x channels")
    parser.add_argument("--vae-minutes", type=float, default=6.0, help="for each VAE")
    parser.add_argument("--unet-minutes", type=float, default=7.0, help="for each U-Net")
    parser.add_argument("--pictures", type=int, default=500, help="drawn for each row")
    parser.add_argument("--seeds", type=int, default=1)
    return parser.parse_args(arguments)


def main(*arguments: str) -> None:
    asked = options([*arguments])
    pipe = layout.load_pipeline(FOLDER)
    how = (asked.vae_minutes, asked.unet_minutes, asked.pictures)
    pairs = product(range(asked.seeds), asked.latents)
    wanted = (dict(zip(SETTINGS, (name, *how, seed), strict=True)) for seed, name in pairs)
    origin = about("compare_latents", FOLDER, arguments)
    add_missing(FILE, COLUMNS, origin, wanted, partial(measure, pipe))


if __name__ == "__main__":
    main(*sys.argv[1:])
