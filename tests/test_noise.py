"""Mixing against torch.lerp, and unmixing back, also where nothing is left to divide out."""

import pytest
import torch

from course_utils.built.noise import mix_noise, remove_noise


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    x0 = 2 * torch.rand(4, 3, 8, 8, generator=generator) - 1
    return x0, torch.randn(x0.shape, generator=generator)


@pytest.mark.parametrize("amount", [0, 0.0, 0.3, 1.0])
def test_mixing_is_linear_interpolation(pair, amount):
    assert torch.allclose(mix_noise(*pair, amount), torch.lerp(*pair, float(amount)), atol=1e-6)


def test_one_amount_for_each_picture(pair):
    amounts = torch.tensor([0.0, 0.25, 0.5, 1.0])
    mixed = mix_noise(*pair, amounts)
    for i, amount in enumerate(amounts):
        assert torch.equal(mixed[i], mix_noise(*pair, amount)[i])
    restored = remove_noise(mixed, pair[1], amounts)
    assert torch.allclose(restored[:3], pair[0][:3], atol=1e-6)
    assert (restored[3] == 0).all()


def test_removing_a_part_is_mixing_less(pair):
    mixed = mix_noise(*pair, 0.9)
    for target in (0.0, 0.5, 0.9, 1.0):
        part = remove_noise(mixed, pair[1], 0.9, target)
        assert torch.allclose(part, mix_noise(*pair, target), atol=1e-5)


def test_at_amount_one_the_picture_is_grey_and_gradients_are_finite(pair):
    noise = pair[1].requires_grad_()
    assert torch.equal(remove_noise(noise, noise, 1.0), torch.zeros_like(noise))
    part = remove_noise(noise, noise, 1.0, 0.25)
    assert torch.equal(part, 0.25 * noise)
    part.sum().backward()
    assert noise.grad.isfinite().all()


def test_just_below_one_nothing_is_clamped():
    x0, noise = torch.full((1, 1, 1, 1), 0.5).double(), torch.ones(1, 1, 1, 1).double()
    amount = torch.tensor(1 - 1e-9, dtype=torch.float64)
    assert remove_noise(mix_noise(x0, noise, amount), noise, amount).item() == pytest.approx(0.5)
