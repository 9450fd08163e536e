"""Lesson 12's VAE, for all that people type: `python -m tools.train emoji vae`

Its classes and loss, on drawings as they are and edited, 64 x 64 to 16 x 16 x 4. The channels of
the latents are evened in what is written. `python -m tools.train emoji finish` then trains the
decoder on, on drawings of which more are edited, with a perceptual loss beside the other: how far
the features are, of what comes back, that the classifier of styles sees in lines and shading
(Johnson, Alahi and Fei-Fei 2016). The latents stay as they are, so a U-Net may be trained on them
before. The folder goes to data/checkpoints/emoji/vae with its curves; a picture of held-out
drawings, above, and what comes back, below, to downloads.
"""

from dataclasses import dataclass, field, replace
from functools import partial

import imageio.v3 as imageio
import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from course_utils import diffusers_format, training
from course_utils.built.vae import AutoencoderKL, edges
from course_utils.data import datasets, emoji_examples
from course_utils.evaluation import emoji_styles, scores
from course_utils.notebook import plotting
from tools.train import loop

MORE_EDITED = {"plain": 0.45, "coloured": 0.2, "background": 0.2, "pair": 0.1, "small": 0.05}
SEEN = (1, 3)
"""Of the classifier's layers, those whose features are compared: at 32 x 32 and 16 x 16."""
FOLDER = loop.CHECKPOINTS / "emoji"


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    rounds: int = 3  # of examples: as many as so many times the drawings
    shares: dict = field(default_factory=lambda: dict(emoji_examples.SHARES))
    kl_weight: float = 1e-6
    edge_weight: float = 0.5
    feature_weight: float = 0.0  # of the perceptual loss


SETTINGS = Settings(
    name="emoji_vae",
    network=dict(latent_channels=4, widths=(16, 32, 76), layers_per_block=1, groups=1),
    steps=10_000,
    batch_size=16,
    learning_rate=3e-3,
    every=250,
)
FINISH = replace(
    SETTINGS,
    name="emoji_finish",
    steps=1500,
    learning_rate=1e-3,
    every=150,
    shares=MORE_EDITED,
    feature_weight=0.1,
)
ALL = (SETTINGS, FINISH)


def features(images: Tensor) -> list[Tensor]:
    """What the classifier of styles sees in images N x 3 x 64 x 64, at 32 x 32 and 16 x 16."""
    found, x = [], images
    for i, layer in enumerate(emoji_styles.classifier().body[: max(SEEN) + 1]):
        x = layer(x)
        found += [x] if i in SEEN else []
    return found


def perceptual(back: Tensor, images: Tensor) -> Tensor:
    """The mean absolute difference of the features, in standard deviations of each channel."""
    with torch.no_grad():
        wanted = features(images)
    return sum(
        ((a - b).abs() / b.float().std((0, 2, 3), keepdim=True).clamp(min=1e-3)).mean()
        for a, b in zip(features(back), wanted, strict=True)
    )


def loss_of(
    settings: Settings, model: AutoencoderKL, x: Tensor, generator: torch.Generator
) -> Tensor:
    """Lesson 12's loss and, where it counts, the features' distance; half are mirrored."""
    x = x.float() / 127.5 - 1
    turn = torch.rand(len(x), 1, 1, 1, generator=generator).to(x.device) < 0.5
    x = torch.where(turn, x.flip(3), x).to(memory_format=torch.channels_last)
    found = model.encode(x)
    noise = torch.randn(found.mean.shape, generator=generator).to(x.device)
    back = model.decode(found.sample(noise))
    sharp = sum(l1_loss(a, b) for a, b in zip(edges(back), edges(x), strict=True))
    loss = l1_loss(back, x) + settings.edge_weight * sharp + settings.kl_weight * found.kl().mean()
    if settings.feature_weight:
        loss = loss + settings.feature_weight * perceptual(back, x)
    return loss


@torch.no_grad()
def even_channels(model: AutoencoderKL, images: Tensor) -> None:
    """Give each channel of the latents mean 0 and standard deviation 1, without other changes.

    The two 1 x 1 convolutions around the latents take the means and scales in: (z - m) / s before,
    s z + m after. So noise drowns no channel earlier than another.
    """
    z = torch.cat([model.encode(part).mean for part in images.split(64)])
    mean, std, n = z.mean((0, 2, 3)), z.std((0, 2, 3)), model.latent_channels
    before, after = model.quant_conv, model.post_quant_conv
    before.weight[:n] /= std[:, None, None, None]
    before.bias[:n] = (before.bias[:n] - mean) / std
    before.bias[n:] -= 2 * std.log()  # the log-variances
    after.bias += (after.weight[:, :, 0, 0] * mean).sum(1)
    after.weight *= std[None, :, None, None]


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


def quality(model: AutoencoderKL, images: Tensor) -> dict[str, float]:
    """Decibels, and how strong the edges of what comes back are, in parts of the originals'."""
    back = come_back(model, images)
    strength = [sum(part.abs().mean() for part in edges(x)) for x in (back, images)]
    decibels = scores.psnr(back, images).mean().item()
    return {"psnr": round(decibels, 3), "edges": round((strength[0] / strength[1]).item(), 4)}


def unseen() -> dict[str, Tensor]:
    """Held-out drawings as they are, and those of them that are edited."""
    pictures, shown = emoji_examples.examples(1, 1, part="held_out")
    edited = [i for i, e in enumerate(shown) if e.kind in {"background", "pair", "coloured"}]
    edited = pictures[edited].float() / 127.5 - 1
    return {"held_out": datasets.emoji(64, "held_out")[0], "edited": edited}


def write(saved: loop.Saved, some: Tensor, kinds: dict[str, Tensor]) -> None:
    """Write the folder, measured as it is written; a line of its curve; a picture."""
    model, finish = saved.half().float(), saved.settings.name == FINISH.name
    if not finish:
        even_channels(model, some)
        model = model.half().float()
        model.scaling_factor = measured_scale(model, some, saved.settings.seed)
    every = {kind: quality(model, images) for kind, images in kinds.items()}
    found = {f"{k}_{kind}": v for kind, each in every.items() for k, v in each.items()}
    print(found, flush=True)
    folder = FOLDER / "vae"
    diffusers_format.save_vae(folder, model.half(), **saved.notes(), **found)
    loop.add_to_curve(folder / ("finish.csv" if finish else "curve.csv"), saved, **found)
    model, rows = model.float(), []
    for images in kinds.values():
        few = images[:: len(images) // 15][:15]
        rows += [torch.cat([*few], dim=2), torch.cat([*come_back(model, few)], dim=2)]
    shown = loop.DOWNLOADS / f"{saved.settings.name}.png"
    imageio.imwrite(shown, plotting.to_uint8(torch.cat(rows, dim=1)))


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    pictures = emoji_examples.examples(settings.rounds, settings.seed, shares=settings.shares)[0]
    some = datasets.emoji(64)[0]
    order = torch.randperm(len(some), generator=torch.Generator().manual_seed(settings.seed))
    if settings.name == FINISH.name:
        model = diffusers_format.load_vae(FOLDER / "vae").float()
        emoji_styles.classifier().requires_grad_(False).to(training.device())
        model.requires_grad_(False).decoder.requires_grad_(True)
        model.post_quant_conv.requires_grad_(True)
    else:
        model = AutoencoderKL(**settings.network)
    if settings.from_weights:
        model.load_state_dict(diffusers_format.load_vae(FOLDER / "vae").float().state_dict())
    model.to(training.device())
    for saved in loop.fit(settings, model, partial(loss_of, settings), (pictures,), **how):
        write(saved, some[order[:512]], unseen())
