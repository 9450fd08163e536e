"""Latent diffusion's autoencoder: pictures as few numbers, and back (lesson 12)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, pad, silu

from course_utils.built.attention import Attention
from course_utils.built.resblock import ResBlock

EPS = 1e-6  # of all norms, as in Stable Diffusion's VAE


class Gaussian(NamedTuple):
    """What the encoder knows of a picture's latents: a bell curve for each of the numbers."""

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


class PictureAttention(nn.Module):
    """Group norm, then attention of every place to every other, added to the input.

    Takes and returns N x width x H x W; it costs (H W)^2, so it belongs where pictures are small.
    """

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, EPS)
        self.attention = Attention(width, heads=1)

    def forward(self, x: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)  # N x HW x width
        return x + self.attention(places).transpose(1, 2).reshape(x.shape)


class Halve(nn.Module):
    """A convolution with stride 2: half the height and width.

    The border of zeros is on the right and below only, as in Stable Diffusion's VAE.
    """

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad(x, (0, 1, 0, 1)))


class Enlarge(nn.Module):
    """Each pixel becomes 2 x 2, then a convolution smooths: twice the height and width."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(interpolate(x, scale_factor=2.0))


def vae_blocks(inputs: int, width: int, number: int, groups: int) -> list[nn.Module]:
    """`number` residual blocks, the first of which takes `inputs` channels."""
    first = ResBlock(inputs, width, groups=groups, eps=EPS)
    return [first] + [ResBlock(width, width, groups=groups, eps=EPS) for _ in range(number - 1)]


def vae_middle(width: int, groups: int) -> list[nn.Module]:
    """A residual block, attention, a residual block: where the picture is smallest."""
    around = vae_blocks(width, width, 2, groups)
    return [around[0], PictureAttention(width, groups), around[1]]


class Encoder(nn.Module):
    """Pictures N x channels x H x W to N x outputs x H / f x W / f, f = 2^(levels - 1)."""

    def __init__(
        self, channels: int, outputs: int, widths: Sequence[int], blocks: int, groups: int
    ):
        super().__init__()
        self.enter = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down, before = nn.ModuleList(), widths[0]
        for i, width in enumerate(widths):
            level = vae_blocks(before, width, blocks, groups)
            halve = [Halve(width)] if i < len(widths) - 1 else []
            self.down.append(nn.Sequential(*level, *halve))
            before = width
        self.middle = nn.Sequential(*vae_middle(before, groups))
        self.norm = nn.GroupNorm(groups, before, EPS)
        self.leave = nn.Conv2d(before, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for level in self.down:
            x = level(x)
        return self.leave(silu(self.norm(self.middle(x))))


class Decoder(nn.Module):
    """Latents N x inputs x h x w to pictures N x channels x f h x f w, f = 2^(levels - 1).

    It mirrors the encoder, with one more block a level: drawing is the harder part.
    """

    def __init__(self, inputs: int, channels: int, widths: Sequence[int], blocks: int, groups: int):
        super().__init__()
        before = widths[-1]
        self.enter = nn.Conv2d(inputs, before, 3, padding=1)
        self.middle = nn.Sequential(*vae_middle(before, groups))
        self.up = nn.ModuleList()
        for i, width in reversed(list(enumerate(widths))):
            level = vae_blocks(before, width, blocks + 1, groups)
            enlarge = [Enlarge(width)] if i > 0 else []
            self.up.append(nn.Sequential(*level, *enlarge))
            before = width
        self.norm = nn.GroupNorm(groups, before, EPS)
        self.leave = nn.Conv2d(before, channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        z = self.middle(self.enter(z))
        for level in self.up:
            z = level(z)
        return self.leave(silu(self.norm(z)))


def check_vae(widths: Sequence[int], groups: int, scale: float) -> None:
    """Raise ValueError where a VAE can't be made of these numbers."""
    if not widths or groups < 1 or any(width % groups for width in widths):
        raise ValueError(f"Every width is a multiple of groups ({groups}); got {[*widths]}.")
    if not scale > 0:
        raise ValueError(f"scale is 1 / the latents' standard deviation, above 0; got {scale}.")


def check_batch(what: str, x: Tensor, channels: int, factor: int = 1) -> None:
    """Raise ValueError where x is not N x channels x H x W, H and W divisible by `factor`."""
    if x.ndim != 4 or x.shape[1] != channels or any(n % factor for n in x.shape[2:]):
        sizes = f", H and W divisible by {factor}" if factor > 1 else ""
        raise ValueError(f"This VAE's {what} are N x {channels} x H x W{sizes}; got {[*x.shape]}.")


class AutoencoderKL(nn.Module):
    """Stable Diffusion's VAE, by default of its size (Rombach et al. 2022, appendix G).

    channels: of the pictures, which are in [-1, 1]. latent: channels of the latents. widths: the
    channels of each level; every level but the last halves height and width. blocks: residual
    blocks a level, one more on the way back. scale: what latents are multiplied by for diffusion,
    so that their standard deviation is 1; `encode` and `decode` work without it, `to_latents` and
    `to_pictures` with it. Raises ValueError for numbers that don't fit, and for other shapes.
    """

    def __init__(
        self,
        channels: int = 3,
        latent: int = 4,
        widths: Sequence[int] = (128, 256, 512, 512),
        blocks: int = 2,
        groups: int = 32,
        scale: float = 0.18215,
    ):
        super().__init__()
        check_vae(widths, groups, scale)
        self.channels, self.latent, self.scale = channels, latent, scale
        self.factor = 2 ** (len(widths) - 1)
        self.encoder = Encoder(channels, 2 * latent, widths, blocks, groups)
        self.quant = nn.Conv2d(2 * latent, 2 * latent, 1)
        self.post_quant = nn.Conv2d(latent, latent, 1)
        self.decoder = Decoder(latent, channels, widths, blocks, groups)

    def encode(self, x: Tensor) -> Gaussian:
        """Pictures, N x channels x H x W, to a bell curve, N x latent x H / factor x W / factor."""
        check_batch("pictures", x, self.channels, self.factor)
        mean, log_var = self.quant(self.encoder(x)).chunk(2, dim=1)
        return Gaussian(mean, log_var.clamp(-30, 20))  # exp stays finite

    def decode(self, z: Tensor) -> Tensor:
        """Latents, N x latent x h x w, to pictures, N x channels x factor h x factor w."""
        check_batch("latents", z, self.latent)
        return self.decoder(self.post_quant(z))

    def to_latents(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pictures as diffusion sees them: latents, sampled with `noise` or the mean, scaled."""
        found = self.encode(x)
        return self.scale * (found.mean if noise is None else found.sample(noise))

    def to_pictures(self, latents: Tensor) -> Tensor:
        """Latents as diffusion makes them to pictures, cut off to [-1, 1]."""
        return self.decode(latents / self.scale).clamp(-1, 1)


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
    sharp lines. The noise of the latents is drawn from the CPU `generator`. With kl_weight 1 over
    the numbers in a picture, and squares instead, it is the ELBO (Kingma and Welling 2014).
    """
    found = model.encode(x)
    noise = torch.randn(found.mean.shape, generator=generator).to(x.device)
    back = model.decode(found.sample(noise))
    sharp = sum(l1_loss(a, b) for a, b in zip(edges(back), edges(x), strict=True))
    return l1_loss(back, x) + edge_weight * sharp + kl_weight * found.kl().mean()
