"""Textual inversion: a new word, learned from pictures (lesson 15)."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.built.tokenizer import Tokenizer, clean_text, word_symbols


class EnlargedTokenizer(Tokenizer):
    """A tokenizer with more words, each with an id of its own (Gal et al. 2022, section 3).

    words: word -> id; the ids follow the plain vocabulary's without a gap. A word is found wherever
    it stands in a text, in capitals or small letters. "<cat>" also means "<cat>_1", "<cat>_2", ...
    where there are such: a word can have several vectors (as in diffusers). Raises ValueError for
    other ids.
    """

    def __init__(self, plain: Tokenizer, words: Mapping[str, int]):
        super().__init__(plain.merges, plain.length, plain.tokens[plain.pad])
        self.plain, self.words = plain, dict(words)
        self.added = {clean_text(word): i for word, i in words.items()}
        ids = range(len(plain.vocab), len(plain.vocab) + len(words))
        if sorted(self.added.values()) != [*ids]:
            raise ValueError(f"added words have ids from {ids.start} on, without a gap: {words}")
        ordered = sorted(self.added, key=self.added.get)
        self.vocab = self.vocab | {word: self.added[word] for word in ordered}
        self.tokens = self.tokens + ["".join(word_symbols(word)) for word in ordered]
        longest_first = sorted(map(re.escape, self.added), key=len, reverse=True)
        self.pattern = re.compile(f"({'|'.join(longest_first)})")

    def split(self, text: str) -> list[str]:
        """A text as tokens, without start, end and padding."""
        found = []
        for part in self.pattern.split(clean_text(text)):
            found += self.vectors(part) if part in self.added else super().split(part)
        return found

    def vectors(self, word: str) -> list[str]:
        """An added word with those that belong to it."""
        found = [word]
        while (following := f"{word}_{len(found)}") in self.added:
            found.append(following)
        return found


class EnlargedEmbedding(nn.Module):
    """A text encoder's table, which is frozen, and rows of new words below it, which can learn.

    rows: K x width. The rows are a parameter of their own, so that no gradient, and no weight decay
    either, reaches the table. num_embeddings counts the table alone, whose last row is the end
    token's: `CLIPText` looks for it there.
    """

    def __init__(self, table: nn.Module, rows: Tensor):
        super().__init__()
        self.table, self.rows = table.requires_grad_(False), nn.Parameter(rows.clone())
        self.num_embeddings, self.embedding_dim = table.num_embeddings, table.embedding_dim

    @property
    def weight(self) -> Tensor:
        """All rows, in the order of the ids."""
        return torch.cat([self.table.weight, self.rows])

    def forward(self, ids: Tensor) -> Tensor:
        return embedding(ids, self.weight)


def vector_of(model: StableDiffusion, text: str) -> Tensor:
    """The mean of the vectors of a text's tokens, 1 x width: where a new word may start."""
    ids = [model.tokenizer.vocab[token] for token in model.tokenizer.split(text)]
    return model.text_encoder.token_embedding.weight[ids].detach().mean(0, keepdim=True)


def add_word(model: StableDiffusion, word: str, vectors: Tensor) -> nn.Parameter:
    """Add a word to a model's tokenizer and text encoder; its vectors are all that can learn.

    word: in angle brackets, "<pip>", as else it would be found within other words. vectors: what it
    starts with, K x width; with several the word is K tokens. model: changed in place and frozen.
    Returns the vectors as a parameter. Raises ValueError for a word that can't be one, or is there.
    """
    tokenizer, text = model.tokenizer, model.text_encoder
    _check_word(word, vectors, model)
    names = [word, *(f"{word}_{i}" for i in range(1, len(vectors)))]
    ids = {name: len(tokenizer.vocab) + i for i, name in enumerate(names)}
    plain, words = getattr(tokenizer, "plain", tokenizer), getattr(tokenizer, "words", {})
    model.tokenizer = EnlargedTokenizer(plain, words | ids)
    for network in (text, model.unet, model.vae):
        network.requires_grad_(False)
    text.token_embedding = EnlargedEmbedding(text.token_embedding, vectors)
    return text.token_embedding.rows


def _check_word(word: str, vectors: Tensor, model: StableDiffusion) -> None:
    if not re.fullmatch(r"<[^<>\s]+>", word):
        raise ValueError(
            f"Write a new word in angle brackets and without spaces, such as '<pip>'; not {word!r}."
        )
    if clean_text(word) in model.tokenizer.vocab:
        raise ValueError(f"{word} is in the model's vocabulary already: choose another word.")
    width = model.text_encoder.token_embedding.embedding_dim
    if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != width:
        raise ValueError(
            f"A word's vectors are K x {width} for this text encoder; these are {[*vectors.shape]}."
        )
