"""Long training runs: cut off, they go on as if nothing had happened."""

import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from course_utils.built.ema import EMA
from course_utils.built.train import train
from course_utils.io import tensors
from course_utils.io.run_state import load_run, save_run, saved_counts
from tools.train import loop

SETTINGS = loop.Settings(
    name="small", network={}, steps=20, batch_size=8, learning_rate=0.01, every=5, seed=1
)


def squared_error(model, x, y, generator):
    """In single precision, whatever the loop's autocast says."""
    noise = torch.randn(x.shape, generator=generator)
    with torch.autocast("cpu", enabled=False):
        return nn.functional.mse_loss(model(x + 0.1 * noise), y)


def network():
    """A model with a buffer, always with the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.SiLU(), nn.Flatten(), nn.Linear(16, 1)
    )


def run(settings=SETTINGS, model=None, **how):
    return loop.fit(settings, model or network(), squared_error, data(), **how)


def data():
    x = torch.randn(50, 3, 3, 3, generator=torch.Generator().manual_seed(2))
    return x, x[:, :, 0, 0].sum(dim=1, keepdim=True)


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("restarts", [(), (0.02, 0.005)])
@pytest.mark.parametrize("cut", [2, 4, 6])
def test_a_run_that_was_cut_off_goes_on_number_for_number(places, restarts, cut):
    settings = replace(SETTINGS, steps=30, restarts=restarts)  # legs end at 10, 20, 30
    whole, first, second = network(), network(), network()
    losses = [(saved.step, saved.loss) for saved in run(settings, whole)]
    begun = run(settings, first)
    saves = [next(begun) for _ in range(cut)]
    assert [(saved.step, saved.loss) for saved in saves] == losses[:cut]
    begun.close()  # as a kill would leave it
    rest = list(run(loop.resumed(settings), second, resume=True))
    expected = losses[cut:] or losses[-1:]  # cut off at the very end: it was not yet written
    assert [(saved.step, saved.loss) for saved in rest] == expected
    assert same(second, whole) and rest[-1].last
    assert not settings.state.exists()


def test_each_leg_is_the_courses_training_loop_with_its_own_peak(places):
    legs, plain = network(), network()
    average, generator = EMA(plain), torch.Generator().manual_seed(1)
    *_, last = run(replace(SETTINGS, restarts=(0.02,)), legs)
    for peak in (0.01, 0.02):
        for _ in train(plain, squared_error, data(), 10, generator, 8, peak):
            average.update(plain)
    assert same(legs, plain) and same(last.model, average.model)


def test_an_average_with_decay_0_is_the_weights_themselves(places):
    model = network()
    *_, last = run(replace(SETTINGS, ema=0.0), model)
    assert same(last.model, model)


def test_a_run_that_was_cut_off_is_not_begun_anew_by_mistake(places):
    with pytest.raises(SystemExit, match="no run to resume"):
        loop.resumed(SETTINGS)
    next(run())
    with pytest.raises(SystemExit, match="cut off: --resume, or delete it"):
        next(run())
    other = replace(SETTINGS, steps=30, batch_size=4)
    assert asdict(loop.resumed(other)) == asdict(SETTINGS) | {"restarts": []}


def test_minutes_become_steps(places):
    *_, last = run(minutes=0.002)
    assert last.step == last.settings.steps >= 1


def test_a_curve_begins_anew_with_a_run_and_goes_on_with_its_weights(places):
    path, model = places / "curve.csv", nn.Linear(1, 1)

    def steps(settings, *done):
        for step in done:
            loop.add_to_curve(path, loop.Saved(settings, step, 1.0, 0.5, model), psnr=20.0)
        return [line.split(",")[0] for line in path.read_text().splitlines()]

    assert steps(SETTINGS, 5, 10) == ["step", "5", "10"]
    assert steps(SETTINGS, 10, 15) == ["step", "5", "10", "15"]  # measured twice: one line
    assert steps(replace(SETTINGS, from_weights=True), 5) == ["step", "5", "10", "15", "5"]
    assert steps(replace(SETTINGS, steps=3), 3) == ["step", "3"]
    assert path.read_text() == "step,seconds,loss,psnr\n3,1,0.5,20.0\n"


def parts_of_a_run():
    """What `save_run` and `load_run` take besides the path, after two steps."""
    model, (x, y) = network(), data()
    optimizer, generator = torch.optim.AdamW(model.parameters()), torch.Generator()
    for _ in range(2):
        optimizer.zero_grad()
        squared_error(model, x, y, generator).backward()
        optimizer.step()
    return optimizer, generator, {"model": model, "average": network()}


def test_damaged_missing_and_foreign_files_are_named(tmp_path):
    path, parts = tmp_path / "state.safetensors", parts_of_a_run()
    with pytest.raises(FileNotFoundError, match="no saved run"):
        load_run(path, *parts)
    save_run(path, *parts, done=2)
    other = {"model": nn.Linear(2, 2), "average": nn.Linear(2, 2)}
    with pytest.raises(ValueError, match="of another run"):
        load_run(path, *parts[:2], other)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="damaged"):
        load_run(path, *parts)
    assert [*tmp_path.iterdir()] == [path], "nothing half-written is left"


def mapped(path) -> bool:
    """Whether the file lies in this process's memory: on Windows it could not be replaced."""
    return path.name in Path("/proc/self/maps").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
def test_what_was_loaded_does_not_hold_its_file_open(tmp_path):
    path, parts = tmp_path / "a run's state.safetensors", parts_of_a_run()
    save_run(path, *parts, done=2)
    load_run(path, *parts)
    assert not mapped(path)
    found, notes = tensors.read_tensors(path)
    assert not mapped(path) and "generator" in found and "counts" in notes
    assert saved_counts(path) == {"done": 2} and not mapped(path)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
@pytest.mark.parametrize("load", ["run", "checkpoint"])
def test_a_refused_file_is_not_held_open_by_the_error_that_a_notebook_keeps(tmp_path, load):
    path = tmp_path / "of another model.safetensors"
    tensors.save_checkpoint(path, network())
    with pytest.raises(ValueError) as kept:  # its traceback keeps what the functions held
        if load == "run":
            load_run(path, None, torch.Generator(), {"model": nn.Linear(2, 2)})
        else:
            tensors.load_checkpoint(path, nn.Linear(2, 2))
    assert not mapped(path) and kept.value.args


def test_a_run_that_has_become_nan_does_not_replace_a_good_one(tmp_path):
    path, (optimizer, *others) = tmp_path / "state.safetensors", parts_of_a_run()
    save_run(path, optimizer, *others, done=2)
    before = path.read_bytes()
    next(iter(optimizer.state.values()))["exp_avg"][0] = float("nan")
    with pytest.raises(ValueError, match="state.safetensors was not written: .*'optimizer.0.exp"):
        save_run(path, optimizer, *others, done=3)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


def test_a_run_whose_loss_is_nan_stops_and_keeps_what_it_saved(places):
    spoiled, seen = network(), []

    def loss_of(*given):
        seen.append(squared_error(*given) * (float("nan") if len(seen) == 7 else 1.0))
        return seen[-1]

    with pytest.raises(FloatingPointError, match="loss is nan: .*Begin again with a lower"):
        list(loop.fit(SETTINGS, spoiled, loss_of, data()))
    assert saved_counts(SETTINGS.state)["done"] == 5
    assert all(weight.isfinite().all() for weight in spoiled.parameters())
