"""Tokenizers as folders: our own, and CLIP's as transformers of many versions wrote them."""

from pathlib import Path

from course_utils.built import tokenizer as built_tokenizer
from course_utils.built.textual_inversion import EnlargedTokenizer
from course_utils.built.tokenizer import END, START, WORD_END, Tokenizer
from course_utils.diffusers_format.added_words import added_words
from course_utils.diffusers_format.config_files import read_json, write_json
from course_utils.io import files
from course_utils.io.tensor_files import damaged

NO_LIMIT = 10**6
"""From this model_max_length on, none is meant; transformers writes 1e30 then."""


def save_tokenizer(folder: str | Path, tokenizer: Tokenizer) -> None:
    """Write a tokenizer with what else transformers' CLIPTokenizer wants to know of it."""
    words = getattr(tokenizer, "words", {})
    names = tokenizer.vocab | words
    pad = next(name for name, i in reversed(names.items()) if i == tokenizer.pad)
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": tokenizer.length}
    with files.whole_folder(folder) as beside:
        if isinstance(tokenizer, EnlargedTokenizer):
            write_json(beside / "added_tokens.json", words)
            tokenizer = tokenizer.plain
        built_tokenizer.save_tokenizer(tokenizer, beside)
        write_json(beside / "special_tokens_map.json", special)
        write_json(beside / "tokenizer_config.json", config | special)


def load_tokenizer(folder: str | Path, longest: int | None = None) -> Tokenizer:
    """The tokenizer of a folder, of merges.txt or, where there is none, of tokenizer.json.

    longest: how many ids a row can have at most, where the text encoder says so.
    """
    folder = Path(folder)
    config = read_json(folder / "tokenizer_config.json")
    if not (folder / "merges.txt").is_file():
        model = read_json(folder / "tokenizer.json").get("model") or {}
        if model.get("end_of_word_suffix") != WORD_END:
            raise ValueError(f"{folder / 'tokenizer.json'} is not of a tokenizer like CLIP's.")
    try:
        length = int(config.get("model_max_length") or NO_LIMIT)
        length = min(length, longest or (77 if length >= NO_LIMIT else length))
        plain, pad, words = read_tokenizer(folder, config, length)
        tokenizer = EnlargedTokenizer(plain, words) if words else plain
        tokenizer.pad = (plain.vocab | words)[pad]
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # of json and UTF-8, too
        raise damaged(folder, f"its tokenizer: {error}") from error
    return tokenizer


def read_tokenizer(folder: Path, config: dict, length: int) -> tuple[Tokenizer, str, dict]:
    """The plain tokenizer of a folder, the token that fills rows up, and the words that were added.

    config: tokenizer_config.json.
    """
    whole, special = (
        read_json(folder / name) if (folder / name).is_file() else {}
        for name in ("tokenizer.json", "special_tokens_map.json")
    )
    pad = config.get("pad_token") or special.get("pad_token") or END
    pad = pad["content"] if isinstance(pad, dict) else pad
    if (folder / "merges.txt").is_file():
        plain = built_tokenizer.load_tokenizer(folder, length)
    else:
        model = whole["model"]
        pairs = [tuple(p.split(" ") if isinstance(p, str) else p) for p in model["merges"]]
        plain = Tokenizer(pairs, length)
        if model.get("vocab") != plain.vocab:
            raise ValueError("its vocabulary does not follow from its merges")
    return plain, pad, added_words(folder, config, whole, plain.vocab)
