"""The conditional U-Net against diffusers', with the same random weights."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from course_utils.built.diffusion import predict
from course_utils.built.unet import UNet
from course_utils.diffusers_format import names

SMALL = dict(widths=(32, 64), attend=(True, False), heads=4, cross_attention_dim=24, groups=8)


def under_our_names(state, model):
    """diffusers' tensors by the names of our model; every one of them, and no other."""
    theirs = names.name_map(model.state_dict(), names.UNET)
    assert set(theirs.values()) == state.keys()
    return {our: state[their] for our, their in theirs.items()}


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def diffusers_unet(
    widths, attend, layers_per_block, heads, cross_attention_dim, groups, scale_shift=False
):
    """diffusers' network of the same shape; `attention_head_dim` is the number of heads there."""
    return UNet2DConditionModel(
        block_out_channels=widths,
        down_block_types=["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attend],
        up_block_types=["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attend)],
        layers_per_block=layers_per_block,
        attention_head_dim=heads,
        cross_attention_dim=cross_attention_dim,
        norm_num_groups=groups,
        resnet_time_scale_shift="scale_shift" if scale_shift else "default",
    )


@pytest.mark.parametrize(
    "settings",
    [
        SMALL | dict(layers_per_block=2),
        SMALL | dict(layers_per_block=1, scale_shift=True),
        dict(  # Stable Diffusion's four resolutions, at a tenth of their width
            widths=(32, 64, 128, 128),
            attend=(True, True, True, False),
            layers_per_block=2,
            heads=8,
            cross_attention_dim=32,
            groups=32,
        ),
    ],
)
def test_unet_is_diffusers_with_the_same_weights(settings):
    torch.manual_seed(0)
    theirs, ours = diffusers_unet(**settings).eval(), UNet(**settings).eval()
    for i, parameter in enumerate(theirs.parameters()):  # norms and biases too start as 1 and 0
        parameter.data.add_(0.05 * normal(*parameter.shape, seed=i))
    ours.load_state_dict(under_our_names(theirs.state_dict(), ours))
    x, states = normal(2, 4, 16, 16), normal(2, 7, settings["cross_attention_dim"], seed=1)
    t = torch.tensor([0, 987])
    with torch.no_grad():
        wanted = theirs(x, t, states).sample
        torch.testing.assert_close(ours(x, t, states), wanted, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(predict(ours, x, t + 1, states), wanted, rtol=1e-4, atol=1e-4)
    assert wanted.std() > 0.05


def test_by_default_it_has_the_numbers_of_stable_diffusion():
    with torch.device("meta"):
        ours, theirs = UNet(), UNet2DConditionModel(cross_attention_dim=768)
    assert sum(p.numel() for p in ours.parameters()) == 859_520_964  # as published for 1.x
    found = under_our_names(theirs.state_dict(), ours)
    shapes = {key: value.shape for key, value in found.items()}
    assert shapes == {key: value.shape for key, value in ours.state_dict().items()}


def test_patches_keep_the_shape_and_every_pixel_can_matter():
    torch.manual_seed(0)
    unet = UNet(channels=3, patch=2, layers_per_block=1, **SMALL).eval()
    x, t, states = normal(2, 3, 16, 16), torch.tensor([3, 500]), normal(2, 5, 24, seed=1)
    with torch.no_grad():
        out = unet(x, t, states)
        assert out.shape == x.shape
        assert (out - unet(x, t + 1, states)).abs().max() > 0
        for changed in (x.clone(), states.clone()):
            changed[0, -1, -1] += 1  # of the first picture or caption alone
            if changed.shape == x.shape:
                again = unet(changed, t, states)
            else:
                again = unet(x, t, changed)
            assert (out[0] - again[0]).abs().max() > 0
            torch.testing.assert_close(out[1], again[1], rtol=0, atol=1e-5)


def test_without_positions_the_order_of_the_embeddings_does_not_matter():
    unet = UNet(channels=3, layers_per_block=1, **SMALL).eval()
    x, t, states = normal(1, 3, 8, 8), torch.tensor([3]), normal(1, 5, 24, seed=1)
    with torch.no_grad():
        torch.testing.assert_close(
            unet(x, t, states), unet(x, t, states.flip(1)), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(
    "x, states, says",
    [
        (normal(2, 3, 8, 8), None, "needs text embeddings; .* those of ''"),
        (normal(2, 3, 8, 8), normal(2, 5, 23), "2 x S x 24 here"),
        (normal(2, 3, 8, 8), normal(1, 5, 24), "2 x S x 24 here"),
        (normal(2, 3, 8, 8), normal(2, 24), "2 x S x 24 here"),
        (normal(2, 3, 9, 8), normal(2, 5, 24), "divisible by 2"),
        (normal(2, 1, 8, 8), normal(2, 5, 24), "N x 3 x H x W"),
    ],
)
def test_wrong_pictures_and_embeddings_are_explained(x, states, says):
    with pytest.raises(ValueError, match=says):
        UNet(channels=3, layers_per_block=1, **SMALL)(x, torch.tensor([1, 2]), states)


@pytest.mark.parametrize(
    "wrong, says",
    [
        (dict(attend=(True,)), "one each a resolution"),
        (dict(heads=5), "multiple of heads"),
        (dict(groups=5), "multiple of heads"),
    ],
)
def test_wrong_settings_are_explained(wrong, says):
    with pytest.raises(ValueError, match=says):
        UNet(**(SMALL | wrong))
