"""Train the course's text-to-sprite U-Net for longer: `python tools/train_sprite_unet.py`

The network, objective and data of lesson 11, on the frozen text encoder of
data/checkpoints/sprite_clip. The run has legs: each is one call of `built.train` with its own peak
of the learning rate, lower than the one before (warm restarts, Loshchilov and Hutter 2017). After
each leg the state is written to downloads/train_sprite_unet.safetensors, from where a run that was
cut off goes on, and the averaged weights to data/checkpoints/sprite_unet.safetensors, in half
precision. Its header says how they were made; `tools/score_sprites.py` measures them.
"""

import copy
import hashlib
import time
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from course_utils import ROOT, datasets, sprite_clip, sprites, training
from course_utils.built.clip import CLIPText
from course_utils.built.ema import EMA
from course_utils.built.guidance import context_loss
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.built.tokenizer import Tokenizer
from course_utils.built.train import train
from course_utils.built.unet import UNet
from course_utils.resume import load_run, save_run

NETWORK = dict(
    channels=3, widths=(32, 96), attend=(True, True), blocks=1, heads=4, groups=2, patch=2
)
KIND, DROP, BATCH, SEED = "x0", 0.1, 48, 0
FULL, SHORT = sprites.WORDINGS - 1, 3  # captions of a sprite: of wordings 0 to 6; and short ones
LEGS = (2e-3, 2e-3, 1.5e-3, 1.5e-3, 1e-3)  # peaks of the learning rate
STEPS = 500  # in each leg
SCHEDULE = NoiseSchedule(linear_betas(1000))
STATE = ROOT / "downloads" / "train_sprite_unet.safetensors"
CHECKPOINT = ROOT / "data" / "checkpoints" / "sprite_unet.safetensors"


@cache
def text_encoder() -> tuple[Tokenizer, CLIPText]:
    """The course's tokenizer and text encoder of sprites, frozen."""
    tokenizer, model = sprite_clip.load()
    return tokenizer, model.text.eval().requires_grad_(False)


def encode(captions: list[str]) -> Tensor:
    """N captions as the U-Net's context, N x S x width, on the CPU."""
    tokenizer, text = text_encoder()
    return torch.cat([text(ids)[0] for ids in tokenizer.encode(captions).split(512)])


def captions(sprite: sprites.Sprite, generator: torch.Generator) -> list[str]:
    """What a sprite is called in training: full captions, and short ones drawn by chance."""
    short = sprite_clip.short_captions(sprite)
    chosen = torch.randperm(len(short), generator=generator)[:SHORT]
    return [sprites.caption(sprite, wording) for wording in range(FULL)] + [
        short[i] for i in chosen
    ]


def dataset() -> tuple[Tensor, Tensor, Tensor]:
    """Each picture that is not held out with each of its captions, encoded; the empty caption."""
    images, _, chosen = datasets.sprites("train")
    generator = torch.Generator().manual_seed(SEED)
    told = [text for sprite in chosen for text in captions(sprite, generator)]
    return images.repeat_interleave(FULL + SHORT, 0), encode(told), encode([""])[0]


class Run:
    """A training run between two legs: the weights, their average, the generator, the counts."""

    def __init__(self) -> None:
        self.generator = training.seed(SEED)
        self.model = UNet(**NETWORK, context_width=sprite_clip.WIDTH)
        self.model.to(memory_format=torch.channels_last)
        self.ema = EMA(self.model)
        self.legs, self.seconds = 0, 0.0

    def save(self, path: Path) -> None:
        """Write the state whole or not at all. Each leg begins with a new optimizer."""
        counts = {"legs": self.legs, "seconds": self.seconds, "updates": self.ema.updates}
        save_run(path, None, self.generator, self.modules(), **counts)

    def go_on(self, path: Path) -> None:
        """Continue a run that was cut off, if there is one."""
        if path.exists():
            counts = load_run(path, None, self.generator, self.modules())
            self.legs, self.seconds = counts["legs"], counts["seconds"]
            self.ema.updates = counts["updates"]
            print(f"going on after leg {self.legs}", flush=True)

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model, "average": self.ema.model}

    def leg(self, images: Tensor, contexts: Tensor, null: Tensor) -> float:
        """Train for one leg; the mean loss of its last tenth."""

        def loss(model, x0, context, generator):
            return context_loss(model, x0, context, generator, SCHEDULE, KIND, null, DROP)

        where = training.autocast(torch.device("cpu"))
        run = train(
            *(self.model, loss, (images, contexts), STEPS, self.generator),
            batch_size=BATCH,
            learning_rate=LEGS[self.legs],
            precision=where,
        )
        losses, before = [], time.perf_counter()
        for value in run:
            losses.append(value)
            self.ema.update(self.model)
        self.legs += 1
        self.seconds += time.perf_counter() - before
        last = losses[-max(1, STEPS // 10) :]
        return sum(last) / len(last)


def load(path: Path = CHECKPOINT) -> UNet:
    """The U-Net of a file that `write` wrote, in single precision, to draw with."""
    model = UNet(**NETWORK, context_width=sprite_clip.WIDTH)
    return training.load_checkpoint(path, model).float().eval()


def write(run: Run) -> None:
    """Write the averaged weights, in half precision, whole or not at all."""
    encoder = sprite_clip.FOLDER / "text_encoder" / "model.safetensors"
    training.save_checkpoint(
        CHECKPOINT,
        copy.deepcopy(run.ema.model).half(),
        made_by="tools/train_sprite_unet.py",
        network=f"UNet, {NETWORK}, context_width {run.model.context_width}",
        text_encoder=f"sprite_clip, sha256 {hashlib.sha256(encoder.read_bytes()).hexdigest()}",
        kind=KIND,
        settings=f"linear betas, T = {SCHEDULE.T}, batch {BATCH}, learning rates up to "
        f"{LEGS[: run.legs]} in legs of {STEPS} steps, captions dropped {DROP:.0%}, EMA "
        f"{run.ema.decay}, {FULL} wordings and {SHORT} short captions a sprite, seed {SEED}",
        steps=f"{run.legs * STEPS} of {len(LEGS) * STEPS}",
        seconds=f"{run.seconds:.0f} on one core, shared with others",
    )


def main() -> None:
    data, run = dataset(), Run()
    run.go_on(STATE)
    while run.legs < len(LEGS):
        loss = run.leg(*data)
        run.save(STATE)
        write(run)
        print(f"leg {run.legs}: loss {loss:.4f}, {run.seconds:.0f} s", flush=True)
    STATE.unlink()


if __name__ == "__main__":
    main()
