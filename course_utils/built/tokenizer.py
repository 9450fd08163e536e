"""Text as whole numbers: byte-pair encoding, as CLIP does it (lesson 10)."""

import html
import json
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from heapq import heapify, heappop, heappush
from pathlib import Path

import torch
from torch import Tensor

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
QUOTES = str.maketrans({**dict.fromkeys("ʼ‘’‚‛", "'"), **dict.fromkeys("“”„‟", '"')})
FONTS = re.compile("[\u3000\uff01-\uffef\ufb00-\ufb06Ĳĳŉ\u01c4-\u01cc\u01f1-\u01f3]+")
CONTROLS = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]")
SHORT_FORMS = re.compile("'(?:s|t|re|ve|m|ll|d)", re.IGNORECASE)
RUNS = re.compile("L+|N| +|P+")


def clean_text(text: str) -> str:
    """The text as CLIP reads it: lower case, single spaces, HTML entities and fonts undone.

    "Caf&eacute;" becomes "café"; curly quotes become straight, full-width letters and ligatures
    plain ones, accents one character with their letter (NFC). CLIP's own code also repairs text
    that was decoded wrongly ("cafÃ©"), with the package ftfy. This function leaves it as it is.
    """
    text = html.unescape(html.unescape(text))
    text = FONTS.sub(lambda m: unicodedata.normalize("NFKC", m[0]), text)
    text = unicodedata.normalize("NFC", CONTROLS.sub("", text.translate(QUOTES)))
    return " ".join(text.split()).lower()


def split_words(text: str) -> list[str]:
    """Cut clean text into words: runs of letters, single digits, runs of anything else.

    Spaces only separate. The endings 's 't 're 've 'm 'll 'd are words of their own.
    """
    # One letter for the kind of each character (Unicode's first: L letter, N number, else P).
    first = (unicodedata.category(c)[0] for c in text)
    kinds = "".join(
        " " if c == " " else k if k in "LN" else "P" for c, k in zip(text, first, strict=True)
    )
    words, i = [], 0
    while i < len(text):
        found = SHORT_FORMS.match(text, i) or RUNS.match(kinds, i)
        words.append(text[i : found.end()])
        i = found.end()
    return [word for word in words if not word.isspace()]


@cache
def byte_symbols() -> dict[int, str]:
    """A visible character for each of the 256 bytes, in the order of CLIP's vocabulary.

    Printable bytes stand for themselves; the others, such as the space, take characters from 256
    on (Radford et al. 2019).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(256)) - set(printable))
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


def word_symbols(word: str) -> tuple[str, ...]:
    """A word as one symbol for each of its UTF-8 bytes; the last one ends with "</w>"."""
    table = byte_symbols()
    symbols = [table[b] for b in word.encode(errors="replace")]
    return (*symbols[:-1], symbols[-1] + WORD_END)


def merge_pair(symbols: Sequence[str], pair: tuple[str, str]) -> tuple[str, ...]:
    """The symbols with each occurrence of `pair`, from the left, joined into one symbol."""
    joined, i = [], 0
    while i < len(symbols):
        step = 2 if tuple(symbols[i : i + 2]) == pair else 1
        joined.append("".join(symbols[i : i + step]))
        i += step
    return tuple(joined)


def learn_merges(texts: Iterable[str], number: int) -> list[tuple[str, str]]:
    """The byte-pair merges that shorten these texts: again and again the most frequent pair.

    Returns at most `number` pairs, in the order in which they are to be applied; fewer where every
    word has become one symbol. Of equally frequent pairs the first in the alphabet is taken.
    (Sennrich, Haddow and Birch 2016, algorithm 1.)
    """
    count = Counter(word for text in texts for word in split_words(clean_text(text)))
    spelled = {word: word_symbols(word) for word in count}
    merges = []
    for _ in range(number):
        pairs = Counter()
        for word, symbols in spelled.items():
            for pair in zip(symbols, symbols[1:], strict=False):
                pairs[pair] += count[word]
        if not pairs:
            break
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        spelled = {word: merge_pair(symbols, merges[-1]) for word, symbols in spelled.items()}
    return merges


def apply_merges(symbols: tuple[str, ...], ranks: dict[tuple[str, str], int]) -> tuple[str, ...]:
    """The symbols of a word, merged as long as a known pair is left, lowest rank first.

    Known pairs wait in a heap, and each symbol knows its neighbours, so that n symbols take time in
    proportion to n log n: a round looks only where something has changed.
    """
    parts, end = [*symbols, None], len(symbols)  # None closes the ring: no pair holds it
    before, after = [end, *range(end)], [*range(1, end + 1), 0]
    pairs = zip(symbols, symbols[1:], strict=False)
    waiting = [(ranks[pair], i) for i, pair in enumerate(pairs) if pair in ranks]
    heapify(waiting)
    while waiting:
        lowest, changed = waiting[0][0], set()
        while waiting and waiting[0][0] == lowest:  # this pair everywhere, from the left
            i = heappop(waiting)[1]
            j = after[i]
            if ranks.get((parts[i], parts[j])) == lowest:  # else a part of it was merged already
                parts[i], parts[j] = parts[i] + parts[j], None
                after[i], before[after[j]] = after[j], i
                changed |= {before[i], i}
        for i in changed:
            if (pair := (parts[i], parts[after[i]])) in ranks:
                heappush(waiting, (ranks[pair], i))
    return tuple(part for part in parts if part is not None)


def build_vocab(merges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Token -> id: 256 bytes, the same as ends of words, a token for each merge, start and end."""
    inside = list(byte_symbols().values())
    ends = [symbol + WORD_END for symbol in inside]
    tokens = [*inside, *ends, *("".join(pair) for pair in merges), START, END]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}  # two merges may agree


