"""The tokenizer against open_clip's and transformers', and its own learning and files."""

import random
import time
import unicodedata

import pytest
import torch

from course_utils import ROOT
from course_utils.built.tokenizer import (
    END,
    Tokenizer,
    apply_merges,
    byte_symbols,
    clean_text,
    learn_merges,
    load_tokenizer,
    merge_pair,
    save_tokenizer,
    split_words,
)

CAPTIONS = [
    "a small red potion wearing a crown",
    "tiny crowned potion, red",
    "a large blue ghost with glasses",
    "a ghost, blue and large, and it wears glasses",
]
PLAIN = """
a photo of a cat|A Photo Of A CAT|two dogs, three cats & a parrot|hello|x|ab|it's
they're we've|I'll
he'd've gone, wouldn't he?|can't|rock'n'roll|'s|'S start|it''s|dogs' bones|don't 'quote' me
2024|3.14159|1,000,000|a1b2c3|route66|x86_64|10:30 pm|½ cup|x² + y²|Ⅷ kings|٣٤٥ digits|१२३
₁₂|①②③
!!!|?!?!|...|wait... what?!|a--b|--|(parens) [brackets] {braces}|a/b\\c
50% off!!! #sale @home
e-mail: me@example.com|https://example.com/a?b=c&d=e|snake_case and _under_|$5.00 £3 €7 ¥9
1+1=2|a*b^c~d`e
café|naïve façade|Ångström|smörgåsbord|señor|Žižek|Łódź|ŝarĝo|São Paulo|über ALLES|ÉCOLE
İstanbul|STRAßE
cafe\u0301|A\u030angstrom|n\u0303|ệ|e\u0323\u0302|Ω ohm|K kelvin|ﬁsh and ﬂies|ﬃ|Ĳsselmeer|ǆ
ŉ
日本語の文章|中文分词|한국어 문장|Привет, мир|Здравствуй|مرحبا بالعالم|שלום עולם
नमस्ते दुनिया|สวัสดีชาวโลก|γειά σου Κόσμε|ნახვამდის
வணக்கம்|Xin chào thế giới|ՀայերԵՆ|ქართული|বাংলা|తెలుగు|ខ្មែរ|አማርኛ|ᏣᎳᎩ|一二三|〇|カタカナ
ﾊﾝｶｸ|ＦＵＬＬ ｗｉｄｔｈ　１２３！
😀|😀😀😀|I ❤️ NY|👩‍👩‍👧‍👦 family|🇩🇪🇫🇷|👍🏽 ok|🧙‍♂️ wizard, 🐉 dragon|☃ snow ★ star ✓
→ ← ↑|∀x∈ℝ: x²≥0|∑∫√|🄰🄱|𝔘𝔫𝔦|𝟘𝟙
&amp;|&lt;b&gt;bold&lt;/b&gt;|caf&eacute;|&#233;t&#xe9;|&amp;amp;|&nbsp;x|fish &amp; chips
&quot;quoted&quot;|AT&T|R&D &c.|&hearts;|&unknown;
“curly” ‘quotes’ it’s|„low“ ‚quotes‘|en–dash em—dash|ellipsis…|«guillemets»|soft\u00adhyphen
zero\u200bwidth|a\u00a0b|a\u2003b|x\u3000y
supercalifragilisticexpialidocious|pneumonoultramicroscopicsilicovolcanoconiosis
aaaaaaaaaaaaaaaaaaaaaaaaa|qzxjkvbw|lolololol|ababababab
a photograph of an astronaut riding a horse
an oil painting of a corgi wearing a party hat, trending on artstation, 4k
"""
SPACES = [
    "",
    " ",
    "\n",
    "\t \n",
    "a  b",
    " a\tb\nc ",
    "line\r\nbreak",
    "a\u2028b",
    "\x00",
    "a\x07b",
]


def random_texts(number):
    """Texts of random characters from many scripts, composed (NFC) so that nothing is repaired."""
    source = random.Random(0)
    ranges = [(0x20, 0x7E), (0x370, 0x3FF), (0x410, 0x44F), (0x5D0, 0x5EA), (0x905, 0x939)]
    ranges += [(0x0E01, 0x0E30), (0x3041, 0x3096), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3)]
    ranges += [(0x1F300, 0x1F64F), (0x2190, 0x22FF), (0x2460, 0x249B), (0x20, 0x7E)]
    for _ in range(number):
        chosen = source.choices(ranges, k=3)
        text = "".join(chr(source.randint(*source.choice(chosen))) for _ in range(24))
        yield unicodedata.normalize("NFC", text.replace("&", "+").replace("\u037e", ";"))


TEXTS = PLAIN.replace("\n", "|").strip("|").split("|") + SPACES + list(random_texts(300))
TEXTS += [" ".join(["a very long caption of many words"] * 40), "word" * 500, "!" * 300, "7" * 200]


