"""Build data/emoji/fxemoji.*, the drawings of a fifth artist, whom the emoji model has never seen.

    npm pack @iconify-json/fxemoji@1.2.2
    pip install resvg-py
    python -m tools.build_fifth_artist iconify-json-fxemoji-1.2.2.tgz

Firefox OS's emoji, joined with the four sets' concepts by name; what has no concept there is left
out, and of two drawings of one concept all but the first. Half a minute. The digest that is printed
at the end stands in `course_utils/data/fifth_artist.py`.
"""

import hashlib
import json
import sys

from course_utils.data import emoji, fifth_artist
from tools.build_emoji import Package, as_webp, draw
from tools.build_more_artists import concept_of, letters

OTHER_THINGS = {"bow"}
"""Drawings whose name is another concept's: a ribbon, and no person bowing."""


def main(path: str) -> None:
    package, known = Package(path), concept_of()
    if package.name != "@iconify-json/fxemoji":
        sys.exit(f"This is {package.name}, and @iconify-json/fxemoji is wanted.")
    icons: dict[str, str] = {}
    for icon in package.icons:
        concept = known.get(letters(icon))
        if concept and icon not in OTHER_THINGS:
            icons.setdefault(concept, icon)
    concepts = [concept for concept in emoji.concepts() if concept in icons]
    raw = as_webp([draw(package, icons[concept]) for concept in concepts])
    (emoji.FOLDER / fifth_artist.SHEET).write_bytes(raw)
    about = {
        "package": f"{package.name} {package.version}",
        "author": package.author,
        "licence": package.licence,
        "drawings": len(concepts),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }
    text = json.dumps({"sheet": about, "concepts": concepts}, indent=0, ensure_ascii=False) + "\n"
    (emoji.FOLDER / fifth_artist.INDEX).write_bytes(text.encode())
    print(f"{len(concepts)} drawings, {len(raw):,} bytes.")
    print(f"INDEX_SHA256 = {hashlib.sha256(text.encode()).hexdigest()!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
