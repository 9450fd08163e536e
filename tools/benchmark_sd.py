"""Is the course's Stable Diffusion as fast as diffusers'? `python -m tools.benchmark_sd`

Times one evaluation of the U-Net, batch 2, and the VAE's decoder, batch 1, in float32 with the same
random weights, ours and diffusers' taking turns in one process. Prints the median seconds of ten
runs each, their quotient, and by how much the process grew at most (Linux). At full size the
U-Net's weights take 3.4 GB, which both share. For a quick look: --narrow 4 --side 16 --runs 3.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from diffusers import AutoencoderKL as TheirVAE
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from course_utils import training
from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL
from course_utils.diffusers_format import configs, names
from tools.machine import memory


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--narrow", type=int, default=1, choices=(1, 2, 4), help="divides all widths")
    add("--side", type=int, default=64, help="height and width of the latents, a multiple of 8")
    add("--runs", type=int, default=10, help="runs of each")
    add("--threads", type=int, default=2)
    return parser.parse_args()


def twin(ours: nn.Module, their_class: type, config: dict, rules: names.Rules) -> nn.Module:
    """diffusers' network of our network's shape, with the very tensors of ours as its weights."""
    with torch.device("meta"):
        theirs = their_class.from_config(config)
    found = names.name_map(ours.state_dict(), rules)
    weights = {found[name]: weight for name, weight in ours.state_dict().items()}
    theirs.load_state_dict(weights, assign=True)
    return theirs.eval()


def peak(call: Callable[[], Tensor]) -> float:
    """By how many GB the process grows at most during a call."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    before = memory("VmRSS")
    call()
    return memory("VmHWM") - before


@torch.no_grad()
def compare(what: str, calls: dict[str, Callable[[], Tensor]], runs: int) -> float:
    """Time calls in turns, print, and return how much longer the first takes than the second."""
    torch.testing.assert_close(*(call() for call in calls.values()), rtol=1e-3, atol=1e-3)
    grown = [peak(call) for call in calls.values()]  # after that, so that both are warm
    seconds = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    for (name, taken), more in zip(seconds.items(), grown, strict=True):
        print(f"{what:8} {name:10} {median(taken):8.3f} s  {more:6.2f} GB", flush=True)
    ours, theirs = (median(taken) for taken in seconds.values())
    print(f"{what:8} ours takes {ours / theirs:.3f} of diffusers' time", flush=True)
    return ours / theirs


def main() -> None:
    asked = arguments()
    torch.set_num_threads(asked.threads)
    generator = training.seed(0)
    x = torch.randn(2, 4, asked.side, asked.side, generator=generator)
    t, context = torch.tensor([500, 500]), torch.randn(2, 77, 768, generator=generator)
    widths = [n // asked.narrow for n in (320, 640, 1280, 1280)]
    ours = UNet(widths=widths, groups=16 if asked.narrow > 2 else 32).eval()
    theirs = twin(ours, UNet2DConditionModel, configs.unet_config(ours, asked.side), names.UNET)
    calls = {"ours": lambda: ours(x, t, context), "diffusers": lambda: theirs(x, t, context).sample}
    compare("U-Net", calls, asked.runs)
    del ours, theirs, calls
    ours = AutoencoderKL(widths=[n // asked.narrow for n in (128, 256, 512, 512)]).eval()
    theirs = twin(ours, TheirVAE, configs.vae_config(ours), names.VAE)
    z = x[:1]
    calls = {"ours": lambda: ours.decode(z), "diffusers": lambda: theirs.decode(z).sample}
    compare("decoder", calls, asked.runs)


if __name__ == "__main__":
    main()
