"""What should a small network predict? `OMP_NUM_THREADS=1 python -m tools.race_targets`

Trains lesson 06's network once for each prediction type, with and without min-SNR, on the same
batches, timesteps and noise, and prints a table of what its average draws: 250 pictures, 25 steps
of ancestral sampling. Takes a minute a row on one idle thread.
"""

import argparse
import time

import torch

from course_utils import training
from course_utils.built.diffusion import diffusion_loss
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.ema import EMA
from course_utils.built.guidance import drop_cond
from course_utils.built.train import train
from course_utils.data import datasets
from tools.score.digits import SCHEDULE, measure

RACERS = [(kind, cap) for cap in (None, 5.0) for kind in ("epsilon", "v_prediction", "sample")]
HOW = dict(sampler="ddpm", eta=0.0, timestep_spacing="trailing", clamp=True)


def trained(prediction_type: str, min_snr: float | None, steps: int, seed: int) -> DigitUNet:
    """The averaged weights after so many steps, as lesson 06 trains."""
    generator = training.seed(seed)
    model = DigitUNet().to(training.device())
    ema = EMA(model)

    def loss_of(model, x0, labels, generator):
        cond = drop_cond(labels, model.classes, 0.2, generator)
        how = (prediction_type, min_snr)
        return diffusion_loss(model, x0, cond, generator, SCHEDULE, *how)

    precision = training.autocast(training.device())
    for _ in train(model, loss_of, datasets.mnist(), steps, generator, 64, 2e-3, precision):
        ema.update(model)
    return ema.model


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tools.race_targets", description=__doc__)
    asked.add_argument("--steps", type=int, default=300)
    asked.add_argument("--pictures", type=int, default=250)
    asked.add_argument("--guidance", nargs="+", type=float, default=[1.5])
    asked.add_argument("--seed", type=int, default=0)
    asked = asked.parse_args()
    print(f"| target | min-SNR | {' | '.join(f'w = {w}' for w in asked.guidance)} | seconds |")
    print("|---|---|" + "---|" * (len(asked.guidance) + 1))
    for prediction_type, min_snr in RACERS:
        started = time.perf_counter()
        model = trained(prediction_type, min_snr, asked.steps, asked.seed)
        seconds, cells = time.perf_counter() - started, []
        for w in asked.guidance:
            how = HOW | dict(steps=25, pictures=asked.pictures, seed=1, guidance=w)
            with torch.no_grad():
                found = measure(model, prediction_type, how)
            accuracy = float(found["label_accuracy"])
            cells.append(f"{found['relative_fd']}, {accuracy:.1%}, {found['recall']}")
        cap = "" if min_snr is None else f"{min_snr:g}"
        print(f"| {prediction_type} | {cap} | {' | '.join(cells)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
