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
        self.self_attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            QuickGELU() if quick else nn.GELU(),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        x = x + self.self_attn(self.norm1(x), causal=causal)
        return x + self.mlp(self.norm2(x))


class GEGLU(nn.Module):
    """One linear layer in two halves, the second a gate: a * gelu(b) (Shazeer 2020)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.proj = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.proj(x).chunk(2, dim=-1)
        return a * gelu(b)


class BasicTransformerBlock(nn.Module):
    """Stable Diffusion's block: self-attention, cross-attention, a gated network.

    Takes x, N x L x width, and encoder_hidden_states (text embeddings, say), N x S x
    cross_attention_dim; returns N x L x width. The queries, keys and values have no biases.
    (Rombach et al. 2022, appendix E.2.1.)
    """

    def __init__(self, width: int, heads: int, cross_attention_dim: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, heads, bias=False)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, heads, cross_attention_dim, bias=False)
        self.norm3 = nn.LayerNorm(width)
        self.ff = nn.Sequential(GEGLU(width, 4 * width), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), encoder_hidden_states)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """A BasicTransformerBlock on an image: each pixel is a token; the result is added to the image.

    Takes x, N x width x H x W, and encoder_hidden_states, N x S x cross_attention_dim; returns x's
    shape. groups (it divides width) and eps are the norm's. (Rombach et al. 2022, appendix E.2.1.)
    """

    def __init__(
        self, width: int, heads: int, cross_attention_dim: int, groups: int = 32, eps: float = 1e-6
    ):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps)
        self.proj_in = nn.Conv2d(width, width, 1)
        block = BasicTransformerBlock(width, heads, cross_attention_dim)
        self.transformer_blocks = nn.ModuleList([block])  # later models have several here
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        tokens = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)  # N x H W x width
        for block in self.transformer_blocks:
            tokens = block(tokens, encoder_hidden_states)
        return x + self.proj_out(tokens.transpose(1, 2).reshape(x.shape))
