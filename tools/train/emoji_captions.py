"""The captions of the emoji as ids: what the text encoder and the U-Net are trained on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from course_utils.built.tokenizer import Tokenizer, learn_merges
from course_utils.data import emoji

LENGTH = 32  # ids in a row; the longest caption takes 21
MERGES = 3000
PLAIN = 0.15  # the part of captions that says no style
ROWS = 18  # captions of a drawing that say the style: three names in six templates at most


def captions_of(drawing: emoji.Emoji) -> tuple[list[str], list[str]]:
    """The captions of a drawing that say its style, and those that do not."""
    return emoji.captions(drawing), emoji.plain_captions(drawing)


def learn_tokenizer(drawings: Sequence[emoji.Emoji]) -> Tokenizer:
    """A tokenizer for the captions of these drawings, in which frequent words are one token."""
    texts = [text for drawing in drawings for group in captions_of(drawing) for text in group]
    return Tokenizer(learn_merges(texts, MERGES), LENGTH)


def caption_ids(tokenizer: Tokenizer, drawings: Sequence[emoji.Emoji]) -> tuple[Tensor, Tensor]:
    """All captions of each of N drawings: N x 18 x 32 with the style, N x 6 x 32 without it.

    Who has fewer captions has them repeated, so that one can be drawn by chance for each drawing.
    """
    found = []
    for group, rows in ((0, ROWS), (1, ROWS // 3)):
        texts = [captions_of(drawing)[group] for drawing in drawings]
        filled = [t[i % len(t)] for t in texts for i in range(rows)]
        found.append(tokenizer.encode(filled).view(len(drawings), rows, LENGTH))
    return found[0], found[1]


def draw_captions(styled: Tensor, plain: Tensor, generator: torch.Generator) -> Tensor:
    """One caption for each of N drawings, N x 32, drawn from `caption_ids` by the CPU generator."""
    n = len(styled)
    row = torch.arange(n, device=styled.device)
    one = torch.randint(styled.shape[1], (n,), generator=generator).to(styled.device)
    other = torch.randint(plain.shape[1], (n,), generator=generator).to(styled.device)
    some = (torch.rand(n, 1, generator=generator) < PLAIN).to(styled.device)
    return torch.where(some, plain[row, other], styled[row, one])
