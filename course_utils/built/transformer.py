"""The two blocks built on attention: CLIP's, and Stable Diffusion's for pictures (lesson 09)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from course_utils.built.attention import Attention


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x): close to GELU, x Phi(x), and what OpenAI's CLIP was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class TransformerBlock(nn.Module):
    """Self-attention, then a small network for each part alone, each added to its input.

    Takes and returns N x L x width. Each half normalises what it reads ("pre-norm") and adds what
    it finds; CLIP's block with quick, which takes QuickGELU in the place of GELU. (Vaswani et al.
    2017; Radford et al. 2019, section 2.3, for the norms' places.)
    """

    def __init__(self, width: int, heads: int, quick: bool = False):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            QuickGELU() if quick else nn.GELU(),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        x = x + self.attention(self.norm1(x), causal=causal)
        return x + self.mlp(self.norm2(x))


class GEGLU(nn.Module):
    """One linear layer in two halves, the second a gate: a * gelu(b) (Shazeer 2020)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.both = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.both(x).chunk(2, dim=-1)
        return a * gelu(b)


class CrossBlock(nn.Module):
    """Stable Diffusion's block: self-attention, a look at the context, a gated network.

    Takes x, N x L x width, and a context, N x S x context_width; returns N x L x width. q, k and v
    have no biases. (Rombach et al. 2022, appendix E.2.1.)
    """

    def __init__(self, width: int, heads: int, context_width: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.self_attention = Attention(width, heads, bias=False)
        self.norm2 = nn.LayerNorm(width)
        self.cross_attention = Attention(width, heads, context_width, bias=False)
        self.norm3 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(GEGLU(width, 4 * width), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.self_attention(self.norm1(x))
        x = x + self.cross_attention(self.norm2(x), context)
        return x + self.mlp(self.norm3(x))


class SpatialTransformer(nn.Module):
    """CrossBlocks on a picture: each pixel is one part, and the result is added to the picture.

    Takes x, N x width x H x W, and a context, N x S x context_width; returns x's shape. depth is
    the number of blocks; groups (it divides width) and eps are the norm's. (Rombach et al. 2022,
    appendix E.2.1.)
    """

    def __init__(
        self,
        width: int,
        heads: int,
        context_width: int,
        depth: int = 1,
        groups: int = 32,
        eps: float = 1e-6,
    ):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps)
        self.enter = nn.Conv2d(width, width, 1)
        self.blocks = nn.ModuleList(CrossBlock(width, heads, context_width) for _ in range(depth))
        self.leave = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        parts = self.enter(self.norm(x)).flatten(2).transpose(1, 2)  # N x H W x width
        for block in self.blocks:
            parts = block(parts, context)
        return x + self.leave(parts.transpose(1, 2).reshape(x.shape))
