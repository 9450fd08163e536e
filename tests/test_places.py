"""The other places where the course is read or opened: GitHub, a viewer without scripts, Colab.

tests/test_lessons.py has what each lesson must be anywhere, tests/test_browser.py Jupyter itself.
"""

import base64
import io
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote

import nbformat
import pytest
from nbconvert.filters import markdown2html
from PIL import Image

from course_utils import ROOT
from tests.test_colab import NOTE, published, wheel  # noqa: F401 (a fixture)
from tools import lessons

NOTEBOOKS = lessons.LESSONS + lessons.BESIDE + lessons.SOLUTIONS
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "images/README.md")]
PAGES += sorted((ROOT / "data").rglob("*.md"))
each_notebook = pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda p: f"{p.stem}-{p.parent.name}"
)
# What GitHub shows without running anything. Widgets and scripts are not among it.
SHOWN = {"image/png", "image/jpeg", "image/gif", "text/plain", "text/markdown"}


def outputs(path):
    nb = nbformat.read(path, as_version=4)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    return [output for cell in code for output in cell.outputs if "data" in output]


# --- links --------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Where a page leads to, what it shows, and the headings one can jump to."""

    def __init__(self, html):
        super().__init__()
        self.targets, self.headings, self._heading = [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.targets += [v for k, v in attributes if k in ("href", "src") and v]
        if re.fullmatch("h[1-6]", tag):
            self._heading = True
            self.headings.append("")
        if tag == "a" and "anchor-link" in dict(attributes).get("class", ""):
            self.targets.pop()  # nbconvert's own pilcrow behind a heading
            self._heading = False

    def handle_endtag(self, tag):
        self._heading = self._heading and not re.fullmatch("h[1-6]", tag)

    def handle_data(self, data):
        if self._heading:
            self.headings[-1] += data


@cache
def page(path):
    if path.suffix == ".md":
        return Page(markdown2html(path.read_text()))
    cells = nbformat.read(path, as_version=4).cells
    return Page("\n".join(markdown2html(c.source) for c in cells if c.cell_type == "markdown"))


def anchors(path):
    """Jupyter keeps a heading's letters; GitHub's pages are in lower case, without punctuation."""
    found = page(path).headings
    if path.suffix == ".ipynb":
        return {heading.replace(" ", "-") for heading in found}
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("path", NOTEBOOKS + PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_pictures_and_anchors_lead_somewhere(path):
    for target in page(path).targets:
        assert not target.startswith(("attachment:", "/")), target  # Colab and GitHub differ there
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        to = (path.parent / name).resolve() if name else path
        assert to.exists() and to.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(to), target


def test_a_broken_link_would_be_found():
    found = Page(
        markdown2html("# A b\n[x](y.md#z) ![alt](p.png) <img src='q.png'>\n\n[r]\n\n[r]: s")
    )
    assert found.targets == ["y.md#z", "p.png", "q.png", "s"] and found.headings == ["A b"]


# --- outputs ------------------------------------------------------------------------------------


@each_notebook
def test_outputs_are_shown_without_scripts_and_have_a_text(path):
    for output in outputs(path):
        assert set(output.data) <= SHOWN, set(output.data)
        text = output.data["text/plain"]
        # Bytes of a picture, or a widget without its picture, are no text for a reader.
        assert text.strip() and "b'\\x" not in text and "Slider(" not in text


@each_notebook
def test_pictures_are_whole_and_described(path):
    for output in outputs(path):
        for kind in set(output.data) & {"image/png", "image/jpeg", "image/gif"}:
            picture = Image.open(io.BytesIO(base64.b64decode(output.data[kind])))
            picture.load()
            assert picture.get_format_mimetype() == kind
            # A laptop has some 840 pixels for it: of a wider one the letters shrink.
            assert picture.width <= 1400
            assert len(output.metadata[kind]["alt"]) > 15


@each_notebook
def test_cells_carry_no_settings_of_an_editor(path):
    nb = nbformat.read(path, as_version=4)
    assert set(nb.metadata) <= {"course", "kernelspec", "language_info"}
    for cell in nb.cells:  # the set-up cell is folded: `make sync` sees to it
        folded = lessons.FOLDED if "setup" in lessons.tags(cell) else {}
        assert {k: v for k, v in cell.metadata.items() if k != "tags"} == folded


# --- Colab: a Python that has nothing of the course -----------------------------------------------

COLAB_CELL = """
import sys
import google.colab
exec(compile({cell!r}, "cell", "exec"))
import os
import tinycourse, torch
print(os.getcwd(), colab.__file__, tinycourse.version, torch.version, sep="\\n")
"""


@pytest.fixture
def bare(tmp_path):
    """A fresh environment with pip, a stand-in for google.colab, and Colab's own torch."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "bare")], check=True)
    python = tmp_path / "bare" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    colab = tmp_path / "bare" / "google" / "colab"
    colab.mkdir(parents=True)
    (colab / "__init__.py").touch()
    with open(f"{site}/colab.pth", "w") as file:
        file.write(str(tmp_path / "bare"))
    wheel(tmp_path, "torch", "1.5")
    install = ["-m", "pip", "install", "-q", "--no-index", f"--find-links={tmp_path}", "torch"]
    subprocess.run([str(python), *install], check=True)
    return python


def test_the_set_up_cell_in_a_bare_environment(tmp_path, bare, published, monkeypatch):  # noqa: F811
    """Really installed, by the environment's own pip: from a shelf of tiny packages."""
    wheel(tmp_path, "torch", "999.0")
    wheel(tmp_path, "tinycourse", "1.2", needs=["torch"])
    (published / "requirements.txt").write_text("-e .\ntorch>=2.7\ntinycourse>=1  # why\njupyter\n")
    git = ["git", "-C", str(published), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "commit", "-q", "-a", "-m", "two packages"], check=True)
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(tmp_path))):
        monkeypatch.setenv(name, value)
    for name in ("PYTHONPATH", "PYTHONHOME"):
        monkeypatch.delenv(name, raising=False)
    content = tmp_path / "content"
    cell = lessons.SETUP.format(repository=published.as_uri(), folder="notebooks")
    script = COLAB_CELL.format(cell=cell.replace("/content", str(content)))
    first, again = (
        subprocess.run([bare, "-c", script], cwd=tmp_path, capture_output=True, text=True)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stderr
    course = content / "course"
    where = [str(course / "notebooks"), str(course / "course_utils" / "colab.py"), "1.2", "1.5"]
    where = [NOTE, *where]
    assert first.stdout.splitlines() == ["Installing tinycourse>=1 ...", *where]
    assert again.stdout.splitlines() == where, again.stderr
