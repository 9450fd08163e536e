"""The reading edition: builds without a warning, and every link, picture and formula is there."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from tools.lessons import BESIDE, LESSONS, ROOT, SOLUTIONS

NOTEBOOKS = LESSONS + BESIDE + SOLUTIONS


class Page(HTMLParser):
    """What a page of the site names, links and shows.

    ids: names to link to; links: (tag, address) of all that it points to or loads; alts: of the
    outputs' pictures; formulas: set apart; dollars: texts outside of code where a $ was left.
    """

    def __init__(self, path):
        super().__init__()
        self.path, self.ids, self.links, self.alts, self.dollars = path, set(), [], [], []
        self.formulas, self.quoted = 0, 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(filter(None, [attrs.get("id"), attrs.get("name")]))
        self.links += [(tag, attrs[key]) for key in ("href", "src") if attrs.get(key)]
        self.quoted += tag in ("pre", "code", "script", "style")
        self.formulas += tag == "div" and "math" in (attrs.get("class") or "").split()
        if tag == "img" and "_images" in attrs["src"]:
            self.alts.append(attrs.get("alt"))

    def handle_endtag(self, tag):
        self.quoted -= tag in ("pre", "code", "script", "style")

    def handle_data(self, text):
        if "$" in text and not self.quoted:
            self.dollars.append(text)


def dead_links(pages):
    """`page: address` of each address inside the site where nothing is; pages by resolved path."""
    dead = []
    for page in pages.values():
        for _, address in page.links:
            url = urlsplit(address)
            if url.scheme or url.netloc:
                continue
            target = (page.path.parent / unquote(url.path)).resolve() if url.path else page.path
            missing = not target.is_file()
            if url.fragment and target in pages:
                missing = unquote(url.fragment) not in pages[target].ids
            if missing:
                dead.append(f"{page.path.name}: {address}")
    return dead


def read_pages(folder):
    return {path.resolve(): Page(path.resolve()) for path in folder.rglob("*.html")}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site's folder; as `make site`, into a temporary folder."""
    folder = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "site"]
    done = subprocess.run(
        [*command, "-d", folder / "doctrees", ".", folder / "html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    return read_pages(site)


def page_of(path, site, pages):
    return pages[(site / path.relative_to(ROOT)).with_suffix(".html")]


def test_no_dead_link_and_a_page_for_every_notebook(site, pages):
    assert dead_links(pages) == []
    home = {(site / address).resolve() for _, address in pages[site / "index.html"].links}
    for path in LESSONS:
        assert page_of(path, site, pages).path in home
    solutions = {
        (site / "site" / address).resolve()
        for _, address in pages[site / "site/solutions.html"].links
    }
    assert {page_of(path, site, pages).path for path in SOLUTIONS} <= solutions


def test_nothing_is_loaded_from_elsewhere(pages):
    loaded = [address for page in pages.values() for tag, address in page.links if tag != "a"]
    assert [address for address in loaded if urlsplit(address).netloc] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: f"{p.stem}-{p.parent.name}")
def test_pictures_with_their_texts_and_formulas_are_there(path, site, pages):
    page, cells = page_of(path, site, pages), nbformat.read(path, 4).cells
    alts = [
        output.metadata[kind].alt
        for cell in cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
        if kind.startswith("image/")
    ]
    assert [" ".join(alt.split()) for alt in page.alts] == [" ".join(alt.split()) for alt in alts]
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert page.formulas == len(re.findall(r"\$\$.+?\$\$", prose, re.S))
    assert page.dollars == []
    # A widget is stored as a line of Python with the bytes of its picture.
    assert "x89PNG" not in page.path.read_text(encoding="utf-8")


def test_the_walk_finds_what_is_missing(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top"></h1><a href="b.html#here">1</a><a href="b.html#away">2</a>'
        '<a href="#top">3</a><a href="c.html">4</a><img src="d.png"><a href="https://arxiv.org/abs/1706.03762">5</a>'
    )
    (tmp_path / "b.html").write_text('<p id="here"></p>')
    assert dead_links(read_pages(tmp_path)) == [
        "a.html: b.html#away",
        "a.html: c.html",
        "a.html: d.png",
    ]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_imports_and_drawings_are_folded_and_what_one_builds_is_not(site, path):
    page = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
    folded = re.findall(r"<details.*?</details>", page, re.DOTALL)
    texts = [re.sub(r"<[^>]+>", "", part) for part in folded]
    assert any("import torch" in text for text in texts)
    shown = re.sub(r"<[^>]+>", "", re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL))
    assert "import matplotlib" not in shown and not any("nn.Module):" in text for text in texts)
