"""Draw the emoji of two more artists, that only classifiers learn from.

    npm pack @iconify-json/fxemoji@1.2.2 @iconify-json/emojione@1.2.3
    pip install resvg-py
    python -m tools.build_more_artists iconify-json-fxemoji-*.tgz iconify-json-emojione-*.tgz

Firefox OS (Mozilla, Apache-2.0) and Emoji One 2 (CC BY 4.0) have drawn many of the concepts of the
sheets; their packages give names alone, by which they are joined. A classifier that knows a concept
from more artists reads it better in a style in which it has never seen it. Half a minute; the
pictures go into downloads/, no file of the course holds them.
"""

import re
import sys

import numpy as np

from course_utils.data import emoji, emoji_captions
from tools.build_emoji import Package, draw
from tools.train.emoji_things import MORE_ARTISTS as FILE


def letters(name: str) -> str:
    """ "bactrian camel" and "bactriancamel" are one name."""
    return re.sub("[^a-z0-9]", "", name.lower())


def concept_of() -> dict[str, str]:
    """Concepts by all that they are called, where that is one concept's name alone."""
    owners: dict[str, set[str]] = {}
    for concept, entry in emoji_captions.words().items():
        for name in entry["nouns"]:
            owners.setdefault(letters(name), set()).add(concept)
    found = {name: min(concepts) for name, concepts in owners.items() if len(concepts) == 1}
    return found | {letters(concept): concept for concept in emoji.concepts()}


def main(paths: list[str]) -> None:
    known, pictures, found = concept_of(), [], []
    for package in map(Package, paths):
        concepts = {icon: known.get(letters(icon)) for icon in package.icons}
        concepts = {icon: concept for icon, concept in concepts.items() if concept}
        pictures += [draw(package, icon) for icon in concepts]
        found += concepts.values()
        print(f"{package.name} {package.version}: {len(concepts)} drawings", flush=True)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    np.savez(FILE, pictures=np.stack(pictures), concepts=np.array(found))


if __name__ == "__main__":
    main(sys.argv[1:])
