"""Build data/emoji from the npm packages that carry the four sets of drawings as SVG.

    npm pack @iconify-json/noto@1.2.9 @iconify-json/noto-v1@1.2.5 \
        @iconify-json/fluent-emoji-flat@1.2.6 @iconify-json/twemoji@1.2.5
    pip install resvg-py
    python -m tools.build_emoji iconify-json-*.tgz

Takes some minutes. Three of the sets say which code point a drawing is of, and are joined by it;
the blobs come with names only, and are joined by those. Skin tones are left out. The digest that
is printed at the end stands in `course_utils/data/emoji.py`.
"""

import hashlib
import io
import json
import re
import sys
import tarfile
from collections import Counter

import numpy as np
import resvg_py
from PIL import Image

from course_utils.data import emoji

PACKAGES = {
    "noto": "@iconify-json/noto",
    "blob": "@iconify-json/noto-v1",
    "fluent": "@iconify-json/fluent-emoji-flat",
    "twemoji": "@iconify-json/twemoji",
}
TONE = re.compile("1f3f[b-f]|skin-tone")  # in code points, in names
UNWANTED = {"piata", "japanese-hear-button", "man-with-chinese-cap"}  # as names: slips, dated
FINE = 4  # drawn this many times as large, then averaged: no seams between touching shapes


class Package:
    """The files of one set: its icons (SVG by name), code points and categories."""

    def __init__(self, path: str):
        with tarfile.open(path) as archive:
            read = {
                name: json.load(archive.extractfile(f"package/{name}.json"))
                for name in ("package", "icons", "chars", "metadata", "info")
            }
        self.name, self.version = read["package"]["name"], read["package"]["version"]
        self.licence, self.author = read["info"]["license"], read["info"]["author"]
        self.width, self.height = read["icons"]["width"], read["icons"]["height"]
        self.icons = {n: i for n, i in read["icons"]["icons"].items() if not i.get("hidden")}
        self.codes = {
            name: code.replace("-fe0f", "")
            for code, name in read["chars"].items()
            if name in self.icons and not TONE.search(code)
        }
        self.categories = {
            name: category
            for category, names in read["metadata"]["categories"].items()
            for name in names
        }
        self.aliases: dict[str, list[str]] = {}
        for alias, icon in read["icons"].get("aliases", {}).items():
            if set(icon) <= {"parent", "hidden"}:
                self.aliases.setdefault(icon["parent"], []).append(alias)

    def names(self, name: str) -> list[str]:
        return [name, *sorted(self.aliases.get(name, []))]


def main(paths: list[str]) -> None:
    found = {package.name: package for package in map(Package, paths)}
    missing = set(PACKAGES.values()) - set(found)
    if missing:
        sys.exit(f"These packages are missing: {', '.join(sorted(missing))}.")
    packages = {style: found[name] for style, name in PACKAGES.items()}
    joined = join(packages)
    concepts = distinct([describe(code, drawn, packages) for code, drawn in joined.items()])
    concepts.sort(key=lambda c: (emoji.CATEGORIES.index(c[1]), c[0][0]))
    emoji.FOLDER.mkdir(parents=True, exist_ok=True)
    sheets = {}
    for style, package in packages.items():
        icons = [joined[code][style] for *_, styles, code in concepts if style in styles]
        raw = as_webp([draw(package, name) for name in icons])
        (emoji.FOLDER / f"{style}.webp").write_bytes(raw)
        print(f"{style}: {len(icons)} drawings, {len(raw):,} bytes", flush=True)
        sheets[style] = {
            "package": f"{package.name} {package.version}",
            "author": package.author,
            "licence": package.licence,
            "drawings": len(icons),
            "sha256": hashlib.sha256(raw).hexdigest(),
        }
    write_index(sheets, concepts)


def join(packages: dict[str, Package]) -> dict[str, dict[str, str]]:
    """The name that each style has for each code point: {"1f63a": {"noto": "grinning-cat"}}."""
    joined: dict[str, dict[str, str]] = {}
    for style, package in packages.items():
        for name, code in package.codes.items():
            joined.setdefault(code, {})[style] = name
    code_of: dict[str, str] = {}
    for code, drawn in joined.items():
        for name in drawn.values():
            code_of.setdefault(name, code)
    for code, drawn in joined.items():  # after all first names, which weigh more
        for name in drawn.values():
            for alias in (a for package in packages.values() for a in package.names(name)):
                code_of.setdefault(alias, code)
    blobs, unknown = packages["blob"], []
    for name in blobs.icons:
        if TONE.search(name):
            continue
        names = [n.replace("flag-for-flag-", "flag-") for n in blobs.names(name)]
        code = next((code_of[n] for n in names if n in code_of), None)
        if code is None:
            unknown.append(name)
        elif "blob" in joined[code]:
            sys.exit(f"The blobs {name} and {joined[code]['blob']} are both {code}.")
        else:
            joined[code]["blob"] = name
    print(f"left out, since no other set has them: {', '.join(unknown)}", flush=True)
    return joined


