"""LoRA by hand: equal at the start, merged, removed, added; what learns and what is refused."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, linear

from course_utils.built import text_to_image
from course_utils.built.attention import Attention
from course_utils.built.lora import (
    LoRALinear,
    add_lora,
    count_trainable,
    merge_lora,
    remove_lora,
    scale_lora,
    unmerge_lora,
)
from course_utils.built.train import train
from tests.test_pipeline import seeded, small_pipeline


def learned(loras, seed=0):
    """As after a training: neither factor is zero."""
    for i, lora in enumerate(loras.values()):
        for part in (lora.A, lora.B):
            part.weight.data = torch.randn(part.weight.shape, generator=seeded(seed + i)) / 3
    return loras


def drawn(pipe):
    return text_to_image(pipe, "a red cat", seeded(), steps=3)


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("alpha, scale", [(None, 1.0), (1, 1.0), (6.0, -0.5)])
def test_it_is_the_formula(bias, alpha, scale):
    torch.manual_seed(0)
    lora = LoRALinear(nn.Linear(5, 7, bias), rank=3, alpha=alpha)
    learned({"": lora})
    lora.scale = scale
    x = torch.randn(2, 4, 5)
    W = lora.weight + scale * (alpha or 3) / 3 * lora.B.weight @ lora.A.weight
    torch.testing.assert_close(lora(x), linear(x, W, lora.base.bias))
    torch.testing.assert_close(lora.weight + lora.change(), W)


@pytest.mark.parametrize("how", [dict(kernel_size=1), dict(kernel_size=3, stride=2, padding=1)])
def test_a_convolution_is_a_linear_layer_on_patches(how):
    torch.manual_seed(0)
    lora = LoRALinear(nn.Conv2d(3, 6, **how), rank=2, alpha=5.0)
    learned({"": lora})
    x = torch.randn(2, 3, 8, 8)
    where = (lora.base.stride, lora.base.padding)
    torch.testing.assert_close(
        lora(x), conv2d(x, lora.weight + lora.change(), lora.base.bias, *where)
    )


def test_nothing_is_changed_at_the_start_and_only_the_factors_can_learn():
    pipe = small_pipeline()
    before = drawn(pipe)
    for network, number in ((pipe.unet, 7 * 8), (pipe.text_encoder, 2 * 4)):
        loras = add_lora(network, rank=2)
        assert len(loras) == number
        wanted = sum(2 * (lora.in_features + len(lora.weight)) for lora in loras.values())
        assert count_trainable(network) == wanted
        able = {name for name, p in network.named_parameters() if p.requires_grad}
        assert able == {f"{name}.{part}.weight" for name in loras for part in "AB"}
    assert torch.equal(drawn(pipe), before)  # bit for bit


def test_a_training_changes_nothing_else():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    before = state(model)
    loras = add_lora(model, pattern="", rank=2)
    x, y = torch.randn(64, 4), torch.randn(64, 2)

    def loss(model, x, y, generator):
        return ((model(x) - y) ** 2).mean()

    losses = [*train(model, loss, (x, y), 60, seeded(), 32, learning_rate=3e-2)]
    assert losses[-1] < losses[0]
    remove_lora(model, loras)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_merged_it_draws_the_same_and_taken_out_as_before():
    pipe = small_pipeline()
    plain = drawn(pipe)
    loras = learned(add_lora(pipe.unet, rank=2, alpha=1))
    with_lora = drawn(pipe)
    assert (with_lora - plain).abs().max() > 0.05
    merge_lora(loras)
    torch.testing.assert_close(drawn(pipe), with_lora, atol=1e-4, rtol=0)
    unmerge_lora(loras)
    torch.testing.assert_close(drawn(pipe), with_lora, atol=1e-4, rtol=0)
    scale_lora(loras, 0)
    torch.testing.assert_close(drawn(pipe), plain, atol=1e-4, rtol=0)
    scale_lora(loras, 1)
    merge_lora(loras)
    remove_lora(pipe.unet, loras)  # merged for good: a plain U-Net is left
    assert not any(isinstance(m, LoRALinear) for m in pipe.unet.modules())
    torch.testing.assert_close(drawn(pipe), with_lora, atol=1e-4, rtol=0)


def test_the_scale_is_linear_in_the_change():
    torch.manual_seed(0)
    lora = LoRALinear(nn.Linear(4, 4), rank=2)
    learned({"": lora})
    x, found = torch.randn(3, 4), {}
    for scale in (-0.5, 0.0, 1.0, 1.5):
        scale_lora({"": lora}, scale)
        found[scale] = lora(x).detach()
    step = found[1.0] - found[0.0]
    for scale in (-0.5, 1.5):
        torch.testing.assert_close(found[scale], found[0.0] + scale * step)
    assert torch.equal(found[0.0], lora.base(x))


def test_two_add_up_in_any_order_and_each_can_be_taken_out():
    torch.manual_seed(0)
    model = nn.ModuleDict({"attn1": Attention(8, 2), "attn2": Attention(8, 2)})
    x = torch.randn(1, 3, 8)
    plain = model.attn1(x)
    first = learned(add_lora(model, r"attn1\.to_(q|v)"))
    alone = model.attn1(x)
    second = learned(add_lora(model, rank=2), 50)
    assert len(first) == 2 and len(second) == 8
    assert not any(p.requires_grad for lora in first.values() for p in (lora.A.weight,))
    both = model.attn1(x)
    layer = model.attn1.to_q
    wanted = layer.weight + first["attn1.to_q"].change() + second["attn1.to_q"].change()
    torch.testing.assert_close(layer(x), linear(x, wanted, layer.layer.bias))
    merge_lora(first)
    torch.testing.assert_close(model.attn1(x), both)
    merge_lora(second)
    unmerge_lora(first)
    unmerge_lora(second)
    torch.testing.assert_close(model.attn1(x), both)
    remove_lora(model, first)
    scale_lora(second, 0)
    torch.testing.assert_close(model.attn1(x), plain)
    remove_lora(model, second)
    assert {name for name, _ in model.named_parameters()} == {
        f"{a}.to_{b}.{c}"
        for a in ("attn1", "attn2")
        for b in ("q", "k", "v", "out")
        for c in ("weight", "bias")
    }
    add_lora(model, "")
    add_lora(model, "")  # every layer of the model, and none of the first LoRA's own
    assert isinstance(model.attn1.to_q.base, LoRALinear)
    assert isinstance(model.attn1.to_q.A, nn.Linear)
    assert not torch.equal(alone, plain)


def test_it_has_the_type_and_the_place_of_its_layer():
    lora = LoRALinear(nn.Linear(4, 4, dtype=torch.bfloat16))
    assert lora.A.weight.dtype == lora.B.weight.dtype == torch.bfloat16
    assert lora(torch.zeros(1, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert LoRALinear(nn.Linear(4, 4, device="meta")).A.weight.is_meta


def test_what_it_can_not_do_is_said():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(ValueError, match="beside a linear layer.*this is a ReLU"):
        LoRALinear(nn.ReLU())
    with pytest.raises(ValueError, match="without groups"):
        LoRALinear(nn.Conv2d(4, 4, 3, groups=2))
    for rank in (0, -1, 2.5):
        with pytest.raises(ValueError, match="rank is a whole number from 1"):
            add_lora(model, "0", rank)
    with pytest.raises(ValueError, match="No linear layer's name ends as.*such as 0"):
        add_lora(model)
    assert all(p.requires_grad for p in model.parameters())  # it is as it was
    loras = add_lora(model, "0")
    with pytest.raises(ValueError, match="not merged"):
        unmerge_lora(loras)
    merge_lora(loras)
    for what in (merge_lora, lambda loras: scale_lora(loras, 0.5)):
        with pytest.raises(ValueError, match="merged already.*unmerge_lora"):
            what(loras)
