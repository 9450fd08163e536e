"""Muon beside AdamW, against torch's own."""

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from tools.train import loop
from tools.train.muon import MuonWithAdamW, orthogonalized

HOW = dict(lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1, fused=True)


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (32, 32)])
def test_singular_values_come_near_one(shape):
    matrix = torch.randn(shape, generator=generator())
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    made = orthogonalized(matrix).float()
    assert made.shape == shape
    values = torch.linalg.svdvals(made)
    assert 0.5 < values.min() and values.max() < 1.3
    assert (made * (u @ vh)).sum() / min(shape) > 0.7


def stepped(optimizer, weight, steps=6):
    draw = generator()
    for _ in range(steps):
        weight.grad = torch.randn(weight.shape, generator=draw)
        optimizer.step()
    return weight.detach()


def test_a_matrix_goes_where_torch_s_muon_takes_it():
    begun = torch.randn(20, 50, generator=generator())
    a, b = (nn.Parameter(begun.clone()) for _ in range(2))
    theirs = torch.optim.Muon([a], lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    ours = MuonWithAdamW([{"params": [b], "muon": True}], **HOW)
    wanted, found = stepped(theirs, a), stepped(ours, b)
    torch.testing.assert_close(found, wanted, atol=2e-3, rtol=0)  # bfloat16 rounds
    assert (found - begun).abs().mean() > 0.005  # as far as six steps lead


def test_a_convolution_is_a_matrix_of_outputs_and_the_rest():
    begun = torch.randn(8, 4, 3, 3, generator=generator())
    a, b = nn.Parameter(begun.clone()), nn.Parameter(begun.flatten(1).clone())
    c = nn.Parameter(begun.clone(memory_format=torch.channels_last))
    made = [stepped(MuonWithAdamW([{"params": [p], "muon": True}], **HOW), p) for p in (a, c)]
    flat = MuonWithAdamW([{"params": [b], "muon": True}], **HOW)
    draw = generator()
    for _ in range(6):
        b.grad = torch.randn(begun.shape, generator=draw).flatten(1)
        flat.step()
    for one in made:
        torch.testing.assert_close(one.flatten(1), b.detach(), atol=2e-3, rtol=0)


def test_the_other_groups_are_adamw_s():
    begun = torch.randn(6, generator=generator())
    a, b, other = (nn.Parameter(begun.clone()) for _ in range(3))
    matrix = nn.Parameter(torch.zeros(3, 3))
    matrix.grad = torch.eye(3)
    groups = [{"params": [matrix], "muon": True}, {"params": [b]}]
    torch.testing.assert_close(
        stepped(AdamW([a], **HOW), a), stepped(MuonWithAdamW(groups, **HOW), b)
    )
    plain = MuonWithAdamW([other], **HOW)
    torch.testing.assert_close(stepped(plain, other), a.detach())


def test_a_run_with_muon_goes_on_number_for_number(places):
    class Settings(loop.Settings):
        def groups(self, model, peak):
            return [
                {"params": [model[0].weight, model[1].weight], "lr": peak, "muon": True},
                {"params": [model[0].bias, model[1].bias], "lr": peak},
            ]

    def run(steps, resume=False, until=None):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 2, 3))
        settings = Settings(
            name="t_t", network={}, steps=steps, batch_size=4, learning_rate=1e-2, every=2
        )
        x = torch.randn(16, 2, 8, 8, generator=generator())
        for saved in loop.fit(
            settings, model, lambda m, x, g: m(x).square().mean(), (x,), resume=resume
        ):
            if saved.step == until:
                return None
        return [*model.parameters()]

    whole = run(6)
    run(6, until=4)
    with pytest.raises(SystemExit, match="has made 4 steps already, more than 3"):
        run(3, resume=True)
    again = run(6, resume=True)  # nothing was lost
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
