"""Build data/emoji/words.json: what people call each emoji, from npm's emojibase-data (MIT).

    npm pack emojibase-data@17.0.0
    python -m tools.build_emoji_words emojibase-data-17.0.0.tgz

For each concept of the sheets its nouns (its names, and the short codes that chat programs know it
by) and its tags (what it stands for: moods, uses, relatives). Seconds. The digest that is printed
stands in `course_utils/data/emoji_captions.py`.
"""

import hashlib
import json
import re
import sys
import tarfile

from course_utils.data import emoji

FILE = emoji.FOLDER / "words.json"
CODES = ("emojibase", "github", "joypixels")
"""Whose short codes are taken: they are nouns, such as "car" for the automobile."""
UNWANTED = re.compile(r"\d$|^(flag|regional)|_(tone|skin)|^..$|^family_[mwgb]+$")
FACES = {"face", "cat", "monkey"}
"""A smiley is one of these; what else it is called is a mood: "angry", "rolling eyes"."""

CRUDE = {"shit", "hankey", "turd", "bs", "fml", "wtf", "stfu", "af", "dtf", "damn", "bae", "smh"}
"""What a course need not teach a network."""
EMPTY = set(
    "no not right left up down oh what uh so over side way be open mark things how you are the and "
    "man woman person men women people i'm facing own use get out off on in at to it's full again "
    "red orange yellow green blue purple pink black white gray grey brown dark light".split()
)
"""Tags that say nothing alone."""


def read(archive: tarfile.TarFile, name: str) -> object:
    return json.load(archive.extractfile(f"package/en/{name}.json"))


def plain(text: str) -> str:
    """A short code or tag as words: "Fire_Engine" is "fire engine"."""
    return re.sub(r"[_\s]+", " ", text.replace("’", "'")).strip().lower()


def words(path: str) -> dict[str, dict[str, list[str]]]:
    """Nouns and tags of every concept, in the order of the sheets.

    No tag is another concept's noun: whoever types "horse" wants no carousel.
    """
    with tarfile.open(path) as archive:
        data = {e["hexcode"].lower().replace("-fe0f", ""): e for e in read(archive, "data")}
        codes = [read(archive, f"shortcodes/{name}") for name in CODES]
    found = {}
    for name, concept in emoji.concepts().items():
        entry = data.get(concept.code.lower().replace("-fe0f", ""), {})
        found[name] = split_moods(concept, nouns_of(concept, entry, codes), entry.get("tags", []))
    taken = {noun for entry in found.values() for noun in entry["nouns"]}
    for entry in found.values():
        entry["tags"] = [tag for tag in entry["tags"] if tag not in taken]
    return found


def nouns_of(concept: emoji.Concept, entry: dict, codes: list[dict]) -> list[str]:
    """All names of a concept as words, its own first."""
    nouns = [*concept.names, entry.get("label", "")]
    for table in codes:
        short = table.get(entry.get("hexcode"), [])
        short = [short] if isinstance(short, str) else short
        nouns += [s for s in short if not UNWANTED.search(s)]
    nouns = [plain(noun) for noun in nouns if noun and ":" not in noun]
    unwanted = CRUDE | {noun for noun in nouns[1:] if noun.startswith("regional indicator")}
    return [noun for noun in dict.fromkeys(nouns) if noun not in unwanted]


def split_moods(concept: emoji.Concept, nouns: list[str], tags: list[str]) -> dict:
    """Nouns apart from tags, among which a smiley's moods come first."""
    moods, tags = [], [plain(tag) for tag in tags]
    if concept.category == "Smileys & Emotion" and FACES & set(nouns[0].split()):
        moods = [noun for noun in nouns[1:] if not FACES & set(noun.split())]
    tags = [t for t in tags if len(t) > 2 and t.replace("-", "").replace(" ", "").isalpha()]
    tags = [t for t in dict.fromkeys(moods + tags) if t.isascii() and t not in CRUDE | EMPTY]
    nouns = [noun for noun in nouns if noun not in moods]
    return {"nouns": nouns, "tags": [tag for tag in tags if tag not in nouns]}


def main(path: str) -> None:
    lines = [
        f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in words(path).items()
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"  # a line each: a newer version is a readable change
    FILE.write_text(text, encoding="utf-8")
    print(
        f"{len(lines)} concepts, {len(text):,} bytes, {hashlib.sha256(text.encode()).hexdigest()}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