@pytest.fixture(scope="module")
def clip():
    return load_tokenizer(ROOT / "data" / "clip", pad="!")


@pytest.mark.filterwarnings("ignore:The text")
def test_ids_are_those_of_open_clip(clip):
    import open_clip

    reference = open_clip.SimpleTokenizer()
    assert len(TEXTS) > 450
    differing = [t for t in TEXTS if not torch.equal(clip.encode(t), reference(t))]
    assert differing == []
    assert torch.equal(clip.encode(TEXTS), reference(TEXTS))


def test_vocabulary_is_that_of_clip(clip):
    import open_clip

    assert list(open_clip.SimpleTokenizer().encoder)[:-2] == clip.tokens[:-2]
    assert (clip.start, clip.end, len(clip.vocab)) == (49406, 49407, 49408)


def test_padding_follows_the_end_token():
    tokenizer = Tokenizer(learn_merges(CAPTIONS, 200), length=16)
    row = tokenizer.encode("a red ghost")[0].tolist()
    assert row == [tokenizer.start, *row[1:4], *[tokenizer.end] * 12]
    zero = Tokenizer(tokenizer.merges, length=16, pad="!").encode("a red ghost")[0].tolist()
    assert zero == [*row[:5], *[0] * 11]


def test_what_is_too_long_is_cut_with_a_notice_that_keeps_the_end_token(clip):
    tokenizer = Tokenizer(clip.merges, length=8)
    with pytest.warns(UserWarning, match=r"has 9 tokens and there is room for 6"):
        ids = tokenizer.encode("one two three four five six seven eight nine")
    assert tokenizer.decode(ids[0]) == "one two three four five six"
    assert ids[0, -1] == tokenizer.end


def test_nothing_and_any_text_can_be_encoded():
    tokenizer = Tokenizer(learn_merges(CAPTIONS, 20), length=64)
    assert tokenizer.encode("").tolist() == [[tokenizer.start] + [tokenizer.end] * 63]
    assert tokenizer.encode([]).shape == (0, 64)
    for text in ("never seen", "日本", "☃", "\ud800", "a\x00b"):
        assert tokenizer.encode(text).shape == (1, 64)
    assert tokenizer.decode(tokenizer.encode("日本 ☃ naïve")[0]) == "日本 ☃ naïve"


def test_decoding_gives_the_clean_text_back(clip):
    words = "a photo of two cats and a smörgåsbord"
    assert clip.decode(clip.encode(words)[0]) == words
    import open_clip

    text = "it's 50% off: naïve 日本!"
    decoded = open_clip.SimpleTokenizer().decode(clip.encode(text)[0, 1:20].tolist())
    assert decoded.startswith(clip.decode(clip.encode(text)[0]))


