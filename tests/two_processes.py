"""What each of two processes runs in test_long_run.py: a short training run whose losses it notes.

`torchrun --nproc-per-node=2 tests/two_processes.py FOLDER STEPS`
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from course_utils.built.ema import EMA  # noqa: E402
from tools.long_run import join, long_run  # noqa: E402

BATCH, RATE, SEED, PLANNED, EVERY = 8, 0.01, 5, 20, 10


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.SiLU(), nn.Linear(6, 1))


def data() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(2))
    return x, x.prod(dim=1, keepdim=True)


def squared_error(model, x, y, generator):
    noise = torch.randn(x.shape, generator=generator)
    return nn.functional.mse_loss(model(x + 0.1 * noise), y)


def main(folder: Path, stop: int) -> None:
    rank, losses = join()[0], []

    def noted(*given):
        loss = squared_error(*given)
        losses.append(loss.item())
        if len(losses) > stop:
            raise KeyboardInterrupt  # as a kill would
        return loss

    model = network()
    settings = (PLANNED, torch.Generator().manual_seed(SEED), BATCH, RATE)
    precision = torch.autocast("cpu", enabled=False)
    run = (folder / "state.safetensors", model, EMA(model), noted, data(), *settings, precision)
    try:
        for _ in long_run(*run, every=EVERY):
            pass
    except KeyboardInterrupt:
        pass
    weights = [p.flatten().tolist() for p in model.parameters()]
    (folder / f"{rank}.json").write_text(json.dumps({"losses": losses, "weights": weights}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
