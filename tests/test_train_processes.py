"""Two processes train as one would with the same batches and the same noise."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.two_processes import HOW, SETTINGS, WithMuon, data, network, squared_error
from tools.train import loop
from tools.train.muon import MuonWithAdamW
from tools.train.processes import share

ROOT = Path(__file__).parents[1]


def in_two_processes(folder, stop=SETTINGS.steps, *muon):
    """The mean of both processes' losses, step by step, and the weights that each ends with."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "-m", "tests.two_processes", str(folder), str(stop), *muon]
    subprocess.run(command, cwd=ROOT, check=True, timeout=240)
    found = [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
    losses = torch.tensor([one["losses"] for one in found]).mean(0)
    return losses, [one["weights"] for one in found]


def in_one_process(optimizer_of=lambda model, **how: torch.optim.AdamW(model.parameters(), **how)):
    """The same 20 steps by plain torch: both shares of each batch, and the mean of their losses."""
    model, tensors, losses, s = network(), data(), [], SETTINGS
    optimizer = optimizer_of(model, lr=s.learning_rate, betas=(0.9, 0.99))
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, s.learning_rate, s.steps, pct_start=0.1)
    for step in range(s.steps):
        if step % s.every == 0:  # each process has a generator of its own, seeded at each save
            generators = [torch.Generator().manual_seed(s.seed + 2 * step + r) for r in (0, 1)]
        parts = []
        for generator in generators:
            chosen = torch.randint(50, (s.batch_size // 2,), generator=generator)
            parts.append(squared_error(model, *(t[chosen] for t in tensors), generator))
        loss = sum(parts) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        losses.append(loss.item())
    return torch.tensor(losses), [p.flatten().tolist() for p in model.parameters()]


def test_the_trial_is_made_as_the_run_is(monkeypatch):
    """Else processes that wait for each other would be given more steps than fit."""
    shared, model = [], network()

    def noted(twin, loss_of):
        shared.append(twin)
        return loss_of

    monkeypatch.setattr(loop, "shared", noted)
    before = [p.tolist() for p in model.parameters()]
    assert loop.steps_within(0.01, SETTINGS, model, squared_error, data()) >= 1
    assert len(shared) == 1 and shared[0] is not model
    assert [p.tolist() for p in model.parameters()] == before


def test_two_processes_train_as_one_does_also_after_being_cut_off(tmp_path):
    (tmp_path / "cut").mkdir()
    losses, weights = in_two_processes(tmp_path)
    expected, expected_weights = in_one_process()
    torch.testing.assert_close(losses, expected, atol=1e-4, rtol=0)
    assert weights[0] == weights[1]
    for one, other in zip(weights[0], expected_weights, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    in_two_processes(tmp_path / "cut", stop=14)  # killed after the save of step 10
    again, continued = in_two_processes(tmp_path / "cut")
    torch.testing.assert_close(again, losses[SETTINGS.every :], atol=1e-6, rtol=0)
    assert continued == weights


def test_two_processes_share_muon_s_matrices(tmp_path):
    def muon(model, **how):
        return MuonWithAdamW(WithMuon(**HOW).groups(model, SETTINGS.learning_rate), **how)

    losses, weights = in_two_processes(tmp_path, SETTINGS.steps, "muon")
    expected, expected_weights = in_one_process(muon)
    torch.testing.assert_close(losses, expected, atol=1e-3, rtol=0)
    assert weights[0] == weights[1]
    for one, other in zip(weights[0], expected_weights, strict=True):
        assert one == pytest.approx(other, abs=1e-3)  # bfloat16 rounds what differs a little


def test_a_batch_that_can_not_be_shared_is_named(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    with pytest.raises(ValueError, match="batch of 8 can't be shared by 3"):
        share(8)
