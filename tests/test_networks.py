"""The networks of lessons 02 and 03: shapes, refusals, and agreement with torch's own layers."""

import pytest
import torch
from torch import nn

from course_utils.built.encoder_decoder import EncoderDecoder
from course_utils.built.ideal_denoiser import conditional_mean
from course_utils.built.plain_unet import PlainUNet, double_conv


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 64)])
def test_both_networks_keep_the_pictures_shape(channels, size):
    x = torch.randn(2, channels, size, size)
    assert EncoderDecoder(16, channels, size)(x).shape == x.shape
    assert PlainUNet(channels, widths=(4, 8, 16))(x).shape == x.shape


def test_encoder_decoder_passes_its_bottleneck_and_nothing_else():
    model = EncoderDecoder(bottleneck=5)
    x = torch.randn(2, 1, 28, 28)
    code = model.encoder(x)
    assert code.shape == (2, 5)
    assert torch.equal(model(x), model.decoder(code))


def test_sizes_that_do_not_halve_are_refused_with_a_reason():
    with pytest.raises(ValueError, match="30 is not a multiple of 4"):
        EncoderDecoder(size=30)
    with pytest.raises(ValueError, match="multiples of 8.*28"):
        PlainUNet(widths=(4, 8, 16, 32))(torch.zeros(1, 1, 28, 28))


@pytest.mark.parametrize("model", [EncoderDecoder(16), PlainUNet(widths=(4, 8, 16))])
def test_the_last_layer_can_say_any_number(model):
    """No activation at the end: scaling and turning its weights does so to the output."""
    x = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    last = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)][-1]
    with torch.no_grad():
        before = model(x)
        last.weight.mul_(-100)
        last.bias.mul_(-100)
        after = model(x)
    torch.testing.assert_close(after, -100 * before, rtol=1e-3, atol=1e-3)


def test_unet_by_hand():
    """Two levels, written out with torch's own layers: pooling, upsampling, order of the skip."""
    torch.manual_seed(0)
    unet = PlainUNet(widths=(4, 8))
    x = torch.randn(2, 1, 8, 8)
    fine = unet.down[0](x)
    coarse = unet.down[1](nn.MaxPool2d(2)(fine))
    joined = torch.cat([nn.Upsample(scale_factor=2)(coarse), fine], dim=1)
    torch.testing.assert_close(unet(x), unet.out(unet.up[0](joined)))


def test_every_weight_of_the_unet_learns():
    unet = PlainUNet()
    unet(torch.randn(2, 1, 28, 28)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in unet.parameters())


def test_double_conv_is_two_padded_convolutions():
    layers = [type(layer) for layer in double_conv(3, 5)]
    assert layers == [nn.Conv2d, nn.SiLU, nn.Conv2d, nn.SiLU]
    assert double_conv(3, 5)(torch.zeros(1, 3, 7, 9)).shape == (1, 5, 7, 9)


def test_conditional_mean_is_bayes_rule():
    """Against weights from torch.distributions, picture by picture, in float64."""
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(7, 1, 2, 2, generator=generator, dtype=torch.float64)
    xt = torch.randn(5, 1, 2, 2, generator=generator, dtype=torch.float64)
    signal, noise_std = 0.8, 0.5
    density = torch.distributions.Normal(signal * data[None], noise_std)
    logs = density.log_prob(xt[:, None]).flatten(2).sum(2)  # 5 x 7
    weights = logs.exp() / logs.exp().sum(1, keepdim=True)
    expected = torch.einsum("nm,mchw->nchw", weights, data)
    torch.testing.assert_close(conditional_mean(xt, signal, noise_std, data), expected)


def test_conditional_mean_at_both_ends():
    data = torch.randn(6, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    near = conditional_mean(data + 1e-3, 1.0, 1e-2, data)
    torch.testing.assert_close(near, data, atol=1e-4, rtol=0)  # no noise: the picture itself
    far = conditional_mean(torch.zeros(1, 1, 3, 3), 1e-4, 1.0, data)
    torch.testing.assert_close(far[0], data.mean(0), atol=1e-3, rtol=0)  # no signal: the mean
