"""Words that were added to a model, each of them one token: textual inversion's words."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from course_utils.built.clip import CLIPText
from course_utils.built.tokenizer import Tokenizer, clean_text, word_symbols
from course_utils.diffusers_format.config_files import read_json


class EnlargedTokenizer(Tokenizer):
    """A tokenizer with more words, each with an id of its own (Gal et al. 2022).

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


def added_words(folder: Path, config: dict, whole: dict, vocab: Mapping[str, int]) -> dict:
    """Word -> id of what was added to a plain vocabulary, as the three files that can say so do.

    config: tokenizer_config.json, whole: tokenizer.json. Raises ValueError where a word of the
    vocabulary has another id there.
    """
    path = folder / "added_tokens.json"
    said = read_json(path) if path.is_file() else {}
    said |= {t["content"]: int(i) for i, t in config.get("added_tokens_decoder", {}).items()}
    said |= {token["content"]: token["id"] for token in whole.get("added_tokens") or []}
    if wrong := [word for word in said.keys() & vocab.keys() if said[word] != vocab[word]]:
        raise ValueError(f"{min(wrong)!r} has two ids")
    return {word: i for word, i in said.items() if word not in vocab}


class EnlargedText(CLIPText):
    """CLIP's text encoder with vectors of added words, which come after the end token's.

    plain: has all vectors, in the order of the ids. `CLIPText` knows the end token by being the
    last, so the ids pass it in another order, in which it is.
    """

    def __init__(self, plain: CLIPText, end: int):
        nn.Module.__init__(self)
        self.token_embedding = EndInside(plain.token_embedding.weight, end)
        self.position_embedding, self.layers = plain.position_embedding, plain.layers
        self.final_layer_norm = plain.final_layer_norm

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        end, last = self.token_embedding.end, self.token_embedding.num_embeddings - 1
        return super().forward(torch.where(ids == end, last, ids - (ids > end).int()))


class EndInside(nn.Embedding):
    """Vectors in the order of the ids, found by ids of which the last is the end token."""

    def __init__(self, weight: nn.Parameter, end: int):
        super().__init__(*weight.shape, _weight=weight)
        self.end = end

    def forward(self, ids: Tensor) -> Tensor:
        last = self.num_embeddings - 1
        return super().forward(torch.where(ids == last, self.end, ids + (ids >= self.end).int()))
