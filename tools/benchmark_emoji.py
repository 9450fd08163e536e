"""How long do sixteen emoji take? `python -m tools.benchmark_emoji`

Sixteen of the typed prompts, 20 guided steps of DPM-Solver++, in float32 and, where the processor
has instructions for it, in bfloat16. Prints the median seconds of a few runs, latents to pixels
included.
"""

import argparse
import time
from contextlib import nullcontext
from statistics import median

import torch

from course_utils import diffusers_format, training
from course_utils.built.stable_diffusion import StableDiffusion
from tools import machine, score_prompts


def seconds(pipe: StableDiffusion, number: int, runs: int) -> float:
    """The median of `runs`, after one that does not count."""
    rows = score_prompts.prompts()
    rows = [rows[i] for i in torch.linspace(0, len(rows) - 1, number).long()]
    draw, taken = score_prompts.by_model(pipe), []
    for run in range(runs + 1):
        start = time.perf_counter()
        draw(rows, run)
        taken.append(time.perf_counter() - start)
    return median(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(" `")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    pipe = diffusers_format.load_pipeline(score_prompts.scores.CHECKPOINTS / "emoji")
    device = training.device()
    for name, precision in {
        "float32": nullcontext(),
        "bfloat16": training.autocast(device),
    }.items():
        pipe.precision = precision
        if name == "float32" or training.has_bf16(device):
            taken = seconds(pipe, 16, asked.runs)
            print(f"{name:8} {taken:6.2f} s  {asked.threads} threads, {machine.processor()}")


if __name__ == "__main__":
    main()
