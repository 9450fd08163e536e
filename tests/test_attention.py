"""Attention against torch's own kernel, torch.nn.MultiheadAttention and diffusers."""

import pytest
import torch
from diffusers.models.attention_processor import Attention as TheirAttention
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from course_utils.built.attention import Attention, attention, causal_mask, recorded_maps
from course_utils.built.transformer import BasicTransformerBlock


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair(width=24, heads=4, cross_attention_dim=None, bias=True):
    """torch's layer with random weights (its biases start at 0), and ours with the same."""
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(
        width,
        heads,
        bias=bias,
        batch_first=True,
        kdim=cross_attention_dim,
        vdim=cross_attention_dim,
    )
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    ours = Attention(width, heads, cross_attention_dim, bias, out_bias=bias)
    if cross_attention_dim is None:
        weights = theirs.in_proj_weight.chunk(3)
    else:
        weights = theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight
    with torch.no_grad():
        layers = ours.to_q, ours.to_k, ours.to_v
        for i, (layer, weight) in enumerate(zip(layers, weights, strict=True)):
            layer.weight.copy_(weight)
            if bias:
                layer.bias.copy_(theirs.in_proj_bias.chunk(3)[i])
    ours.to_out.load_state_dict(theirs.out_proj.state_dict())
    return ours, theirs


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_torchs_kernel(masked):
    q, k, v = normal(2, 3, 5, 8), normal(2, 3, 7, 8, seed=1), normal(2, 3, 7, 6, seed=2)
    mask = normal(2, 1, 5, 7, seed=3) > 0 if masked else None
    if masked:
        mask[..., 0] = True  # each query has a key
    result, maps = attention(q, k, v, mask)
    torch.testing.assert_close(result, scaled_dot_product_attention(q, k, v, mask))
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 3, 5))
    if masked:
        assert maps.masked_select(~mask).abs().max() == 0


@pytest.mark.parametrize("return_maps", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("heads", [1, 4])
def test_self_attention_is_torchs_layer(heads, bias, causal, return_maps):
    ours, theirs = pair(heads=heads, bias=bias)
    x = normal(2, 6, 24)
    mask = ~causal_mask(6) if causal else None  # in torch's layer True means hidden
    wanted, maps = theirs(x, x, x, attn_mask=mask, average_attn_weights=False)
    found = ours(x, causal=causal, return_maps=return_maps)
    if return_maps:
        found, ours_maps = found
        torch.testing.assert_close(ours_maps, maps)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
def test_cross_attention_is_torchs_layer(bias):
    ours, theirs = pair(cross_attention_dim=10, bias=bias)
    x, context = normal(2, 6, 24), normal(2, 3, 10, seed=1)
    wanted, maps = theirs(x, context, context, average_attn_weights=False)
    found, ours_maps = ours(x, context, return_maps=True)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours(x, context), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours_maps, maps)


def test_stable_diffusions_biases_out_alone():
    torch.manual_seed(0)
    theirs = TheirAttention(32, cross_attention_dim=12, heads=4, dim_head=8)
    ours = Attention(32, 4, cross_attention_dim=12, bias=False)
    state = {k.replace("to_out.0", "to_out"): v for k, v in theirs.state_dict().items()}
    ours.load_state_dict(state)
    x, context = normal(2, 5, 32), normal(2, 7, 12, seed=1)
    torch.testing.assert_close(ours(x, context), theirs(x, context), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_training_in_bfloat16_computes_the_same(causal):
    """There the layer takes the plain way, which is faster on a CPU than the fused kernel."""
    torch.manual_seed(0)
    layer, x = Attention(24, 4), normal(2, 6, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trained = layer(x, causal=causal)
        with torch.no_grad():
            fused = layer(x, causal=causal)
    assert trained.requires_grad and trained.dtype == fused.dtype == torch.bfloat16
    torch.testing.assert_close(trained, fused, rtol=0.02, atol=0.02)
    torch.testing.assert_close(trained.float(), layer(x, causal=causal), rtol=0.02, atol=0.02)


def test_a_causal_layer_does_not_see_what_comes():
    layer, x = Attention(8, 2), normal(1, 5, 8)
    changed = torch.cat([x[:, :3], normal(1, 2, 8, seed=1)], dim=1)
    before, after = layer(x, causal=True), layer(changed, causal=True)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert (before[:, 3:] - after[:, 3:]).abs().min() > 0


def test_without_positions_attention_is_permutation_equivariant():
    layer, x = Attention(8, 2), normal(2, 6, 8)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order])


def test_the_scale_keeps_the_variance_of_scores_at_one():
    for D in (4, 64, 1024):
        q, k = normal(2000, 1, D), normal(2000, 1, D, seed=1)
        scores = (q @ k.transpose(1, 2)).flatten() / D**0.5
        assert abs(scores.var().item() - 1) < 0.15


def test_maps_are_recorded_where_asked_and_nothing_changes():
    torch.manual_seed(0)
    block = BasicTransformerBlock(16, 2, 6)
    x, context = normal(3, 4, 16), normal(3, 5, 6, seed=1)
    before = block(x, context)
    with recorded_maps(block) as found:
        assert torch.equal(block(x, context), before)
        block(x, context)
    assert {name: [m.shape for m in maps] for name, maps in found.items()} == {
        "attn1": [(3, 2, 4, 4)] * 2,
        "attn2": [(3, 2, 4, 5)] * 2,
    }
    h = x + block.attn1(block.norm1(x))
    _, wanted = block.attn2(block.norm2(h), context, return_maps=True)
    torch.testing.assert_close(found["attn2"][0], wanted)
    with recorded_maps(block, "attn2") as some:
        block(x, context)
    assert list(some) == ["attn2"]
    block(x, context)
    assert len(some["attn2"]) == 1  # it has stopped


def test_wrong_shapes_are_refused_with_a_reason():
    with pytest.raises(ValueError, match="multiple of the heads; got 10 and 3"):
        Attention(10, 3)
    layer = Attention(8, 2, cross_attention_dim=6)
    x = torch.zeros(2, 5, 8)
    with pytest.raises(ValueError, match=r"N x L x 8 numbers; got \[2, 5, 9\]"):
        layer(torch.zeros(2, 5, 9), torch.zeros(2, 3, 6))
    with pytest.raises(ValueError, match="N x S x 6: pass one"):
        layer(x)
    for wrong in (torch.zeros(2, 3, 8), torch.zeros(3, 6), torch.zeros(1, 3, 6)):
        with pytest.raises(ValueError, match="The context is 2 x S x 6"):
            layer(x, wrong)
    with pytest.raises(ValueError, match="causal is for self-attention"):
        layer(x, torch.zeros(2, 3, 6), causal=True)
