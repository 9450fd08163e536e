"""LoRALinear against peft's own: the same numbers forward, merged, and after a training."""

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from course_utils.built.lora import add_lora, count_trainable, merge_lora
from tests.test_lora import learned
from tests.test_pipeline import seeded


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.a, self.b = nn.Linear(16, 5), nn.Linear(5, 2, bias=False)

    def forward(self, x):
        return self.b(torch.tanh(self.a(self.conv(x).flatten(1))))


def pair(rank, alpha):
    """A small model with our LoRA, and the same with peft's and the same factors."""
    torch.manual_seed(0)
    ours, theirs = Small(), Small()
    theirs.load_state_dict(ours.state_dict())
    loras = learned(add_lora(ours, "", rank, alpha))
    config = LoraConfig(r=rank, lora_alpha=alpha or rank, target_modules=["conv", "a", "b"])
    theirs = inject_adapter_in_model(config, theirs)
    for name, lora in loras.items():
        layer = theirs.get_submodule(name)
        layer.lora_A["default"].weight.data = lora.A.weight.data.clone()
        layer.lora_B["default"].weight.data = lora.B.weight.data.clone()
    return ours, loras, theirs


X = torch.randn(6, 3, 4, 4, generator=seeded())


@pytest.mark.parametrize("rank, alpha", [(2, None), (3, 1.0), (1, 8)])
def test_it_computes_the_same(rank, alpha):
    ours, loras, theirs = pair(rank, alpha)
    torch.testing.assert_close(ours(X), theirs(X))
    assert count_trainable(ours) == count_trainable(theirs)
    merge_lora(loras)
    for name, lora in loras.items():
        layer = theirs.get_submodule(name)
        delta = layer.get_delta_weight("default")
        torch.testing.assert_close(lora.merged, delta)
        layer.merge()
        torch.testing.assert_close(lora.weight, layer.base_layer.weight)
    torch.testing.assert_close(ours(X), theirs(X))


def test_it_learns_the_same():
    ours, loras, theirs = pair(2, 4.0)
    target = torch.randn(6, 2, generator=seeded(1))
    for model in (ours, theirs):
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        for _ in range(5):
            optimizer.zero_grad()
            ((model(X) - target) ** 2).mean().backward()
            optimizer.step()
    for name, lora in loras.items():
        layer = theirs.get_submodule(name)
        torch.testing.assert_close(lora.A.weight, layer.lora_A["default"].weight)
        torch.testing.assert_close(lora.B.weight, layer.lora_B["default"].weight)


def test_it_starts_as_pefts():
    """A from the same distribution, uniform within 1 / sqrt(inputs); B zero."""
    torch.manual_seed(0)
    ours = add_lora(nn.Sequential(nn.Linear(400, 10)), "0", 50)["0"]
    config = LoraConfig(r=50, target_modules=["0"])
    layer = inject_adapter_in_model(config, nn.Sequential(nn.Linear(400, 10)))[0]
    for A in (ours.A.weight, layer.lora_A["default"].weight):
        assert 0.049 < A.abs().max() <= 0.05
        assert abs(A.std() / (0.05 / 3**0.5) - 1) < 0.02
    assert not ours.B.weight.any() and not layer.lora_B["default"].weight.any()
