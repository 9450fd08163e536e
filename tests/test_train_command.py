"""`python -m tools.train`: which stage is trained with which settings, and what is refused."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from torch import nn

from course_utils import ROOT
from course_utils.built.digit_unet import DigitUNet
from course_utils.data import datasets
from course_utils.io.tensors import write_tensors
from tools.train import __main__ as command
from tools.train import digits_unet, loop


@pytest.fixture
def asked(places, monkeypatch):
    """Stages that do not train, but note what they were asked for."""
    calls = []

    def note(settings, **how):
        calls.append((settings, how))

    stages = {name: (note, settings) for name, (_, settings) in command.STAGES.items()}
    monkeypatch.setattr(command, "STAGES", stages)
    return calls


def test_every_stage_is_called_by_its_name(asked):
    for name, (_, settings) in command.STAGES.items():
        command.main(*name.split("_"))
        assert asked.pop() == (settings, {"minutes": None, "resume": False})
    for name, stages in command.GROUPS.items():
        command.main(*name.split("_"))
        assert [settings.name for settings, _ in asked] == [*stages]
        asked.clear()


def test_options_become_settings(asked):
    command.main("emoji", "vae", "--steps", "7", "--from-weights")
    settings = command.STAGES["emoji_vae"][1]
    assert asked.pop()[0] == replace(settings, steps=7, from_weights=True)
    with pytest.raises(SystemExit, match="--without-held-out is nothing that emoji_unet can do"):
        command.main("emoji", "unet", "--without-held-out")
    for wrong in (
        ["emoji", "many"],
        ["emoji", "--steps", "1", "--minutes", "1"],
        ["digits", "vae"],
    ):
        with pytest.raises(SystemExit):
            command.main(*wrong)
    assert not asked


def test_the_stages_share_the_minutes_and_go_on_at_the_one_cut_off(asked):
    command.main("emoji", "--minutes", "60")
    assert [settings.name for settings, _ in asked] == [*command.GROUPS["emoji_all"]]
    minutes = [how["minutes"] for _, how in asked]
    assert 45 < sum(minutes) < 55 and min(minutes) > 2  # the rest is for all that is not a step
    asked.clear()
    with pytest.raises(SystemExit, match="train_emoji_vae.safetensors holds no run to resume"):
        command.main("emoji", "all", "--resume")
    text = replace(command.STAGES["emoji_text"][1], steps=2, batch_size=2)
    next(loop.fit(text, nn.Linear(1, 1), lambda m, x, g: m(x).sum(), (torch.ones(3, 1),)))
    command.main("emoji", "--resume", "--minutes", "60")
    (first, how), (second, later) = asked
    assert (first.name, first.steps, how["resume"]) == ("emoji_text", 2, True)
    assert (second.name, later) == ("emoji_unet", {"minutes": 0.4 * 60, "resume": False})
    asked.clear()
    command.main("emoji", "text", "--resume", "--steps", "9")
    ((longer, _),) = asked
    assert (longer.name, longer.steps, longer.batch_size) == ("emoji_text", 9, 2)


def test_a_run_says_how_it_is_made_again_and_is_cut_off_and_resumed(places, monkeypatch, capsys):
    """The digits' U-Net, from the command to the header of its weights."""
    images, labels = datasets.mnist()
    monkeypatch.setattr(datasets, "mnist", lambda: (images[:20], labels[:20]))
    monkeypatch.setattr(digits_unet, "quality", lambda *_: {"guided": "measured"})
    small = replace(digits_unet.SETTINGS, batch_size=2, every=2)
    stage = (digits_unet.train, small)
    monkeypatch.setitem(command.STAGES, "digits_unet", stage)
    path = places / "checkpoints" / "digit_unet.safetensors"

    def made(*arguments):
        command.main("digits", "unet", *arguments)
        with safe_open(path, "pt") as file:
            return file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118

    notes, whole = made("--steps", "4")
    assert {weight.dtype for weight in whole.values()} == {torch.float16}
    assert whole.keys() == DigitUNet().state_dict().keys()
    assert notes["made_by"] == "python -m tools.train digits unet --steps 4"
    settings = json.loads(notes["settings"])
    assert settings == json.loads(json.dumps(vars(replace(small, steps=4))))
    assert (notes["prediction_type"], notes["step"], notes["guided"]) == ("sample", "4", "measured")
    assert not [*(places / "downloads").iterdir()], "the state of a finished run is deleted"

    def cut(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(digits_unet.tensors, "save_checkpoint", cut)
        with pytest.raises(KeyboardInterrupt):
            command.main("digits", "unet", "--steps", "4")
    with pytest.raises(SystemExit, match="is of a run that was cut off: --resume, or delete it"):
        command.main("digits", "unet", "--steps", "4")
    _, again = made("--resume")
    assert "going on after step 2" in capsys.readouterr().out
    assert all(torch.equal(again[name], weight) for name, weight in whole.items())
    other = {name: torch.full_like(weight, 0.1) for name, weight in whole.items()}
    write_tensors(path, other)
    notes, further = made("--steps", "1", "--from-weights")
    assert notes["made_by"] == "python -m tools.train digits unet --steps 1 --from-weights"
    assert all((weight - 0.1).abs().max() < 0.01 for weight in further.values())


def test_it_is_called_by_its_name():
    call = [sys.executable, "-m", "tools.train", "emoji", "--help"]
    said = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for word in ("vae", "text", "unet", "classifiers", "--minutes", "--resume", "--from-weights"):
        assert word in said
