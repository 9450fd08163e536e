"""Our VAE against diffusers' with the same weights, and what it says of wrong shapes."""

import pytest
import torch
from diffusers import AutoencoderKL as TheirVAE
from torch import nn
from torch.distributions import Normal, kl_divergence

from course_utils.built.vae import AutoencoderKL, DiagonalGaussian, edges, vae_loss


def small(**settings):
    return AutoencoderKL(
        **({"widths": (16, 32, 48), "layers_per_block": 2, "groups": 8} | settings)
    )


def theirs(widths=(16, 32, 48), layers_per_block=2, groups=8, latent_channels=4):
    return TheirVAE(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=layers_per_block,
        latent_channels=latent_channels,
        norm_num_groups=groups,
    )


def same(widths=(16, 32, 48), **settings):
    """A pair of VAEs with the same random weights, norms and biases included."""
    torch.manual_seed(0)
    other, ours = theirs(widths, **settings).eval(), small(widths=widths, **settings).eval()
    for parameter in other.parameters():
        nn.init.normal_(parameter, 0.02, 0.1)
    weights = {k.replace("to_out.0", "to_out"): v for k, v in other.state_dict().items()}
    ours.load_state_dict(weights)
    return other, ours


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"widths": (8, 24), "layers_per_block": 1, "latent_channels": 3},
        {"widths": (16,), "groups": 4},
    ],
)
@torch.no_grad()
def test_diffusers_computes_the_same(settings):
    other, ours = same(**settings)
    x = torch.rand(2, 3, 16, 24) * 2 - 1
    expected, found = other.encode(x).latent_dist, ours.encode(x)
    torch.testing.assert_close(found.mean, expected.mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.log_var, expected.logvar, atol=1e-5, rtol=1e-4)
    z = torch.randn(expected.mean.shape)
    torch.testing.assert_close(ours.decode(z), other.decode(z).sample, atol=1e-5, rtol=1e-4)


def test_at_full_size_it_has_stable_diffusions_number_of_weights():
    with torch.device("meta"):
        ours = AutoencoderKL()
        other = theirs((128, 256, 512, 512), 2, 32)
        latents = ours.encode(torch.empty(1, 3, 512, 512)).mean
    count = [sum(p.numel() for p in vae.parameters()) for vae in (other, ours)]
    assert count[0] == count[1] == 83_653_863  # as published
    assert latents.shape == (1, 4, 64, 64) and ours.scaling_factor == other.config.scaling_factor


def test_the_gaussian_is_torchs():
    mean, log_var = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    found, normal = DiagonalGaussian(mean, log_var), Normal(mean, (0.5 * log_var).exp())
    expected = kl_divergence(normal, Normal(0.0, 1.0)).sum((1, 2, 3))
    torch.testing.assert_close(found.kl(), expected)
    generator = torch.Generator().manual_seed(0)
    many = DiagonalGaussian(*(part[:1].expand(20_000, -1, -1, -1) for part in (mean, log_var)))
    drawn = many.sample(torch.randn(20_000, 2, 4, 4, generator=generator))
    sigma = normal.stddev[0]
    assert ((drawn.mean(0) - mean[0]).abs() < 5 * sigma / 20_000**0.5).all()
    torch.testing.assert_close(drawn.std(0), sigma, rtol=0.03, atol=0)


@torch.no_grad()
def test_the_scale_stands_between_the_vae_and_diffusion():
    torch.manual_seed(0)
    vae = small(scaling_factor=0.5).eval()
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    noise = torch.randn(2, 4, 4, 4)
    torch.testing.assert_close(vae.to_latents(x), 0.5 * vae.encode(x).mean)
    sampled = vae.to_latents(x, noise)
    torch.testing.assert_close(sampled, 0.5 * vae.encode(x).sample(noise))
    pictures = vae.to_pictures(50 * sampled)
    torch.testing.assert_close(pictures, vae.decode(100 * sampled).clamp(-1, 1))
    assert pictures.shape == x.shape and pictures.abs().max() <= 1


@torch.no_grad()
def test_the_loss_is_its_three_parts():
    torch.manual_seed(0)
    vae, x = small().eval(), torch.rand(2, 3, 8, 8) * 2 - 1

    def loss(kl_weight, edge_weight):
        generator = torch.Generator().manual_seed(1)
        return vae_loss(vae, x, generator, kl_weight, edge_weight)

    found = vae.encode(x)
    noise = torch.randn(found.mean.shape, generator=torch.Generator().manual_seed(1))
    away = vae.decode(found.sample(noise)) - x
    torch.testing.assert_close(loss(0, 0), away.abs().mean())
    torch.testing.assert_close(loss(0.1, 0) - loss(0, 0), 0.1 * found.kl().mean())
    slopes = away.diff(dim=3).abs().mean() + away.diff(dim=2).abs().mean()
    torch.testing.assert_close(loss(0, 2) - loss(0, 0), 2 * slopes)


def test_edges_are_differences_of_neighbours():
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    right, below = edges(x)
    assert right.shape == (1, 1, 3, 3) and (right == 1).all()
    assert below.shape == (1, 1, 2, 4) and (below == 4).all()


def test_it_learns_to_give_a_picture_back():
    generator = torch.manual_seed(0)
    vae = small(widths=(16, 32), layers_per_block=1, groups=4)
    x = torch.nn.functional.interpolate(torch.rand(8, 3, 2, 2) * 2 - 1, size=16)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = vae_loss(vae, x, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("shape", [(2, 3, 18, 16), (2, 3, 16, 18), (2, 1, 16, 16), (3, 16, 16)])
def test_a_picture_of_the_wrong_size_is_named(shape):
    with pytest.raises(
        ValueError, match=r"pictures are N x 3 x H x W, H and W divisible by 4; got \["
    ):
        small().encode(torch.zeros(shape))
    with pytest.raises(ValueError, match="divisible by 4"):
        small().to_latents(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (4, 4, 4), (2, 4, 16)])
def test_latents_of_the_wrong_shape_are_named(shape):
    with pytest.raises(ValueError, match=r"latents are N x 4 x H x W; got \["):
        small().decode(torch.zeros(shape))
    with pytest.raises(ValueError, match="latents are N x 4"):
        small().to_pictures(torch.zeros(shape))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"widths": (16, 20)}, r"multiple of groups \(8\); got \[16, 20\]"),
        ({"widths": ()}, "multiple of groups"),
        ({"groups": 0}, "multiple of groups"),
        ({"scaling_factor": 0.0}, "standard deviation, above 0; got 0.0"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings)