def test_merges_by_hand():
    """Sennrich's example: low x 5, lower x 2, newest x 6, widest x 3."""
    text = " ".join(["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3)
    merges = learn_merges([text], 4)
    assert merges[:3] == [("e", "s"), ("es", "t</w>"), ("l", "o")]  # 9, 9 and 7 times
    assert merge_pair(("a", "b", "a", "b", "b"), ("a", "b")) == ("ab", "ab", "b")
    assert merge_pair(("a", "a", "a"), ("a", "a")) == ("aa", "a")


def test_two_ways_to_one_token_share_an_id():
    tokenizer = Tokenizer([("a", "b"), ("ab", "c</w>"), ("b", "c</w>"), ("a", "bc</w>")])
    assert list(tokenizer.vocab.values()) == list(range(len(tokenizer.tokens)))
    assert tokenizer.end == len(tokenizer.vocab) - 1
    assert tokenizer.decode(tokenizer.encode("abc bc")[0]) == "abc bc"


def test_learning_makes_each_frequent_word_one_token_and_stops():
    merges = learn_merges(CAPTIONS, 10_000)
    tokenizer = Tokenizer(merges)
    words = {word for caption in CAPTIONS for word in split_words(caption)}
    assert all(len(tokenizer.split(word)) == 1 for word in words)
    assert len(merges) < 200
    assert learn_merges(CAPTIONS[::-1], 10_000) == merges  # the order of the texts is nothing


def test_learned_merges_are_those_of_the_tokenizers_package():
    """As sets of learned tokens: the package breaks ties between pairs in another way."""
    import tokenizers

    texts = [f"{'low ' * 5}{'lower ' * 2}{'newest ' * 6}{'widest ' * 3}"]
    reference = tokenizers.Tokenizer(tokenizers.models.BPE(end_of_word_suffix="</w>"))
    reference.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1000, end_of_word_suffix="</w>", show_progress=False
    )
    reference.train_from_iterator(texts, trainer)
    learned = {"".join(pair) for pair in learn_merges(texts, 1000)}
    whole_words = {"low</w>", "lower</w>", "newest</w>", "widest</w>", "est</w>", "es"}
    assert whole_words <= learned & set(reference.get_vocab())


def test_files_hold_the_tokenizer_and_open_in_transformers(tmp_path, clip):
    import transformers

    save_tokenizer(clip, tmp_path)
    assert load_tokenizer(tmp_path).vocab == clip.vocab
    reference = transformers.CLIPTokenizer(
        vocab=str(tmp_path / "vocab.json"), merges=str(tmp_path / "merges.txt")
    )
    texts = ["a photo of an astronaut riding a horse", "a naïve café, 3 o'clock!", "日本 ☃", ""]
    ids = reference(texts, padding="max_length", max_length=77, return_tensors="pt")["input_ids"]
    assert torch.equal(load_tokenizer(tmp_path).encode(texts), ids)


def test_damaged_and_missing_files_are_named(tmp_path, clip):
    with pytest.raises(FileNotFoundError, match="no merges.txt"):
        load_tokenizer(tmp_path)
    save_tokenizer(Tokenizer(clip.merges[:10]), tmp_path)
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(ValueError, match="different tokenizers"):
        load_tokenizer(tmp_path)
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b c\n")
    with pytest.raises(ValueError, match="damaged"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("arguments", [{"length": 1}, {"pad": "nothing like this"}])
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="length is at least 2"):
        Tokenizer([], **arguments)


def test_cleaning_and_splitting():
    assert clean_text("  It’s a “Caf&eacute;”\n ＯＫ ") == 'it\'s a "café" ok'
    assert split_words("it's x2 and... more!?") == "it 's x 2 and ... more !?".split()
    assert len(set(byte_symbols().values())) == 256
    assert END in Tokenizer([]).vocab


LONG = {
    "letters": ("abcdefghijklmnopqrstuvwxyz", 16_000),
    "one letter": ("a", 16_000),
    "accents": ("éèüabcdeñöstr", 40_000),
    "Korean": ([chr(i) for i in range(0xAC00, 0xD7A4)], 32_000),
    "emoji": ([chr(i) for i in range(0x1F300, 0x1F650)], 16_000),
}
"""Words without a space: what they are drawn from, and how long."""


@pytest.fixture(scope="module")
def reference(clip, tmp_path_factory):
    """transformers' tokenizer with the same files."""
    import transformers

    folder = tmp_path_factory.mktemp("clip")
    save_tokenizer(clip, folder)
    files = {"vocab": str(folder / "vocab.json"), "merges": str(folder / "merges.txt")}
    return transformers.CLIPTokenizer(**files)


@pytest.mark.filterwarnings("ignore:The text")
@pytest.mark.parametrize("kind", LONG)
def test_a_very_long_word_is_quick_and_has_transformers_ids(clip, reference, kind):
    characters, number = LONG[kind]
    word = "".join(random.Random(1).choices(characters, k=number))
    began = time.process_time()
    found = clip.encode(word)[0]
    assert time.process_time() - began < 1  # with the square of the length: 2 to 6 s
    ids = reference(word, truncation=True, max_length=77)["input_ids"]
    assert found.tolist()[: len(ids)] == ids
    assert [clip.vocab[token] for token in clip.split(word)] == reference(word)["input_ids"][1:-1]


def one_merge_after_the_other(symbols, ranks):
    """Sennrich's definition, word for word: the whole word again for each merge."""
    while pairs := set(zip(symbols, symbols[1:], strict=False)) & ranks.keys():
        symbols = merge_pair(symbols, min(pairs, key=ranks.get))
    return symbols


def test_merges_are_applied_as_defined_whatever_the_ranks():
    """Also where two ways lead to one symbol, and a merge makes a pair of a lower rank."""
    source, merged = random.Random(0), 0
    for _ in range(3000):
        letters = "abc"[: source.randint(1, 3)]
        known, pairs = list(letters), []
        for _ in range(source.randint(0, 12)):
            pair = source.choice(known), source.choice(known)
            pairs.append(pair)
            known.append("".join(pair))
        source.shuffle(pairs)
        ranks = {pair: rank for rank, pair in enumerate(pairs)}
        word = tuple(source.choices(letters, k=source.randint(1, 25)))
        expected = one_merge_after_the_other(word, ranks)
        assert apply_merges(word, ranks) == expected
        merged += len(expected) < len(word)
    assert merged > 1000


def test_weights_in_a_prompt_are_plain_text_and_lesson_14_says_so(clip):
    import open_clip

    for text in ("a (cat:1.5)", "[dog]", "((sky))", "(a:0.5) AND b"):
        assert torch.equal(clip.encode(text), open_clip.SimpleTokenizer()(text))
    assert clip.decode(clip.encode("a (cat:1.5)")[0]) == "a ( cat : 1 . 5 )"
    lesson = (ROOT / "notebooks" / "14_stable_diffusion.ipynb").read_text(encoding="utf-8")
    assert "`(cat:1.5)`, are read as brackets, a word and a number" in lesson
