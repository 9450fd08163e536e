"""The U-Net that draws what people type: `python -m tools.train emoji unet`

On the latents of `emoji vae` and the text encoder of `emoji text`, which is trained on, at a
third of the U-Net's rate. Muon trains the U-Net's matrices and convolutions, AdamW all else.
Pictures are drawings as they are and edited, encoded once; their captions are drawn anew at each
step. What people type is scored on the way, by classifiers that have seen nothing held out
(`tools/score_prompts.py`, the first seed): into curve.csv. All goes to
data/checkpoints/emoji, a folder that diffusers opens, and what it draws of 32 prompts to a picture
in downloads. A further leg begins with the weights that are there and a fresh optimizer:
`emoji further`, mostly of plain drawings; `emoji evened`, which also evens the styles; or
--from-weights.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import imageio.v3 as imageio
import torch
from torch import Tensor, nn

from course_utils import diffusers_format, training
from course_utils.built.diffusion import diffusion_loss
from course_utils.built.guidance import drop_cond
from course_utils.built.schedule import NoiseSchedule, cosine_betas
from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.built.unet import UNet
from course_utils.data import emoji_captions, emoji_examples
from course_utils.notebook import plotting
from tools import score_prompts
from tools.train import loop
from tools.train.emoji_vae import FOLDER

CAPTIONS = 8  # of each picture
SCHEDULE = NoiseSchedule(cosine_betas(1000))
SHARES = {"plain": 0.68, "coloured": 0.11, "background": 0.06, "pair": 0.09}
SHARES |= {"small": 0.02, "large": 0.02, "mirrored": 0.02}
"""Of the examples. Colours and places are learned within minutes, and things take hours."""
LATER = {"plain": 0.80, "coloured": 0.07, "background": 0.04, "pair": 0.06}
LATER |= {"small": 0.01, "large": 0.01, "mirrored": 0.01}
"""When colours and places are known."""


class Drawer(nn.Module):
    """What is trained together: the text encoder and the U-Net."""

    def __init__(self, text: nn.Module, unet: UNet):
        super().__init__()
        self.text, self.unet = text, unet


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    rounds: int = 5  # of examples: as many as so many times the drawings
    shares: dict = field(default_factory=lambda: dict(SHARES))
    often: dict = field(default_factory=dict)  # styles that are shown more often than the others
    styled: float = emoji_captions.OFTEN_STYLED  # the part of captions that names the style
    text_rate: float = 0.3  # the text encoder's learning rate, in parts of the U-Net's
    prediction_type: str = "v_prediction"
    spacing: str = "trailing"  # of the timesteps it draws with
    drop: float = 0.1  # the part of captions that is left out, for guidance

    def groups(self, model: Drawer, peak: float) -> list[dict]:
        matrices, others = [], []
        for name, weight in model.unet.named_parameters():
            inside = not {"conv_in", "conv_out", "time_embedding", "time_emb_proj"} & {
                *name.split(".")
            }
            (matrices if weight.ndim > 1 and inside else others).append(weight)
        return [
            {"params": matrices, "lr": peak, "muon": True},
            {"params": others, "lr": peak},
            {"params": [*model.text.parameters()], "lr": peak * self.text_rate},
        ]


WIDTHS = dict(widths=(64, 128, 224), attend=(False, False, True))
SETTINGS = Settings(
    name="emoji_unet",
    network=dict(**WIDTHS, layers_per_block=1, heads=4, groups=8),
    steps=12_000,
    batch_size=128,
    learning_rate=1.2e-3,
    every=1000,
)
FURTHER = replace(
    SETTINGS,
    name="emoji_further",
    shares=LATER,
    steps=2600,
    learning_rate=8e-4,
    every=650,
    from_weights=True,
)
EVENED = replace(
    FURTHER, name="emoji_evened", often={"blob": 2}, styled=0.75, steps=3200, every=800
)
"""When styles lag behind things: blob's, which it draws worst, twice as often."""
ALL = (SETTINGS, FURTHER, EVENED)


