"""Train the course's digit generator for longer: `python tools/train_digits.py [STEPS]`

The network, objective, average and settings of lesson 06, with more steps. Every 500 steps the
state is written to downloads/train_digits.pt, from where a run that was cut off goes on, and the
averaged weights to data/checkpoints/digit_unet.safetensors, in half precision. The header says by
which settings, steps and seconds; at the end also what was measured.
"""

import copy
import os
import sys
import time

import torch
from torch import Tensor

from course_utils import ROOT, datasets, scores, training
from course_utils.built.diffusion import diffusion_loss, predict
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.ema import EMA
from course_utils.built.paths import even_path
from course_utils.built.sample import sample
from course_utils.built.schedule import NoiseSchedule, linear_betas

STEPS, BATCH, LEARNING_RATE, SEED = 12_000, 64, 2e-3, 0
KIND, DROP, GUIDANCE = "x0", 0.1, 1.5
SCHEDULE = NoiseSchedule(linear_betas(1000))
SAVE_EVERY = 500
CPU = torch.device("cpu")
STATE = ROOT / "downloads" / "train_digits.pt"
CHECKPOINT = ROOT / "data" / "checkpoints" / "digit_unet.safetensors"


class Run:
    """A training run as it stands: what `built.train` keeps to itself, so that it can be saved."""

    def __init__(self, steps: int):
        self.generator = training.seed(SEED)
        self.model = DigitUNet().to(memory_format=torch.channels_last)
        self.ema = EMA(self.model)
        # As in course_utils/built/train.py.
        self.optimizer = torch.optim.AdamW(self.model.parameters(), LEARNING_RATE, (0.9, 0.99))
        self.rate = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, LEARNING_RATE, steps, pct_start=0.1
        )
        self.steps, self.done, self.seconds = steps, 0, 0.0

    def parts(self) -> dict:
        return {
            "model": self.model,
            "ema": self.ema.model,
            "optimizer": self.optimizer,
            "rate": self.rate,
        }

    def save(self) -> None:
        """Write the state whole or not at all."""
        STATE.parent.mkdir(exist_ok=True)
        state = {name: part.state_dict() for name, part in self.parts().items()}
        state["generator"] = self.generator.get_state()
        state["counts"] = (self.steps, self.done, self.seconds, self.ema.updates)
        beside = STATE.with_name(f".{STATE.name}.{os.getpid()}")
        torch.save(state, beside)
        os.replace(beside, STATE)

    def go_on(self) -> None:
        """Continue a run that was cut off, if there is one of as many steps."""
        if not STATE.exists():
            return
        state = torch.load(STATE, weights_only=True)
        if state["counts"][0] != self.steps:
            sys.exit(f"{STATE} is of a run of {state['counts'][0]} steps: finish it or delete it.")
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self.steps, self.done, self.seconds, self.ema.updates = state["counts"]
        print(f"going on after step {self.done}", flush=True)

    def step(self, images: Tensor, labels: Tensor) -> float:
        chosen = torch.randint(len(images), (BATCH,), generator=self.generator)
        with training.autocast(CPU):
            loss = diffusion_loss(
                self.model,
                images[chosen],
                labels[chosen],
                self.generator,
                SCHEDULE,
                kind=KIND,
                drop=DROP,
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.rate.step()
        self.ema.update(self.model)
        self.done += 1
        return loss.item()


def train_all(run: Run) -> None:
    images, labels = datasets.mnist()
    run.model.train()
    losses, before = [], time.perf_counter()
    while run.done < run.steps:
        losses.append(run.step(images, labels))
        if run.done % SAVE_EVERY == 0 or run.done == run.steps:
            run.seconds += time.perf_counter() - before
            before = time.perf_counter()
            run.save()
            write(run)
            mean = sum(losses) / len(losses)
            print(f"step {run.done:6} loss {mean:.4f} {run.seconds:6.0f} s", flush=True)
            losses = []


def draw(model: DigitUNet, n: int, guidance: float, evaluations: int = 50) -> Tensor:
    """n digits, 0 to 9 in turn, by DDPM's sampler on a shortened path; guidance 0 is untold."""
    generator, drawn = torch.Generator().manual_seed(SEED + 1), []
    for part in (torch.arange(n) % 10).split(250):

        def denoise(xt: Tensor, t: int, part: Tensor = part) -> Tensor:
            with training.autocast(CPU):
                if guidance in (0, 1):
                    return predict(model, xt, t, part if guidance else None)
                free = predict(model, xt, t)
                return free + guidance * (predict(model, xt, t, part) - free)

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


def write(run: Run, **found: str) -> None:
    """Write the averaged weights, in half precision, whole or not at all."""
    model = copy.deepcopy(run.ema.model).half()
    training.save_checkpoint(
        CHECKPOINT,
        model.to(memory_format=torch.contiguous_format),
        made_by="tools/train_digits.py",
        settings=f"DigitUNet(), kind {KIND}, linear betas, T = {SCHEDULE.T}, batch {BATCH}, "
        f"learning rate {LEARNING_RATE}, labels dropped {DROP:.0%}, EMA {run.ema.decay}, "
        f"seed {SEED}",
        kind=KIND,
        steps=f"{run.done} of {run.steps}",
        seconds=f"{run.seconds:.0f} on one core",
        **found,
    )


def main(steps: int | str = STEPS) -> None:
    run = Run(int(steps))
    run.go_on()
    train_all(run)
    model = copy.deepcopy(run.ema.model).half().float()  # measured as it is written
    found = quality(model.to(memory_format=torch.channels_last))
    print(found, flush=True)
    write(run, **found)
    STATE.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
