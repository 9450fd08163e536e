"""Words that were added to a tokenizer, each of them one token, as its files say so."""

from collections.abc import Mapping
from pathlib import Path

from course_utils.diffusers_format.config_files import read_json


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