class CaptionedLoss:
    """The objective, with one of each picture's captions, now and then the null caption."""

    def __init__(self, settings: Settings, null: Tensor):
        self.settings, self.null = settings, null

    def __call__(self, model: Drawer, latents: Tensor, ids: Tensor, generator) -> Tensor:
        chosen = torch.randint(ids.shape[1], (len(ids),), generator=generator).to(ids.device)
        ids = ids[torch.arange(len(ids), device=ids.device), chosen].long()
        ids = drop_cond(ids, self.null.to(ids.device), self.settings.drop, generator)
        how = (SCHEDULE, self.settings.prediction_type)
        return diffusion_loss(model.unet, latents, model.text(ids)[0], generator, *how)


def examples(settings: Settings, encode: Callable[[Tensor], Tensor]) -> tuple[Tensor, list]:
    """The latents of all pictures, and CAPTIONS captions of each."""
    pictures, shown = emoji_examples.examples(
        settings.rounds, settings.seed, shares=settings.shares, often=settings.often
    )
    chance = random.Random(settings.seed)
    texts = [
        [emoji_captions.caption(e, chance, settings.styled) for _ in range(CAPTIONS)] for e in shown
    ]
    parts = (encode(part.float() / 127.5 - 1) for part in pictures.split(2000))
    return torch.cat([*parts]), texts


@torch.no_grad()
def encoded(vae: nn.Module, images: Tensor) -> Tensor:
    """The latents of N drawings, scaled for diffusion: encoded once, not at each step."""
    where = next(vae.parameters()).device
    return torch.cat([vae.to_latents(part.to(where)).cpu() for part in images.split(64)])


def write(saved: loop.Saved, pipe: StableDiffusion) -> None:
    """Write U-Net, text encoder and scheduler, a line of the curve, and what it draws."""
    settings, half = saved.settings, saved.half()
    diffusers_format.save_unet(FOLDER / "unet", half.unet, sample_size=16, **saved.notes())
    diffusers_format.save_text_encoder(FOLDER / "text_encoder", half.text, **saved.notes())
    how = (settings.prediction_type, settings.spacing)
    diffusers_format.save_scheduler(FOLDER / "scheduler", SCHEDULE, *how)
    diffusers_format.save_index(FOLDER)
    pipe.text_encoder, pipe.unet = half.float().text, half.unet
    rows = score_prompts.prompts()
    drawn = score_prompts.by_model(pipe)(rows, seed=0)
    found = score_prompts.shares(score_prompts.read(rows, drawn), range(len(rows)))
    print(found, flush=True)
    loop.add_to_curve(FOLDER / "unet" / "curve.csv", saved, **found)
    few = torch.linspace(0, len(rows) - 1, 32).long()
    lines = [torch.cat([*row], dim=2) for row in drawn[few].split(8)]
    shown = loop.DOWNLOADS / f"{settings.name}.png"
    imageio.imwrite(shown, plotting.to_uint8(torch.cat(lines, dim=1)))


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    device = training.device()
    tokenizer = diffusers_format.load_tokenizer(FOLDER / "tokenizer")
    text = diffusers_format.load_text_encoder(FOLDER / "text_encoder").float()
    vae = diffusers_format.load_vae(FOLDER / "vae").float().to(device).eval()
    latents, texts = examples(settings, lambda images: encoded(vae, images))
    ids = tokenizer.encode([t for group in texts for t in group]).view(len(texts), CAPTIONS, -1)
    width = text.final_layer_norm.normalized_shape[0]
    unet = UNet(vae.latent_channels, **settings.network, cross_attention_dim=width)
    if settings.from_weights and not how.get("resume"):  # the state of the run holds them
        unet.load_state_dict(diffusers_format.load_unet(FOLDER / "unet").float().state_dict())
    model = Drawer(text.requires_grad_(True), unet).to(device)
    loss = CaptionedLoss(settings, tokenizer.encode("")[0])
    parts = (tokenizer, model.text, model.unet, vae, SCHEDULE)
    how_it_draws = (settings.prediction_type, settings.spacing)
    pipe = StableDiffusion(*parts, *how_it_draws, 64, training.autocast(device))
    for saved in loop.fit(settings, model, loss, (latents, ids.short()), **how):
        write(saved, pipe)
