"""`tools.score digits` on a small random network: rows, resuming, and what guidance costs."""

import csv
import math

import pytest
import torch

from course_utils import training
from course_utils.built.diffusion import predict
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.sample import sample
from course_utils.evaluation import scores
from course_utils.io import tensors
from tools.score import __main__ as command
from tools.score import digits as score


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    training.seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "random.safetensors"
    return tensors.save_checkpoint(path, DigitUNet().half(), prediction_type="v_prediction")


@pytest.fixture
def run(checkpoint, tmp_path):
    """Run the tool with a few pictures; give back the rows of its file."""
    file = tmp_path / "new" / "rows.csv"

    def call(*arguments):
        words = ("--checkpoint", str(checkpoint), "--file", str(file), "--pictures", "12")
        command.main("digits", *words, *arguments)
        with file.open(newline="") as lines:
            return list(csv.DictReader(lines))

    return call


def test_one_row_for_each_sampler_length_guidance_and_seed(run):
    rows = run(*"--samplers ddpm heun --steps 2 4 --guidance 0 1.5 --seeds 2".split())
    found = {(r["sampler"], r["steps"], r["guidance"], r["seed"]) for r in rows}
    assert len(found) == len(rows) == 16
    calls = {(r["sampler"], r["steps"], r["guidance"]): int(r["nfe"]) for r in rows}
    assert calls["ddpm", "4", "0.0"] == 4 and calls["ddpm", "4", "1.5"] == 8
    assert calls["heun", "4", "0.0"] == 7  # two evaluations a step, but one for the last
    for row in rows:
        assert math.isfinite(float(row["relative_fd"])) and float(row["seconds"]) >= 0
        assert 0 <= float(row["recall"]) <= 1 and row["pictures"] == "12"
        assert (row["label_accuracy"] == "") == (row["guidance"] == "0.0")
        assert row["command"].startswith("python -m tools.score digits --checkpoint")


def test_rows_that_are_there_are_not_measured_again(run, monkeypatch, capsys):
    first = run("--steps", "2", "--seeds", "1", "--board", "Random")
    asked = []
    measure = score.measure
    monkeypatch.setattr(score, "measure", lambda *a: asked.append(a[2]["seed"]) or measure(*a))
    rows = run("--steps", "2", "--seeds", "2")
    assert asked == [1] and rows[0] == first[0] and len(rows) == 2
    assert run("--steps", "2", "--seeds", "2", "--no-clamp")[2]["clamp"] == "False"


def test_other_weights_are_measured_anew(run, checkpoint, tmp_path):
    run("--steps", "2", "--seeds", "1")
    training.seed(1)
    other = tensors.save_checkpoint(
        tmp_path / "other.safetensors", DigitUNet(), prediction_type="v_prediction"
    )
    rows = run("--steps", "2", "--seeds", "1", "--checkpoint", str(other))
    assert len(rows) == 2 and rows[0]["sha256"] != rows[1]["sha256"]


def test_the_scoreboard_reads_what_was_written(run, tmp_path, monkeypatch):
    run("--steps", "2", "--seeds", "3", "--board", "Random, {steps} steps")
    monkeypatch.setattr(scores, "MEASURED", tmp_path / "new")
    (found,) = scores.measured("rows")
    assert found["seeds"] == 3 and found["nfe"] == 2 and found["relative_fd"] > 1
    assert "| Random, 2 steps | 12 | " in scores.table()


def test_the_pictures_are_those_of_sample(checkpoint):
    """Drawn in batches, with the noise of the seed and the prediction type of the header."""
    model, prediction_type = score.load(checkpoint)
    assert prediction_type == "v_prediction"
    asked = dict(
        sampler="ddim",
        eta=0.0,
        timestep_spacing="trailing",
        steps=3,
        guidance=1,
        clamp=True,
        seed=5,
    )
    labels = torch.arange(score.BATCH + 3) % 10
    found, calls = score.draw(model, prediction_type, asked, labels)
    start = torch.randn(len(labels), 1, 28, 28, generator=torch.Generator().manual_seed(5))

    def denoise(x, t):
        with training.autocast(torch.device("cpu")):
            return predict(model, x, t, labels[-3:])

    last = sample(
        denoise,
        start[-3:],
        score.SCHEDULE,
        score.SPACINGS["trailing"](3),
        "ddim",
        prediction_type,
        clamp=True,
    )
    assert calls == 3 and found.shape == (score.BATCH + 3, 1, 28, 28)
    assert torch.allclose(found[-3:], last, atol=1e-3)


def test_guidance_goes_from_unconditional_through_conditional_and_beyond(checkpoint):
    model, prediction_type = score.load(checkpoint)
    x, labels = (
        torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0)),
        torch.arange(2),
    )
    uncond, cond, beyond = (score.denoiser(model, labels, w)[0](x, 500) for w in (0.0, 1.0, 3.0))
    assert torch.allclose(beyond, uncond + 3 * (cond - uncond), atol=1e-5)
    assert not torch.allclose(uncond, cond, atol=1e-4)