class Tokenizer:
    """Texts as rows of ids: a start token, the parts of the words, an end token, padding.

    merges: pairs of symbols in the order in which they are applied; with CLIP's own (data/clip)
    the ids are CLIP's. length: ids in a row, CLIP's 77. pad: the token that fills a row up: the
    end token as in Stable Diffusion 1.x; "!", whose id is 0, as in OpenAI's CLIP and open_clip.
    Any text can be encoded, as every byte has an id; START and END in a text are plain text.
    """

    def __init__(self, merges: Sequence[tuple[str, str]], length: int = 77, pad: str = END):
        self.merges, self.length = list(merges), length
        self.ranks = {pair: i for i, pair in enumerate(self.merges)}
        self.vocab = build_vocab(self.merges)
        self.tokens = list(self.vocab)
        if length < 2 or pad not in self.vocab:
            raise ValueError(f"length is at least 2, pad a token; got {length} and {pad!r}.")
        self.start, self.end, self.pad = (self.vocab[token] for token in (START, END, pad))
        self.known: dict[str, tuple[str, ...]] = {}  # words that were split before

    def split(self, text: str) -> list[str]:
        """A text as tokens, without start, end and padding."""
        words = split_words(clean_text(text))
        for word in set(words) - self.known.keys():
            self.known[word] = apply_merges(word_symbols(word), self.ranks)
        return [token for word in words for token in self.known[word]]

    def encode(self, texts: str | Sequence[str]) -> Tensor:
        """One text or N texts as ids, int64 N x length; what is too long is cut, with a warning."""
        texts, room = [texts] if isinstance(texts, str) else list(texts), self.length - 2
        ids = torch.full((len(texts), self.length), self.pad)
        for row, text in zip(ids, texts, strict=True):
            found = [self.vocab[token] for token in self.split(text)]
            if len(found) > room:
                warn_of_cut(text, len(found), room)
            found = [self.start, *found[:room], self.end]
            row[: len(found)] = torch.tensor(found)
        return ids

    def decode(self, ids: Tensor | Sequence[int]) -> str:
        """The text that one row of ids stands for, up to the end token."""
        ids = torch.as_tensor(ids).tolist()
        ids = ids[: ids.index(self.end)] if self.end in ids else ids
        symbols = "".join(self.tokens[i] for i in ids if i != self.start)
        byte_of = {symbol: b for b, symbol in byte_symbols().items()} | {" ": ord(" ")}
        text = bytes(byte_of[symbol] for symbol in symbols.replace(WORD_END, " "))
        return text.decode(errors="replace").strip()


def warn_of_cut(text: str, tokens: int, room: int) -> None:
    """Say that a text has more tokens than there is room for, and what is done about it."""
    short = text if len(text) <= 40 else f"{text[:40]}..."
    warnings.warn(
        f"The text {short!r} has {tokens} tokens and there is room for {room}: the rest is cut "
        f"off. Say it in fewer words, or take a longer `length`.",
        stacklevel=3,
    )


def save_tokenizer(tokenizer: Tokenizer, folder: str | Path) -> None:
    """Write vocab.json and merges.txt, the two files in which tokenizers of CLIP are published."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    vocab = json.dumps(tokenizer.vocab, ensure_ascii=False)
    (folder / "vocab.json").write_text(vocab, encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in tokenizer.merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def load_tokenizer(folder: str | Path, length: int = 77, pad: str = END) -> Tokenizer:
    """A tokenizer from a folder with merges.txt; a vocab.json beside it must give the same ids.

    Raises FileNotFoundError where merges.txt is missing, ValueError where the files contradict.
    """
    folder = Path(folder)
    if not (folder / "merges.txt").is_file():
        raise FileNotFoundError(f"There is no merges.txt in {folder}: is it a tokenizer's folder?")
    lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"{folder / 'merges.txt'} is damaged: each line holds two symbols.")
    tokenizer = Tokenizer(pairs, length, pad)
    vocab = folder / "vocab.json"
    if vocab.is_file() and json.loads(vocab.read_text(encoding="utf-8")) != tokenizer.vocab:
        raise ValueError(f"vocab.json and merges.txt in {folder} are of different tokenizers.")
    return tokenizer
