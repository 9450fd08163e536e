"""What each of two processes runs in test_train_processes.py: a short run whose losses it notes.

`torchrun --nproc-per-node=2 -m tests.two_processes FOLDER STEPS [muon]`
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn

from tools.train import loop
from tools.train.processes import join

HOW = dict(name="two", network={}, steps=20, batch_size=8, learning_rate=0.01, seed=5, every=10)
SETTINGS = loop.Settings(**HOW)


class WithMuon(loop.Settings):
    def groups(self, model: nn.Module, peak: float) -> list[dict]:
        matrices = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim == 1]
        return [{"params": matrices, "lr": peak, "muon": True}, {"params": others, "lr": peak}]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 2), nn.SiLU(), nn.Flatten(), nn.Linear(24, 1))


def data() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(50, 3, 3, 3, generator=torch.Generator().manual_seed(2))
    return x, x[:, :, 0, 0].prod(dim=1, keepdim=True)


def squared_error(model, x, y, generator):
    """In single precision, whatever the loop's autocast says."""
    noise = torch.randn(x.shape, generator=generator).to(x.device)
    with torch.autocast(x.device.type, enabled=False):
        return nn.functional.mse_loss(model(x + 0.1 * noise), y)


def main(folder: Path, stop: int, muon: str = "") -> None:
    rank, losses = join()[0], []
    loop.DOWNLOADS = folder

    def noted(*given):
        loss = squared_error(*given)
        losses.append(loss.item())
        if len(losses) > stop:
            raise KeyboardInterrupt  # as a kill would
        return loss

    settings = WithMuon(**HOW) if muon else SETTINGS
    model = network().to("cuda" if torch.cuda.is_available() else "cpu")
    try:
        for _ in loop.fit(settings, model, noted, data(), resume=settings.state.exists()):
            pass
    except KeyboardInterrupt:
        pass
    weights = [p.flatten().tolist() for p in model.parameters()]
    (folder / f"{rank}.json").write_text(json.dumps({"losses": losses, "weights": weights}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
