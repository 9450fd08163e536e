"""Train the course's digit generator for longer: `python tools/train_digits.py [STEPS]`

The network, objective, average and settings of lesson 06, with more steps. Every 500 steps the
state is written to downloads/train_digits.safetensors, from where a run that was cut off goes on,
and the averaged weights to data/checkpoints/digit_unet.safetensors, in half precision. The header
says by which settings, steps and seconds; at the end also what was measured.
"""

import copy
import sys

import torch
from torch import Tensor, nn

from course_utils import ROOT, datasets, scores, training
from course_utils.built.diffusion import diffusion_loss
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.ema import EMA
from course_utils.built.guidance import guided
from course_utils.built.paths import even_path
from course_utils.built.sample import sample
from course_utils.built.schedule import NoiseSchedule, linear_betas

sys.path.insert(0, str(ROOT))  # the folder of `tools`
from tools.long_run import long_run  # noqa: E402

STEPS, BATCH, LEARNING_RATE, SEED = 12_000, 64, 2e-3, 0
KIND, DROP, GUIDANCE = "x0", 0.2, 1.5
SCHEDULE = NoiseSchedule(linear_betas(1000))
CPU = torch.device("cpu")
STATE = ROOT / "downloads" / "train_digits.safetensors"
CHECKPOINT = ROOT / "data" / "checkpoints" / "digit_unet.safetensors"


def loss_of(model: nn.Module, x0: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    return diffusion_loss(model, x0, labels, generator, SCHEDULE, kind=KIND, drop=DROP)


def draw(model: DigitUNet, n: int, guidance: float, evaluations: int = 50) -> Tensor:
    """n digits, 0 to 9 in turn, by DDPM's sampler on a shortened path; guidance 0 is untold."""
    generator, drawn = torch.Generator().manual_seed(SEED + 1), []
    for part in (torch.arange(n) % 10).split(250):
        denoise = guided(model, part, guidance, precision=training.autocast(CPU))
        x = torch.randn(len(part), 1, 28, 28, generator=generator)
        path = even_path(SCHEDULE.T, evaluations)
        drawn.append(sample(denoise, x, SCHEDULE, path, "ddpm", KIND, 0.0, generator, clamp=True))
    return torch.cat(drawn)


def quality(model: DigitUNet, n: int = 2000) -> dict[str, str]:
    """What the scoreboard says: untold, told the label, and guided."""
    asked, found = torch.arange(n) % 10, {}
    for name, guidance in (("untold", 0), ("told", 1), ("guided", GUIDANCE)):
        drawn = draw(model, n, guidance)
        read = f"accuracy {scores.label_accuracy(drawn, asked):.4f}, " if guidance else ""
        found[name] = (
            f"{scores.frechet_multiple(drawn):.2f} floors, recall {scores.recall(drawn):.3f}, "
            f"{read}{n} pictures, 50 steps, w = {guidance}"
        )
    return found


def write(ema: EMA, steps: str, seconds: float, **found: str) -> None:
    """Write the averaged weights, in half precision."""
    training.save_checkpoint(
        CHECKPOINT,
        copy.deepcopy(ema.model).half(),
        made_by="tools/train_digits.py",
        settings=f"DigitUNet(), kind {KIND}, linear betas, T = {SCHEDULE.T}, batch {BATCH}, "
        f"learning rate {LEARNING_RATE}, labels dropped {DROP:.0%}, EMA {ema.decay}, seed {SEED}",
        kind=KIND,
        steps=steps,
        seconds=f"{seconds:.0f} on one core",
        **found,
    )


def main(steps: int | str = STEPS) -> None:
    steps, generator = int(steps), training.seed(SEED)
    model = DigitUNet()
    ema = EMA(model)
    settings = (steps, generator, BATCH, LEARNING_RATE, training.autocast(CPU))
    for done, seconds, _ in long_run(STATE, model, ema, loss_of, datasets.mnist(), *settings):
        write(ema, f"{done} of {steps}", seconds)
    average = copy.deepcopy(ema.model).half().float()  # measured as it is written
    found = quality(average.to(memory_format=torch.channels_last))
    print(found, flush=True)
    write(ema, str(steps), seconds, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
