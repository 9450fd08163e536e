"""Train the emoji model's VAE: `python tools/train_emoji_vae.py`

The classes, loss and loop of lesson 12, at 64 x 64, on all drawings that are not held out, mirrored
at random. It runs on a GPU where there is one. Every 400 steps the state is written to
downloads/train_emoji_vae.safetensors, from where a run that was cut off goes on; the averaged
weights to data/checkpoints/emoji/vae, in half precision and in diffusers' layout; a line to its
curve.csv; and a picture of held-out drawings, above, and what comes back, below, to
downloads/emoji_vae.png. The scaling factor is measured on drawings of the training set. With
`--decoder` the decoder alone goes on, and the latents stay those that the U-Net was trained with.
`--help` lists the options.
"""

import copy
import sys

import imageio.v3 as imageio
import torch
from torch import Tensor, nn

from course_utils import ROOT, datasets, layout, plotting, scores, training
from course_utils.built.ema import EMA
from course_utils.built.vae import AutoencoderKL, vae_loss

sys.path.insert(0, str(ROOT))  # the folder of `tools`
from tools import long_run  # noqa: E402

STEPS, BATCH, LEARNING_RATE, SEED, EVERY = 6_400, 16, 2e-3, 0, 400
NETWORK = {"latent": 12, "widths": (16, 32, 64, 128), "blocks": 1, "groups": 1}  # to 8 x 8
KL_WEIGHT, EDGE_WEIGHT = 1e-6, 0.5
STATE = ROOT / "downloads" / "train_emoji_vae.safetensors"
PREVIEW = ROOT / "downloads" / "emoji_vae.png"
FOLDER = ROOT / "data" / "checkpoints" / "emoji" / "vae"


def loss_of(model: nn.Module, x: Tensor, generator: torch.Generator) -> Tensor:
    mirrored = torch.rand(len(x), 1, 1, 1, generator=generator).to(x.device) < 0.5
    x = torch.where(mirrored, x.flip(3), x)
    return vae_loss(model, x, generator, KL_WEIGHT, EDGE_WEIGHT)


@torch.no_grad()
def measured_scale(model: AutoencoderKL, images: Tensor) -> float:
    """1 / the standard deviation of the latents of `images`, sampled as training samples them."""
    where, generator = next(model.parameters()).device, torch.Generator().manual_seed(SEED)
    found = [model.encode(part.to(where)) for part in images.split(64)]
    drawn = [f.sample(torch.randn(f.mean.shape, generator=generator).to(where)) for f in found]
    return 1 / torch.cat(drawn).std().item()


@torch.no_grad()
def come_back(model: AutoencoderKL, images: Tensor) -> Tensor:
    """What the decoder makes of the latents' means, on the CPU."""
    where = next(model.parameters()).device
    parts = [model.decode(model.encode(part.to(where)).mean) for part in images.split(64)]
    return torch.cat(parts).clamp(-1, 1).cpu()


def write(model: AutoencoderKL, images: Tensor, unseen: Tensor, counts: dict[str, float]) -> None:
    """Write the folder, a line of its curve, and the picture."""
    model = copy.deepcopy(model).half().float()  # measured as it is written
    model.scale = measured_scale(model, images)
    back = come_back(model, unseen)
    counts["psnr_held_out"] = round(scores.psnr(back, unseen).mean().item(), 3)
    layout.save_vae(
        FOLDER,
        copy.deepcopy(model).half(),
        made_by="tools/train_emoji_vae.py",
        settings=f"batch {BATCH}, learning rate {LEARNING_RATE}, kl_weight {KL_WEIGHT}, "
        f"edge_weight {EDGE_WEIGHT}, half of the pictures mirrored, seed {SEED}",
        **counts,
    )
    long_run.add_to_curve(FOLDER / "curve.csv", counts)
    rows = [*unseen[:: len(unseen) // 15][:15], *back[:: len(unseen) // 15][:15]]
    lines = [torch.cat(rows[:15], dim=2), torch.cat(rows[15:], dim=2)]
    imageio.imwrite(PREVIEW, plotting.to_uint8(torch.cat(lines, dim=1)))
    print(f"held out: {counts['psnr_held_out']} dB, scale {model.scale:.3f}", flush=True)


def main(*arguments: str) -> None:
    alone = "as --go-on, but the encoder stays as it is, so that the U-Net still fits"
    asked = long_run.arguments(__doc__, arguments, STEPS, decoder=alone)
    asked.go_on |= asked.decoder
    long_run.join()
    generator, device = training.seed(SEED), training.device()
    images, unseen = datasets.emoji(64)[0], datasets.emoji(64, "held_out")[0]
    some = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED))[:512]]
    model = AutoencoderKL(**NETWORK).to(device)
    if asked.go_on:
        model.load_state_dict(layout.load_vae(FOLDER).state_dict())
    if asked.decoder:
        for part in (model.encoder, model.quant):
            part.requires_grad_(False)
    precision = training.autocast(device)
    steps = long_run.planned(asked, STATE, model, loss_of, (images,), BATCH, precision)
    long_run.begin_curve(FOLDER / "curve.csv", asked, STATE)
    ema = EMA(model)
    how = (steps, generator, BATCH, LEARNING_RATE, precision, EVERY)
    for step, seconds, loss in long_run.long_run(STATE, model, ema, loss_of, (images,), *how):
        write(ema.model, some, unseen, long_run.counted(step, seconds, loss))


if __name__ == "__main__":
    main(*sys.argv[1:])
