"""Build data/clinic.safetensors: the clinic's sixteen broken runs, and two healthy ones.

    python -m tools.build_clinic [RUNS]

Trains a small U-Net with each bug, draws 16 pictures, and records losses, gradients and the loss by
t. A bug that does not touch the training takes the weights of the healthy run. RUNS (by default
downloads/clinic) is a folder for one file a run; those that are there are not made again.
"""

import sys
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from course_utils import ROOT, training
from course_utils.built.ema import EMA
from course_utils.built.train import train
from course_utils.checks import ward
from course_utils.checks.clinic import Bugs
from course_utils.checks.ward import Chart, Parts
from course_utils.io import tensors

STEPS, BATCH, RATE, DECAY = 150, 64, 5e-3, 0.98
TIMES = range(50, 1000, 100)
LONGER = {"colours": 2}
"""Three channels of noise take more steps to learn."""
AFTERWARDS = {
    "ema_not_updated",
    "noise_in_last_step",
    "guidance_sign",
    "x0_not_clamped",
    "channels_swapped",
}
"""Bugs whose training is the healthy one, so that its weights are taken: those of sampling; and
BGR, where the same happens under other names of the channels."""


def fit(parts: Parts, planned: int, steps: int | None = None) -> tuple[EMA, Tensor, Tensor]:
    """Train a patient's network: the average of its weights, the losses, the gradients' norms.

    planned: steps of the whole run; the learning rate follows it. steps: after how many to stop.
    """
    generator, precision = torch.Generator().manual_seed(0), training.autocast(torch.device("cpu"))
    torch.manual_seed(0)  # for a layer that is made anew
    ema, losses, norms = EMA(parts.model, DECAY), [], []
    run = train(parts.model, parts.loss, parts.data, planned, generator, BATCH, RATE, precision)
    for loss in islice(run, steps):
        parts.update(ema, parts.model)
        gradients = [p.grad for p in parts.model.parameters() if p.grad is not None]
        losses.append(loss)
        norms.append(torch.nn.utils.get_total_norm(gradients).item())
    return ema, torch.tensor(losses), torch.tensor(norms)


@torch.no_grad()
def examine(bugs: Bugs, kind: str, parts: Parts, ema: EMA) -> dict[str, Tensor]:
    """Sixteen samples of the average, and its loss at ten times."""
    generator, model = torch.Generator().manual_seed(1), ema.model
    by_t = []
    for t in TIMES:
        x0, labels = (tensor[:128] for tensor in parts.data)
        t = torch.full((len(x0),), t)
        by_t.append(parts.loss(model, x0, labels, generator, t))
    noise = torch.randn(16, *parts.data[0].shape[1:], generator=generator)
    if bugs.nan_in_half:
        model, noise = model.half(), noise.half()
    drawn = parts.sampler(model, noise, generator).float()
    # Latents that were not scaled are those of the VAE; the others, divided by the factor, too.
    factor = ward.data(kind).factor if bugs.latents_not_scaled else 1.0
    return {
        "samples": as_saved(drawn * factor),
        "by_t": torch.stack(by_t),
        "finite": drawn.isfinite().float().mean(),
    }


def as_saved(images: Tensor) -> Tensor:
    """Pictures of [-1, 1] as uint8, N x H x W x C; nan becomes 0, as numpy and Pillow make it."""
    return ((images.nan_to_num(-1.0).clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)


def record(bugs: Bugs, kind: str, folder: Path) -> dict[str, Tensor]:
    """A run's chart, and the average of its weights."""
    parts = ward.parts(bugs, kind)
    if not any(getattr(bugs, name) for name in AFTERWARDS):
        ema, losses, gradients = fit(parts, STEPS * LONGER.get(kind, 1))
        weights = {f"weights.{k}": v for k, v in ema.model.state_dict().items()}
        return (
            weights | {"losses": losses, "gradients": gradients} | examine(bugs, kind, parts, ema)
        )
    chart, _ = tensors.read_tensors(folder / f"{kind}.safetensors")
    weights = {k.removeprefix("weights."): v for k, v in chart.items() if k.startswith("weights.")}
    ema = EMA(parts.model)
    if bugs.channels_swapped:
        return chart | {"samples": chart["samples"].flip(-1)}
    if bugs.ema_not_updated:
        return chart | examine(bugs, kind, parts, ema)
    ema.model.load_state_dict(weights)
    return chart | {"samples": examine(bugs, kind, parts, ema)["samples"]}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    runs = {kind: (Bugs(), kind) for kind in ward.HEALTHY}
    for number in ward.NUMBERS:
        bugs = ward.bugs_of(number)
        runs[number] = bugs, ward.kind_of(bugs)
    found = {}
    for name, (bugs, kind) in runs.items():
        bug = next((key for key, there in asdict(bugs).items() if there), kind)
        path = folder / f"{bug}.safetensors"  # and not by number: a new bug changes these
        if not path.exists():
            print(f"run {name}, {bug}", flush=True)
            tensors.write_tensors(path, record(bugs, kind, folder))
        chart, _ = tensors.read_tensors(path)
        found |= {f"{name}.{part}": chart[part] for part in Chart._fields}
    notes = dict(
        command="python -m tools.build_clinic", steps=STEPS, longer=LONGER, batch_size=BATCH
    )
    notes |= dict(learning_rate=RATE, ema_decay=DECAY, sampling_steps=ward.STEPS, guidance=2.0)
    tensors.write_tensors(ward.FILE, found, **notes)
    print(f"{ward.FILE.name}: {ward.FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "downloads" / "clinic")
