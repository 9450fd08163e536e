"""The transformer blocks against diffusers' and transformers', with the same random weights."""

import pytest
import torch
from diffusers.models import attention as diffusers_attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import nn
from transformers import CLIPTextConfig
from transformers.activations import ACT2FN
from transformers.models.clip.modeling_clip import CLIPEncoderLayer

from course_utils.built.attention import Attention
from course_utils.built.transformer import (
    BasicTransformerBlock,
    QuickGELU,
    SpatialTransformer,
    TransformerBlock,
)

CLIP_NAMES = {
    "q_proj": "to_q",
    "k_proj": "to_k",
    "v_proj": "to_v",
    "out_proj": "to_out",
    "layer_norm": "norm",
    "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.2",
}
DIFFUSERS_NAMES = {"to_out.0": "to_out", "ff.net.0": "ff.0", "ff.net.2": "ff.1"}


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def same_weights(theirs, ours, names):
    """Random weights, norms and biases too (they start at 1 and 0), in both."""
    for i, parameter in enumerate(theirs.parameters()):
        parameter.data.add_(0.1 * normal(*parameter.shape, seed=i))
    state = {}
    for key, value in theirs.state_dict().items():
        for old, new in names.items():
            key = key.replace(old, new)
        state[key] = value
    ours.load_state_dict(state)
    return theirs.eval(), ours.eval()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("quick", [False, True])
def test_transformer_block_is_clips(quick, causal):
    torch.manual_seed(0)
    config = CLIPTextConfig(
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=128,
        hidden_act="quick_gelu" if quick else "gelu",
        attn_implementation="eager",
    )
    theirs, ours = same_weights(
        CLIPEncoderLayer(config), TransformerBlock(32, 4, quick), CLIP_NAMES
    )
    x = normal(2, 7, 32)
    hidden = torch.full((7, 7), -torch.inf).triu(1)[None, None] if causal else None
    with torch.no_grad():
        torch.testing.assert_close(ours(x, causal), theirs(x, hidden), rtol=1e-5, atol=1e-5)


def test_quick_gelu_is_transformers():
    x = torch.linspace(-6, 6, 101)
    torch.testing.assert_close(QuickGELU()(x), ACT2FN["quick_gelu"](x))


def test_basic_transformer_block_is_stable_diffusions():
    torch.manual_seed(0)
    theirs, ours = same_weights(
        diffusers_attention.BasicTransformerBlock(32, 4, 8, cross_attention_dim=12),
        BasicTransformerBlock(32, 4, 12),
        DIFFUSERS_NAMES,
    )
    x, states = normal(2, 9, 32), normal(2, 5, 12, seed=1)
    with torch.no_grad():
        wanted = theirs(x, encoder_hidden_states=states)
        torch.testing.assert_close(ours(x, states), wanted, rtol=1e-5, atol=1e-5)


def test_spatial_transformer_is_stable_diffusions():
    torch.manual_seed(0)
    theirs, ours = same_weights(
        Transformer2DModel(4, 8, 32, norm_num_groups=8, cross_attention_dim=12),
        SpatialTransformer(32, 4, 12, groups=8),
        DIFFUSERS_NAMES,
    )
    x, states = normal(2, 32, 6, 4), normal(2, 5, 12, seed=1)  # not square
    with torch.no_grad():
        wanted = theirs(x, encoder_hidden_states=states).sample
        torch.testing.assert_close(ours(x, states), wanted, rtol=1e-5, atol=1e-5)
        last = ours(x.to(memory_format=torch.channels_last), states)
        torch.testing.assert_close(last, wanted, rtol=1e-5, atol=1e-5)


def test_the_real_sizes_have_the_real_counts():
    """Stable Diffusion 1.x at 320 channels, and one layer of CLIP ViT-L/14's text encoder."""

    def count(module):
        return sum(p.numel() for p in module.parameters())

    with torch.device("meta"):
        theirs = Transformer2DModel(8, 40, 320, cross_attention_dim=768)
        assert count(SpatialTransformer(320, 8, 768)) == count(theirs)
        config = CLIPTextConfig(
            hidden_size=768, num_attention_heads=12, intermediate_size=3072, hidden_act="quick_gelu"
        )
        assert count(TransformerBlock(768, 12, quick=True)) == count(CLIPEncoderLayer(config))


def test_every_weight_learns():
    block = SpatialTransformer(16, 2, 6, groups=4)
    block(normal(2, 16, 3, 3), normal(2, 5, 6)).square().sum().backward()
    assert [n for n, p in block.named_parameters() if not p.grad.abs().sum() > 0] == []


def test_a_silent_block_hands_its_input_through():
    block, x = SpatialTransformer(16, 2, 6, groups=4), normal(2, 16, 3, 3)
    nn.init.zeros_(block.proj_out.weight)
    nn.init.zeros_(block.proj_out.bias)
    assert torch.equal(block(x, normal(2, 5, 6)), x)


def test_under_autocast_no_float32_slips_in():
    block, found = SpatialTransformer(16, 2, 6, groups=4), []
    for name, module in block.named_modules():
        kinds = nn.LayerNorm | nn.Conv2d | nn.Linear | Attention
        if isinstance(module, kinds) and name != "proj_in":
            module.register_forward_pre_hook(lambda _, given: found.append(given[0].dtype))
    x, states = normal(2, 16, 3, 3).bfloat16(), normal(2, 5, 6).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert block(x, states).dtype == torch.bfloat16
    assert len(found) > 10 and set(found) == {torch.bfloat16}


def test_a_wrong_context_is_refused():
    block, x = SpatialTransformer(16, 2, 6, groups=4), torch.zeros(2, 16, 3, 3)
    with pytest.raises(ValueError, match="The context is 2 x S x 6"):
        block(x, torch.zeros(2, 5, 7))
