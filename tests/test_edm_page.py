"""The formulas and the numbers of docs/edm.md."""

import math
import re

import pytest
import torch

from course_utils import ROOT
from course_utils.built.forward import forward_jump
from course_utils.built.parameterization import from_x0
from course_utils.built.samplers import sigma_at
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.data import datasets

PAGE = (ROOT / "docs" / "edm.md").read_text(encoding="utf-8")
SCHEDULE = NoiseSchedule(linear_betas(1000))
SIGMA = (SCHEDULE.noise_std / SCHEDULE.signal)[1:]


def denoise_of_the_page():
    names = {"math": math}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.S)[1], names)
    return names["denoise"]


@pytest.mark.parametrize("sigma", [0.05, 0.5, 2.0, 20.0])
def test_input_and_target_have_variance_1(sigma):
    denoise, data = denoise_of_the_page(), 0.6
    generator = torch.Generator().manual_seed(0)
    x0 = data * torch.randn(100_000, generator=generator)
    x = x0 + sigma * torch.randn(100_000, generator=generator)
    given = []

    def F(scaled, noise):
        given.append((scaled, noise))
        return torch.zeros_like(scaled)

    skipped = denoise(F, x, sigma, data)
    (scaled, noise), c_out = given[0], denoise(lambda *_: 1.0, 0 * x, sigma, data)
    assert abs(scaled.var() - 1) < 0.02 and noise == math.log(sigma) / 4
    assert abs(((x0 - skipped) / c_out).var() - 1) < 0.02


def test_with_data_of_variance_1_the_network_predicts_minus_v():
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 4, 1, 8, 8, generator=generator).double()
    for t in (20, 300, 900):
        xt, sigma = forward_jump(x0, eps, t, SCHEDULE), SIGMA[t - 1].item()
        v = from_x0("v_prediction", x0, xt, t, SCHEDULE)
        found = denoise_of_the_page()(lambda *_: -v, xt / SCHEDULE.signal[t], sigma, 1.0)  # noqa: B023
        torch.testing.assert_close(found, x0)


def test_the_numbers():
    assert round(100 * (SIGMA > 1).double().mean().item()) == 74
    assert f"{(d := datasets.mnist()[0][:5000]).sub(d.mean()).std():.2f}" == "0.62"
    rows = re.findall(r"^\| (-?\d) \| ([\d.]+) \| (\d+) \|$", PAGE, re.M)
    assert len(rows) == 5
    for z, sigma, t in rows:
        exact = math.exp(-1.2 + 1.2 * int(z))
        assert math.isclose(exact, float(sigma), rel_tol=0.02)
        assert (SIGMA > exact).nonzero()[0].item() + 1 == int(t)
    assert round(100 * 0.5 * math.erfc(1 / math.sqrt(2))) == 16
    assert sigma_at(260, SCHEDULE) > 1
