"""Train the emoji model's U-Net: `python tools/train_emoji_unet.py`

The classes and the objective of lesson 11, on latents of the drawings that are not held out, told
by the frozen text encoder. VAE and text encoder are read from data/checkpoints/emoji; the averaged
weights are written there, in half precision and in diffusers' layout, with their curve. What they
draw for 64 captions goes to downloads/emoji_unet.png, and the state, from where a run that was cut
off goes on, to downloads/train_emoji_unet.safetensors. `--help` lists the options.
"""

import copy
import sys

import imageio.v3 as imageio
import torch
from torch import Tensor, nn

from course_utils import ROOT, datasets, layout, plotting, training
from course_utils.built.ema import EMA
from course_utils.built.guidance import context_loss
from course_utils.built.pipeline import StableDiffusion
from course_utils.built.schedule import NoiseSchedule, cosine_betas
from course_utils.built.unet import UNet

sys.path.insert(0, str(ROOT))  # the folder of `tools`
from tools import long_run  # noqa: E402
from tools.emoji_text import caption_ids, draw_captions  # noqa: E402

STEPS, BATCH, LEARNING_RATE, DROP, SEED, EVERY = 2600, 64, 1e-3, 0.1, 0, 400
NETWORK = {"widths": (128, 160), "attend": (False, True), "blocks": 1, "heads": 4, "groups": 8}
SCHEDULE, KIND, SPACING = NoiseSchedule(cosine_betas(1000)), "v", "even"
STATE = ROOT / "downloads" / "train_emoji_unet.safetensors"
PREVIEW = ROOT / "downloads" / "emoji_unet.png"
FOLDER = ROOT / "data" / "checkpoints" / "emoji"


class Told:
    """The objective, told a caption drawn for each drawing by a frozen text encoder."""

    def __init__(self, tokenizer, text: nn.Module, device: torch.device):
        self.text = text.to(device).eval().requires_grad_(False)
        self.null = self.text(tokenizer.encode("").to(device))[0]

    def __call__(
        self, model: UNet, latents: Tensor, styled: Tensor, plain: Tensor, generator
    ) -> Tensor:
        with torch.no_grad():
            context = self.text(draw_captions(styled, plain, generator))[0]
        return context_loss(model, latents, context, generator, SCHEDULE, KIND, self.null, DROP)


@torch.no_grad()
def encoded(vae: nn.Module, images: Tensor) -> Tensor:
    """The latents of N drawings, scaled for diffusion: encoded once, not at each step."""
    where = next(vae.parameters()).device
    return torch.cat([vae.to_latents(part.to(where)).cpu() for part in images.split(64)])


def prompts(number: int = 64) -> list[str]:
    """The first captions of a seeded shuffle of all drawings that are not held out."""
    captions = datasets.emoji(16)[1]
    order = torch.randperm(len(captions), generator=torch.Generator().manual_seed(SEED))
    return [captions[i][0] for i in order[:number]]


def write(pipe: StableDiffusion, unet: UNet, told: list[str], counts: dict[str, float]) -> None:
    """Write the U-Net and its scheduler, a line of its curve, and what it draws."""
    pipe.unet = copy.deepcopy(unet).half().float()
    layout.save_unet(
        FOLDER / "unet",
        copy.deepcopy(unet).half(),
        sample_size=8,
        made_by="tools/train_emoji_unet.py",
        settings=f"{NETWORK}, batch {BATCH}, learning rate {LEARNING_RATE}, captions dropped "
        f"{DROP:.0%}, seed {SEED}",
        **counts,
    )
    layout.save_scheduler(FOLDER / "scheduler", SCHEDULE, KIND, SPACING)
    layout.save_index(FOLDER)
    long_run.add_to_curve(FOLDER / "unet" / "curve.csv", counts)
    generator = torch.Generator().manual_seed(SEED)
    drawn = pipe.text_to_image(told, generator, steps=20, guidance=3.0, sampler="dpmpp_2m")
    rows = [torch.cat([*row], dim=2) for row in drawn.cpu().split(16)]
    imageio.imwrite(PREVIEW, plotting.to_uint8(torch.cat(rows, dim=1)))


def main(*arguments: str) -> None:
    asked = long_run.arguments(__doc__, arguments, STEPS)
    long_run.join()
    generator, device = training.seed(SEED), training.device()
    tokenizer = layout.load_tokenizer(FOLDER / "tokenizer")
    text = layout.load_text_encoder(FOLDER / "text_encoder")
    vae = layout.load_vae(FOLDER / "vae").to(device).eval()
    images, _, drawings = datasets.emoji(64)
    data = (encoded(vae, images), *caption_ids(tokenizer, drawings))
    model = UNet(vae.latent, **NETWORK, context_width=text.norm.normalized_shape[0]).to(device)
    if asked.go_on:
        model.load_state_dict(layout.load_unet(FOLDER / "unet").state_dict())
    told, precision = Told(tokenizer, text, device), training.autocast(device)
    steps = long_run.planned(asked, STATE, model, told, data, BATCH, precision)
    long_run.begin_curve(FOLDER / "unet" / "curve.csv", asked, STATE)
    ema = EMA(model)
    pipe = StableDiffusion(tokenizer, text, ema.model, vae, SCHEDULE, KIND, SPACING, size=64)
    how = (steps, generator, BATCH, LEARNING_RATE, precision, EVERY)
    for step, seconds, loss in long_run.long_run(STATE, model, ema, told, data, *how):
        write(pipe, ema.model, prompts(), long_run.counted(step, seconds, loss))


if __name__ == "__main__":
    main(*sys.argv[1:])