def describe(code: str, drawn: dict[str, str], packages: dict[str, Package]) -> tuple:
    """A concept's names (Noto's first), category, styles and code point."""
    order = [style for style in ("noto", "twemoji", "fluent", "blob") if style in drawn]
    first, found = order[0], []
    for style in order:
        found += [drawn[style]]
    for style in order:
        found += packages[style].names(drawn[style])[1:]
    category = packages[first].categories[drawn[first]]
    wanted = [name for name in found if name not in UNWANTED and "flag-for" not in name]
    names = [in_words(name, category) for name in wanted]
    return list(dict.fromkeys(names)), category, [s for s in emoji.STYLES if s in drawn], code


def in_words(name: str, category: str) -> str:
    """A name without hyphens: "flag-japan" as "flag of japan", "one-oclock" as "one o'clock"."""
    words = name.replace("-", " ").replace("oclock", "o'clock")
    if category == "Flags" and words.startswith("flag "):
        return words.replace("flag ", "flag of ", 1)
    return words


def distinct(concepts: list[tuple]) -> list[tuple]:
    """The same, without second names that could mean another concept too."""
    first = Counter(names[0] for names, *_ in concepts)
    every = Counter(name for names, *_ in concepts for name in names)
    twice = [name for name, times in first.items() if times > 1]
    if twice:
        sys.exit(f"Two code points have one name: {', '.join(twice)}.")
    return [
        ([names[0], *(name for name in names[1:] if every[name] == 1)], *rest)
        for names, *rest in concepts
    ]


def draw(package: Package, name: str) -> np.ndarray:
    """One drawing, uint8 64 x 64 x 3, on white, in the middle of a square."""
    icon = package.icons[name]
    width, height = icon.get("width", package.width), icon.get("height", package.height)
    side = max(width, height)
    box = f"{(width - side) / 2} {(height - side) / 2} {side} {side}"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{icon["body"]}</svg>'
    fine = FINE * emoji.SIZE
    raw = resvg_py.svg_to_bytes(svg, width=fine, height=fine, background="#ffffff")
    pixels = np.asarray(Image.open(io.BytesIO(bytes(raw))).convert("RGB"), dtype=np.float32)
    cells = pixels.reshape(emoji.SIZE, FINE, emoji.SIZE, FINE, 3)
    return cells.mean((1, 3)).round().astype(np.uint8)


def as_webp(drawings: list[np.ndarray]) -> bytes:
    """The drawings side by side, `emoji.COLUMNS` in a row, as a lossless WebP file."""
    rows = -(-len(drawings) // emoji.COLUMNS)
    cells = np.full((rows * emoji.COLUMNS, emoji.SIZE, emoji.SIZE, 3), 255, np.uint8)
    cells[: len(drawings)] = drawings
    cells = cells.reshape(rows, emoji.COLUMNS, emoji.SIZE, emoji.SIZE, 3).swapaxes(1, 2)
    file = io.BytesIO()
    whole = Image.fromarray(cells.reshape(rows * emoji.SIZE, -1, 3))
    whole.save(file, "WEBP", lossless=True, quality=75, method=6)
    return file.getvalue()


def write_index(sheets: dict[str, dict], concepts: list[tuple]) -> None:
    """One concept a line, so that a change is readable."""
    lines = ",\n".join(json.dumps(concept, ensure_ascii=False) for concept in concepts)
    text = f'{{"sheets": {json.dumps(sheets, indent=1)},\n"concepts": [\n{lines}\n]}}\n'
    (emoji.FOLDER / "index.json").write_bytes(text.encode())
    digest = hashlib.sha256(text.encode()).hexdigest()
    print(f"{len(concepts)} concepts. INDEX_SHA256 = {digest!r}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 1 + len(PACKAGES):
        sys.exit(__doc__)
    main(sys.argv[1:])
