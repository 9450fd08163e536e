"""The long training run: cut off, it goes on as if nothing had happened."""

import pytest
import torch
from safetensors import safe_open

from course_utils import training
from course_utils.built.digit_unet import DigitUNet
from tools import train_digits


@pytest.fixture
def data(monkeypatch, tmp_path):
    monkeypatch.setattr(train_digits, "STATE", tmp_path / "state.pt")
    monkeypatch.setattr(train_digits, "CHECKPOINT", tmp_path / "digit_unet.safetensors")
    monkeypatch.setattr(train_digits, "BATCH", 2)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(8, 1, 28, 28, generator=generator) * 2 - 1, torch.arange(8)


def test_a_run_that_was_cut_off_goes_on_where_it_was(data):
    whole = train_digits.Run(4)
    losses = [whole.step(*data) for _ in range(4)]

    first = train_digits.Run(4)
    assert [first.step(*data) for _ in range(2)] == losses[:2]
    first.save()
    second = train_digits.Run(4)
    second.go_on()
    assert second.done == 2
    assert [second.step(*data) for _ in range(2)] == losses[2:]
    for a, b in zip(whole.ema.model.parameters(), second.ema.model.parameters(), strict=True):
        assert torch.equal(a, b)

    with pytest.raises(SystemExit, match="of a run of 4 steps"):
        train_digits.Run(5).go_on()


def test_what_is_written_is_the_average_in_half_precision(data):
    run = train_digits.Run(1)
    run.step(*data)
    train_digits.write(run, told="1.00 floors")
    found = training.load_checkpoint(train_digits.CHECKPOINT, DigitUNet())
    for a, b in zip(run.ema.model.parameters(), found.parameters(), strict=True):
        assert torch.equal(a.half().float(), b)
    with safe_open(train_digits.CHECKPOINT, "pt") as opened:
        notes = opened.metadata()
    assert notes["kind"] == "x0" and notes["told"] == "1.00 floors" and notes["steps"] == "1 of 1"
    assert train_digits.CHECKPOINT.stat().st_size < 6_000_000
