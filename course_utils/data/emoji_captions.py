"""What people type: captions of emoji as they are, and of what `emoji_examples` makes of them.

`words` holds what each concept is called, `caption` says what an `Example` shows. Pairs of colour
and concept are kept out of training by `held_out_colour`, as pairs of style and concept are by
`emoji.held_out_style`.
"""

import functools
import hashlib
import json
import random
from collections import Counter
from typing import NamedTuple

from course_utils.data import emoji, emoji_edits

WORDS_SHA256 = "f419c897fab6d799ed7df7833f1fa12786f854e1620b54dd213b3089b29ec51c"
"""The digest of data/emoji/words.json, which `tools/build_emoji_words.py` prints."""

COLOUR_WORDS = {*emoji_edits.COLOURS, *emoji_edits.BACKGROUNDS, "white", "gray", "dark", "light"}
UNCOLOURED = {"Flags", "People & Body"}
"""Categories that keep their colours: a flag is its colours, and people are not painted."""
ACTING = {"People & Body", "Smileys & Emotion"}
"""Categories in which "climbing" is no thing."""
FACING_LEFT = frozenset(
    "automobile,sport utility vehicle,police car,motorcycle,motor scooter,pickup truck,locomotive,"
    "elephant,horse,poodle,camel,two hump camel,llama,giraffe,hippopotamus,mouse,rat,badger,duck,"
    "swan,goose,spouting whale,whale,fish,tropical fish,shark,tiger,leopard,ox,water buffalo,cow,"
    "bison,person walking,person running,man walking,woman walking,man running,woman running,"
    "horse racing,unicorn".split(",")
)
"""What looks to the left in every style, as anyone can see."""
GENERIC = 40
"""A tag of more concepts than this says too little: "face", "animal"."""
TAGGED = {"Smileys & Emotion": 0.4, "Flags": 0.0}
"""How often a plain drawing is called by a tag, by category; else OTHERS_TAGGED."""
OTHERS_TAGGED = 0.15
OFTEN_STYLED = 0.55
"""How often a caption names the style."""
STYLED = (
    "{a_x}, {style} style",
    "{x}, {style} style",
    "{x}, {style}",
    "{style} {x}",
    "{a_x} in {style} style",
    "{x} drawn by {style}",
    "an emoji of {a_x}, {style} style",
)
UNSTYLED = ("{a_x}", "{a_x}", "{x}", "{x}", "{x} emoji", "an emoji of {a_x}")
MOODS = ("{x}", "{x}", "{x} emoji", "{x}, {style}", "{x}, {style} style", "{style} {x}")
BACKGROUND = ("{x} on a {colour} background", "{x}, {colour} background", "{x} on {colour}")
PAIR = ("{x} and {y}", "{x} and {y}", "{x} next to {y}", "{x} on the left, {y} on the right")
SIZES = {"small": ("small", "tiny", "little"), "large": ("big", "large", "huge")}


class Example(NamedTuple):
    """What a picture shows: one or two drawings, and what was done to them."""

    kind: str
    drawings: tuple[emoji.Emoji, ...]
    colour: str = ""
    background: str = ""
    facing: str = ""


@functools.cache
def words() -> dict[str, dict[str, list[str]]]:
    """Nouns and tags of every concept. Raises ValueError or FileNotFoundError as `emoji.sheet`."""
    found = json.loads(emoji.checked_file("words.json", WORDS_SHA256))
    often = Counter(tag for entry in found.values() for tag in entry["tags"])
    for entry in found.values():
        entry["tags"] = [tag for tag in entry["tags"] if often[tag] <= GENERIC]
    return found


def held_out_colour(concept: str, colour: str) -> bool:
    """Whether this colour of this concept is kept out of training: a tenth of all pairs.

    The rule is as for styles: a number is made of the colour and the concept's `emoji.base` by
    SHA-256, and a tenth of the numbers is held out.
    """
    text = f"{colour} {emoji.base(concept)}"
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10 == 0


def can_be_coloured(drawing: emoji.Emoji) -> bool:
    """Whether "a blue ..." makes sense of it: no flag, no person, no colour in its name."""
    own = set(drawing.concept.replace("-", " ").lower().split())
    return drawing.category not in UNCOLOURED and not own & COLOUR_WORDS


def noun(concept: str, chance: random.Random, plain: bool = False) -> str:
    """One of the names of a concept, its own most often. plain: one without a colour."""
    own, *others = words()[concept]["nouns"]
    if plain:
        others = [n for n in others if not set(n.split()) & COLOUR_WORDS]
    return own if not others or chance.random() < 0.5 else chance.choice(others)


def caption(example: Example, chance: random.Random, styled: float = OFTEN_STYLED) -> str:
    """One caption of an example, drawn by chance: with its style, `styled` of them, or without."""
    first = example.drawings[0]
    tags = words()[first.concept]["tags"]
    often = TAGGED.get(first.category, OTHERS_TAGGED)
    if example.kind == "plain" and tags and chance.random() < often:
        return _mood(first, chance.choice(tags), chance)
    adjective = chance.choice(SIZES.get(example.kind, (example.colour,)))
    x, a_x = _phrases(example, first, adjective, chance)
    if len(example.drawings) == 2:
        y, a_y = _phrases(example, example.drawings[1], "", chance)
        template = chance.choice(PAIR)
        x, a_x = template.format(x=x, y=y), template.format(x=a_x, y=a_y)
    if example.background:
        template, colour = chance.choice(BACKGROUND), example.background
        x, a_x = (template.format(x=text, colour=colour) for text in (x, a_x))
    templates = STYLED if chance.random() < styled else UNSTYLED
    if len(example.drawings) == 2 or example.background:  # "an emoji of a cat and a dog" is one
        templates = [t for t in templates if not {"emoji", "drawn", "in"} & set(t.split())]
    return chance.choice(templates).format(x=x, a_x=a_x, style=first.style)


def _phrases(
    example: Example, drawing: emoji.Emoji, adjective: str, chance: random.Random
) -> tuple[str, str]:
    """A thing without and with its article: "red car", "a red car"."""
    text = noun(drawing.concept, chance, plain=bool(adjective))
    if example.facing:
        text = f"{text.removesuffix(' facing right')} facing {example.facing}"
    text = f"{adjective} {text}".strip()
    acts = drawing.category in ACTING and text.split()[0].endswith("ing")
    bare = not adjective and (drawing.category == "Flags" or acts or text.startswith("no "))
    return text, text if bare else emoji.with_article(text)


def _mood(drawing: emoji.Emoji, tag: str, chance: random.Random) -> str:
    """A drawing by one of its tags: "happy", "geek, noto style", "a sad face"."""
    text = chance.choice(MOODS).format(x=tag, style=drawing.style)
    if drawing.concept.endswith("face") and chance.random() < 0.25:
        return emoji.with_article(f"{tag} face")
    return text
