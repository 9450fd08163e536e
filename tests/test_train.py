"""The training loop against torch used by hand, and the loss of the denoisers."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from course_utils import ROOT
from course_utils.built.denoise import denoising_loss
from course_utils.built.train import channels_last, train


def squared_error(model, x, y, generator):
    return nn.functional.mse_loss(model(x), y)


def line(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(3, 1)


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 3, generator=generator)
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3


def test_finds_the_least_squares_solution(data):
    model = line()
    generator = torch.Generator().manual_seed(1)
    losses = list(train(model, squared_error, data, 400, generator, 64, 0.1))
    assert len(losses) == 400
    expected = torch.linalg.lstsq(torch.cat([data[0], torch.ones(500, 1)], 1), data[1]).solution
    torch.testing.assert_close(model.weight.data, expected[:3].T, atol=0.01, rtol=0)
    assert losses[-1] < 1e-3 * losses[0]


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11, 20])
def test_runs_of_any_length(data, steps):
    """Also of 10 steps, where a warm-up of a tenth would be one step: OneCycleLR divides by it."""
    run = train(line(), squared_error, data, steps, torch.Generator().manual_seed(0))
    assert len(list(run)) == steps


def test_is_torchs_adamw_with_a_one_cycle_rate(data):
    """Twenty steps, once through `train` and once with torch's own parts."""
    x, y = data
    ours, theirs = line(), line()
    list(train(ours, squared_error, data, 20, torch.Generator().manual_seed(2), 16, 0.05))
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.05, betas=(0.9, 0.99))
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=20, pct_start=0.1)
    generator = torch.Generator().manual_seed(2)
    for _ in range(20):
        chosen = torch.randint(500, (16,), generator=generator)
        optimizer.zero_grad()
        nn.functional.mse_loss(theirs(x[chosen]), y[chosen]).backward()
        optimizer.step()
        rate.step()
    torch.testing.assert_close(ours.weight.data, theirs.weight.data)


def test_same_generator_same_losses_and_no_step_before_it_is_asked_for(data):
    runs = [
        train(line(), squared_error, data, 3, torch.Generator().manual_seed(3)) for _ in range(2)
    ]
    assert list(runs[0]) == list(runs[1])
    model = line()
    before = model.weight.clone()
    run = train(model, squared_error, data, 3, torch.Generator().manual_seed(3))
    assert torch.equal(before, model.weight)
    next(run)
    assert not torch.equal(before, model.weight)


def test_weights_stay_float32_under_bfloat16(data):
    seen = []

    def loss(model, x, y, generator):
        guess = model(x)
        seen.append(guess.dtype)
        return nn.functional.mse_loss(guess.float(), y)

    model = line()
    precision = torch.autocast("cpu", dtype=torch.bfloat16)
    losses = list(
        train(model, loss, data, 2, torch.Generator().manual_seed(0), precision=precision)
    )
    assert seen == [torch.bfloat16] * 2
    assert model.weight.dtype == torch.float32
    assert all(math.isfinite(loss) for loss in losses)


def test_denoising_loss_of_known_denoisers():
    """Answering 0 costs the pictures' power; leaving the mix costs E[amount^2] (power + 1)."""
    generator = torch.Generator().manual_seed(0)
    x0 = 0.5 * torch.randn(20_000, 1, 4, 4, generator=generator)
    nothing = denoising_loss(torch.zeros_like, x0, generator)
    assert nothing == pytest.approx(x0.square().mean())
    left = denoising_loss(lambda x: x, x0, generator)
    assert left == pytest.approx((0.25 + 1) / 3, rel=0.02)


def test_denoising_loss_gives_each_picture_its_own_amount():
    seen = {}

    def spy(xt):
        seen["std"] = xt.flatten(1).std(dim=1)
        return xt

    denoising_loss(spy, torch.zeros(2000, 1, 16, 16), torch.Generator().manual_seed(0))
    # xt = amount * noise, so its spread is the amount: even in [0, 1].
    quantiles = torch.quantile(seen["std"], torch.tensor([0.1, 0.5, 0.9]))
    torch.testing.assert_close(quantiles, torch.tensor([0.1, 0.5, 0.9]), atol=0.05, rtol=0)


def spoiled(model, x, y, generator):
    """Good in the first two steps, then a number that is none."""
    spoiled.calls += 1
    factor = spoiled.number if spoiled.calls == 3 else 1.0
    return factor * nn.functional.mse_loss(model(x), y)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_change(data, number):
    spoiled.calls, spoiled.number = 0, number
    model, losses = line(), []
    run = train(model, spoiled, data, 20, torch.Generator().manual_seed(0), 8, 0.01)
    losses = [next(run), next(run)]
    before = [p.clone() for p in model.parameters()]
    message = rf"loss \(spoiled\) of step 3 of 20 is {number}: .*rate under 0.01, .*half precision"
    with pytest.raises(FloatingPointError, match=message):
        next(run)
    assert all(map(math.isfinite, losses))
    for weight, kept in zip(model.parameters(), before, strict=True):
        assert torch.equal(weight, kept)


@pytest.mark.parametrize("what", ["data", "rate", "weights", "half"])
def test_what_makes_training_diverge_is_found_within_a_few_steps(data, what):
    """nan in the data, an endless rate, a gradient of nan from a finite loss, float16's range."""
    x, y = data
    model, rate, loss_of = line(), 1e-3, squared_error
    if what == "data":
        x = x.clone()
        x[:] = math.nan
    elif what == "rate":
        rate = 1e30
    elif what == "weights":

        def loss_of(model, x, y, generator):
            return (model(x) * 0).square().sum().sqrt() + model.weight.sum()  # sqrt's slope at 0

    else:

        def loss_of(model, x, y, generator):
            return (1e5 * model(x)).half().square().mean()

    run = train(model, loss_of, (x, y), 20, torch.Generator().manual_seed(0), 8, rate)
    with pytest.raises(FloatingPointError, match="training has diverged and stops here"):
        for _ in range(4):
            next(run)


class Elsewhere(nn.Conv2d):
    """A network that says that its weights are on another device, and notes what it is asked."""

    def __init__(self, device):
        super().__init__(3, 4, 3)
        self.where, self.asked = device, []

    def parameters(self, recurse=True):
        return iter([SimpleNamespace(device=torch.device(self.where))])

    def to(self, *given, **how):
        self.asked.append(how)
        return self


@pytest.mark.parametrize("device, changed", [("cpu", True), ("cuda", True), ("mps", False)])
def test_channels_last_is_left_out_on_mps_alone(device, changed):
    """Some versions of torch fail or err there: pytorch's issues 140902 and 180984."""
    model = Elsewhere(device)
    assert channels_last(model) is model
    assert model.asked == ([{"memory_format": torch.channels_last}] if changed else [])


def test_channels_last_is_said_in_one_place():
    """All networks that the learner builds go through it, in the lessons too."""
    found = [
        path.name
        for folder in ("course_utils/built", "notebooks")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".py", ".ipynb")
        and "torch.channels_last" in path.read_text(encoding="utf-8")
    ]
    assert sorted(found) == ["02_encoder_decoder.ipynb", "train.py"]


def test_training_leaves_convolutions_channels_last():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 1))
    x = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    run = train(model, squared_error, (x, x[:, :1, 0, 0]), 2, torch.Generator().manual_seed(0), 4)
    next(run)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
