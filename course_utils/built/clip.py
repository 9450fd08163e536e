"""CLIP: words and images as directions in one space (lesson 10)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from course_utils.built.transformer import TransformerBlock


class CLIPText(nn.Module):
    """CLIP's text encoder: a causal transformer over tokens, read at the end token.

    Takes ids, int64 N x L with L <= length, each row with the end token, whose id is vocab - 1, and
    padding after it. Returns the sequence, N x L x width after the last norm, and what stands at
    the first end token, N x width. quick: QuickGELU. CLIPText(49408, 768, 12, 12, 77, quick=True)
    is that of CLIP ViT-L/14 and of Stable Diffusion 1.x. (Radford et al. 2021, section 2.4.)
    """

    def __init__(
        self, vocab: int, width: int, layers: int, heads: int, length: int, quick: bool = False
    ):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab, width)
        self.position_embedding = nn.Embedding(length, width)
        self.layers = nn.ModuleList(TransformerBlock(width, heads, quick) for _ in range(layers))
        self.final_layer_norm = nn.LayerNorm(width)
        # torch's own std of 1 would drown the positions
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.position_embedding.weight, std=0.01)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        end = self.token_embedding.num_embeddings - 1
        _check_shape(ids, self.position_embedding.num_embeddings)
        positions = self.position_embedding.weight[: ids.shape[1]]
        x = self.token_embedding(ids) + positions  # N x L x width
        for block in self.layers:
            x = block(x, causal=True)
        x = self.final_layer_norm(x)
        first = (ids == end).int().argmax(dim=1)  # the end token may serve as padding too
        return x, x[torch.arange(len(x), device=x.device), first]


class CLIPVision(nn.Module):
    """A small image encoder: three convolutions and a linear layer.

    Takes pictures N x channels x size x size, size divisible by 4; returns N x width.
    """

    def __init__(self, size: int, width: int, channels: int = 3):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width // 2, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),  # size / 2
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),  # size / 4
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(width * (size // 4) ** 2, width),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    """How badly N pictures and N texts find each other; row i belongs to row i.

    images and texts: N x D of length 1; scale: one over the temperature. The cross-entropy of each
    picture choosing among the texts and of each text choosing among the pictures, averaged: log N
    for guessing. (Radford et al. 2021, figure 3.)
    """
    similarity = scale * images @ texts.T  # N x N
    right = torch.arange(len(images), device=images.device)
    return (cross_entropy(similarity, right) + cross_entropy(similarity.T, right)) / 2


class CLIP(nn.Module):
    """A text encoder and an image encoder that meet in a space of `width` numbers.

    text: a CLIPText; image: a network from pictures to N x image_width. `embed_text` and
    `embed_images` give N x width numbers of length 1, whose products are cosines. `log_scale` is
    learned: the log of one over the temperature, from 1 / 0.07. (Radford et al. 2021.)
    """

    def __init__(self, text: CLIPText, image: nn.Module, image_width: int, width: int):
        super().__init__()
        self.text, self.image = text, image
        self.text_out = nn.Linear(text.final_layer_norm.normalized_shape[0], width, bias=False)
        self.image_out = nn.Linear(image_width, width, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def embed_text(self, ids: Tensor) -> Tensor:
        return normalize(self.text_out(self.text(ids)[1]), dim=1)

    def embed_images(self, images: Tensor) -> Tensor:
        return normalize(self.image_out(self.image(images)), dim=1)

    def forward(self, images: Tensor, ids: Tensor) -> Tensor:
        """The contrastive loss of N pictures with their texts."""
        scale = self.log_scale.exp().clamp(max=100)  # beyond it training becomes unstable
        return contrastive_loss(self.embed_images(images), self.embed_text(ids), scale)


def _check_shape(ids: Tensor, length: int) -> None:
    if ids.ndim != 2 or ids.shape[1] > length:
        raise ValueError(f"ids are N x L with L up to {length}; these are {[*ids.shape]}.")
