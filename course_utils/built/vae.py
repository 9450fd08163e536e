"""Latent diffusion's autoencoder: pictures as few numbers, and back (lesson 12)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, silu

from course_utils.built.attention import Attention
from course_utils.built.resample import Downsample, Upsample
from course_utils.built.resblock import ResBlock

EPS = 1e-6  # of all norms, as in Stable Diffusion's VAE


class DiagonalGaussian(NamedTuple):
    """What the encoder knows of a picture's latents: a Gaussian for each of the numbers."""

    mean: Tensor
    log_var: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """mean + sigma noise: latents drawn so that gradients reach the encoder.

        noise: from N(0, 1), of the mean's shape (Kingma and Welling 2014, section 2.4).
        """
        return self.mean + (0.5 * self.log_var).exp() * noise

    def kl(self) -> Tensor:
        """How far it is from N(0, 1), in nats, summed over each picture: N numbers.

        (Kingma and Welling 2014, appendix B.)
        """
        per_number = 0.5 * (self.mean**2 + self.log_var.exp() - 1 - self.log_var)
        return per_number.flatten(1).sum(1)


class AttentionBlock(Attention):
    """Group norm, then self-attention of every pixel, added to the input.

    Takes and returns N x width x H x W; it costs (H W)^2, so it belongs where images are small.
    """

    def __init__(self, width: int, groups: int):
        super().__init__(width, heads=1)
        self.group_norm = nn.GroupNorm(groups, width, EPS)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)  # N x HW x width
        return x + super().forward(tokens).transpose(1, 2).reshape(x.shape)


def vae_resnets(inputs: int, width: int, number: int, groups: int) -> nn.ModuleList:
    """`number` residual blocks, the first of which takes `inputs` channels."""
    first = ResBlock(inputs, width, groups=groups, eps=EPS)
    others = (ResBlock(width, width, groups=groups, eps=EPS) for _ in range(number - 1))
    return nn.ModuleList([first, *others])


class VAEBlock(nn.Module):
    """One resolution of the VAE: residual blocks, then half or twice the size, or neither."""

    def __init__(self, resnets: nn.ModuleList, resample: nn.Module | None = None):
        super().__init__()
        self.resnets = resnets
        self.downsamplers = nn.ModuleList([resample] if isinstance(resample, Downsample) else [])
        self.upsamplers = nn.ModuleList([resample] if isinstance(resample, Upsample) else [])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (*self.resnets, *self.downsamplers, *self.upsamplers):
            x = layer(x)
        return x


