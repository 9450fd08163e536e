"""What only a GPU can show; `make test-gpu` runs it, and says so where there is none."""

import math
import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from course_utils import ROOT, training
from course_utils.built.ema import EMA
from course_utils.built.train import train
from course_utils.io.run_state import load_run, save_run

STEPS, BATCH, RATE = 20, 16, 0.01


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.SiLU(), nn.Flatten(), nn.Linear(16 * 36, 1))


def data() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return x, x.mean(dim=(1, 2, 3))[:, None]


def squared_error(model, x, y, generator):
    return mse_loss(model(x).float(), y)


def run(model, loss_of=squared_error, **how):
    return train(
        model, loss_of, data(), STEPS, torch.Generator().manual_seed(2), BATCH, RATE, **how
    )


@pytest.mark.gpu
def test_a_gpu_trains_as_the_processor_does():
    there, here = network().cuda(), network()
    torch.backends.cudnn.allow_tf32 = False
    losses = torch.tensor([list(run(there)), list(run(here))])
    torch.testing.assert_close(losses[0], losses[1], atol=1e-4, rtol=1e-3)
    assert there[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.gpu
def test_bfloat16_on_a_gpu_trains_nearly_as_well():
    cuda = torch.device("cuda")
    losses = list(run(network().cuda(), precision=training.autocast(cuda)))
    expected = list(run(network()))
    assert losses[-1] == pytest.approx(expected[-1], rel=0.2, abs=0.01)


@pytest.mark.gpu
def test_nan_on_a_gpu_stops_before_the_weights_change():
    def lost(model, x, y, generator):
        return squared_error(model, x, y, generator) * math.nan

    model = network().cuda()
    before = model[0].weight.clone()
    with pytest.raises(FloatingPointError, match="step 1 of 20 is nan"):
        next(run(model, lost))
    assert torch.equal(model[0].weight, before)


@pytest.mark.gpu
def test_a_run_on_a_gpu_can_be_cut_off_and_go_on_on_the_processor(tmp_path):
    model = network().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), RATE, (0.9, 0.99))
    squared_error(model, *(tensor.cuda() for tensor in data()), None).backward()
    optimizer.step()
    modules = {"model": model, "average": EMA(model).model}
    save_run(tmp_path / "state.safetensors", optimizer, torch.Generator(), modules, done=STEPS)
    here = network()
    again = torch.optim.AdamW(here.parameters(), RATE, (0.9, 0.99))
    modules = {"model": here, "average": EMA(here).model}
    counts = load_run(tmp_path / "state.safetensors", again, torch.Generator(), modules)
    assert counts == {"done": STEPS}
    for ours, theirs in zip(here.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs.cpu())


def test_without_a_gpu_it_says_so_and_stops():
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "tests/test_gpu.py", "-q"]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"], cwd=ROOT, env=hidden, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "No GPU was found" in done.stdout + done.stderr
    assert "nothing was tested" in done.stdout + done.stderr
    assert "passed" not in done.stdout
