"""The script that trains the shipped digit generator: what it writes, from a run of two steps."""

import pytest
import torch
from safetensors import safe_open

from course_utils import training
from course_utils.built.digit_unet import DigitUNet
from tools import train_digits


def test_writes_half_precision_weights_and_how_they_came(monkeypatch, tmp_path):
    path = tmp_path / "digit_unet.safetensors"
    monkeypatch.setattr(train_digits, "STATE", tmp_path / "state.safetensors")
    monkeypatch.setattr(train_digits, "CHECKPOINT", path)
    monkeypatch.setattr(train_digits, "BATCH", 2)
    monkeypatch.setattr(train_digits, "quality", lambda model: {"untold": "measured"})
    train_digits.main(2)
    model = training.load_checkpoint(path, DigitUNet())
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    with safe_open(path, "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float16}  # noqa: SIM118
        notes = file.metadata()
    assert notes["made_by"] == "tools/train_digits.py"
    assert (notes["kind"], notes["steps"], notes["untold"]) == ("x0", "2", "measured")
    assert [*tmp_path.iterdir()] == [path], "the state of a finished run is deleted"


def test_the_default_checkpoint_is_the_courses():
    assert train_digits.CHECKPOINT.parent == train_digits.ROOT / "data" / "checkpoints"
    with pytest.raises(ValueError):
        train_digits.main("many")