class VAEMidBlock(nn.Module):
    """A residual block, attention, a residual block: where the image is smallest."""

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.resnets = vae_resnets(width, width, 2, groups)
        self.attentions = nn.ModuleList([AttentionBlock(width, groups)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Encoder(nn.Module):
    """Pictures N x channels x H x W to N x outputs x H / f x W / f, f = 2^(levels - 1)."""

    def __init__(
        self, channels: int, outputs: int, widths: Sequence[int], layers: int, groups: int
    ):
        super().__init__()
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down_blocks, before = nn.ModuleList(), widths[0]
        for i, width in enumerate(widths):
            resnets = vae_resnets(before, width, layers, groups)
            half = Downsample(width, padding=0) if i < len(widths) - 1 else None
            self.down_blocks.append(VAEBlock(resnets, half))
            before = width
        self.mid_block = VAEMidBlock(before, groups)
        self.conv_norm_out = nn.GroupNorm(groups, before, EPS)
        self.conv_out = nn.Conv2d(before, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    """Latents N x inputs x h x w to pictures N x channels x f h x f w, f = 2^(levels - 1).

    It mirrors the encoder, with one more residual block a resolution: drawing is the harder part.
    """

    def __init__(self, inputs: int, channels: int, widths: Sequence[int], layers: int, groups: int):
        super().__init__()
        before = widths[-1]
        self.conv_in = nn.Conv2d(inputs, before, 3, padding=1)
        self.mid_block = VAEMidBlock(before, groups)
        self.up_blocks = nn.ModuleList()
        for i, width in reversed(list(enumerate(widths))):
            resnets = vae_resnets(before, width, layers + 1, groups)
            self.up_blocks.append(VAEBlock(resnets, Upsample(width) if i > 0 else None))
            before = width
        self.conv_norm_out = nn.GroupNorm(groups, before, EPS)
        self.conv_out = nn.Conv2d(before, channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        z = self.mid_block(self.conv_in(z))
        for block in self.up_blocks:
            z = block(z)
        return self.conv_out(silu(self.conv_norm_out(z)))


class AutoencoderKL(nn.Module):
    """Stable Diffusion's VAE, by default of its size (Rombach et al. 2022, appendix G).

    channels: of the pictures, which are in [-1, 1]. latent_channels: of the latents.
    widths: the channels of each resolution; each but the last halves height and width.
    layers_per_block: residual blocks a resolution, one more on the way back. scaling_factor: what
    latents are multiplied by for diffusion, so that their standard deviation is 1; `encode` and
    `decode` work without it, `to_latents` and `to_pictures` with it. Raises ValueError
    for numbers that don't fit, and for other shapes.
    """

    def __init__(
        self,
        channels: int = 3,
        latent_channels: int = 4,
        widths: Sequence[int] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        groups: int = 32,
        scaling_factor: float = 0.18215,
    ):
        super().__init__()
        _check_vae(widths, groups, scaling_factor)
        self.channels, self.latent_channels = channels, latent_channels
        self.scaling_factor = scaling_factor
        self.factor = 2 ** (len(widths) - 1)
        self.encoder = Encoder(channels, 2 * latent_channels, widths, layers_per_block, groups)
        self.quant_conv = nn.Conv2d(2 * latent_channels, 2 * latent_channels, 1)
        self.post_quant_conv = nn.Conv2d(latent_channels, latent_channels, 1)
        self.decoder = Decoder(latent_channels, channels, widths, layers_per_block, groups)

    def encode(self, x: Tensor) -> DiagonalGaussian:
        """Pictures, N x channels x H x W, to the Gaussians of their latents."""
        _check_batch("pictures", x, self.channels, self.factor)
        mean, log_var = self.quant_conv(self.encoder(x)).chunk(2, dim=1)
        return DiagonalGaussian(mean, log_var.clamp(-30, 20))  # exp stays finite

    def decode(self, z: Tensor) -> Tensor:
        """Latents, N x latent_channels x h x w, to pictures, N x channels x factor h x factor w."""
        _check_batch("latents", z, self.latent_channels)
        return self.decoder(self.post_quant_conv(z))

    def to_latents(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pictures as diffusion sees them: latents, sampled with `noise` or the mean, scaled."""
        found = self.encode(x)
        return self.scaling_factor * (found.mean if noise is None else found.sample(noise))

    def to_pictures(self, latents: Tensor) -> Tensor:
        """Latents as diffusion makes them to pictures, cut off to [-1, 1]."""
        return self.decode(latents / self.scaling_factor).clamp(-1, 1)


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of neighbours in N x C x H x W: to the right, and below."""
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def vae_loss(
    model: AutoencoderKL,
    x: Tensor,
    generator: torch.Generator,
    kl_weight: float = 1e-6,
    edge_weight: float = 0.5,
) -> Tensor:
    """How badly pictures come back, plus kl_weight times the KL divergence of a picture.

    Badly: the mean absolute difference, and edge_weight times that of their edges, which asks for
    sharp lines. The noise of the latents is drawn from the CPU `generator`. With squares, no edges
    and kl_weight 2 s^2 / n, n the numbers in a picture, it is minus the ELBO of a decoder with
    standard deviation s, times 2 s^2 / n, without constants (Kingma and Welling 2014).
    """
    found = model.encode(x)
    noise = torch.randn(found.mean.shape, generator=generator).to(x.device)
    back = model.decode(found.sample(noise))
    sharp = sum(l1_loss(a, b) for a, b in zip(edges(back), edges(x), strict=True))
    return l1_loss(back, x) + edge_weight * sharp + kl_weight * found.kl().mean()


def _check_vae(widths: Sequence[int], groups: int, scale: float) -> None:
    """Raise ValueError where a VAE can't be made of these numbers."""
    if not widths or groups < 1 or any(width % groups for width in widths):
        raise ValueError(f"Every width is a multiple of groups ({groups}); got {[*widths]}.")
    if not scale > 0:
        raise ValueError(
            f"scaling_factor is 1 / the latents' standard deviation, above 0; got {scale}."
        )


def _check_batch(what: str, x: Tensor, channels: int, factor: int = 1) -> None:
    """Raise ValueError where x is not N x channels x H x W, H and W divisible by `factor`."""
    if x.ndim != 4 or x.shape[1] != channels or any(n % factor for n in x.shape[2:]):
        sizes = f", H and W divisible by {factor}" if factor > 1 else ""
        raise ValueError(f"This VAE's {what} are N x {channels} x H x W{sizes}; got {[*x.shape]}.")
