"""Long training runs: cut off, they go on as if nothing had happened."""

import pytest
import torch
from torch import nn

from course_utils.built.ema import EMA
from course_utils.built.train import train
from course_utils.resume import load_run, save_run
from tools.long_run import long_run


def squared_error(model, x, y, generator):
    noise = torch.randn(x.shape, generator=generator)
    return nn.functional.mse_loss(model(x + 0.1 * noise), y)


class Parts:
    """A model with a buffer, its average and its generator, all from seed 0."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        self.ema = EMA(self.model)
        self.generator = torch.Generator().manual_seed(1)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 0.01, (0.9, 0.99))

    def run(self, state, steps=20, every=5):
        settings = (steps, self.generator, 8, 0.01, torch.autocast("cpu", enabled=False))
        return long_run(state, self.model, self.ema, squared_error, data(), *settings, every=every)

    def modules(self):
        return {"model": self.model, "average": self.ema.model}


def data():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(2))
    return x, x.sum(dim=1, keepdim=True)


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def test_a_run_that_was_cut_off_goes_on_number_for_number(tmp_path):
    whole, first, second = Parts(), Parts(), Parts()
    losses = [mean for _, _, mean in whole.run(tmp_path / "whole.safetensors")]
    state = tmp_path / "state.safetensors"
    run = first.run(state)
    assert [next(run)[2], next(run)[2]] == losses[:2]
    run.close()  # as a kill would leave it: the file is of step 10
    rest = list(second.run(state))
    assert [done for done, _, _ in rest] == [15, 20]
    assert [mean for _, _, mean in rest] == losses[2:]
    assert same(second.model, whole.model)
    assert same(second.ema.model, whole.ema.model)
    assert not state.exists()


def test_is_the_courses_training_loop(tmp_path):
    long, short = Parts(), Parts()
    list(long.run(tmp_path / "state.safetensors"))
    list(train(short.model, squared_error, data(), 20, short.generator, 8, 0.01))
    assert same(long.model, short.model)


def test_a_run_of_another_length_is_refused(tmp_path):
    state = tmp_path / "state.safetensors"
    next(Parts().run(state))
    with pytest.raises(ValueError, match="of a run of 20 steps"):
        next(Parts().run(state, steps=30))


def test_damaged_missing_and_foreign_files_are_named(tmp_path):
    path, parts = tmp_path / "state.safetensors", Parts()
    with pytest.raises(FileNotFoundError, match="no saved run"):
        load_run(path, parts.optimizer, parts.generator, parts.modules())
    list(train(parts.model, squared_error, data(), 2, parts.generator, optimizer=parts.optimizer))
    save_run(path, parts.optimizer, parts.generator, parts.modules(), done=2)
    other = {"model": nn.Linear(2, 2), "average": nn.Linear(2, 2)}
    with pytest.raises(ValueError, match="of another run"):
        load_run(path, parts.optimizer, parts.generator, other)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="damaged"):
        load_run(path, parts.optimizer, parts.generator, parts.modules())
    assert [*tmp_path.iterdir()] == [path], "nothing half-written is left"
