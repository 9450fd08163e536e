"""Sphinx settings of the reading edition: `make site`.

The sources are the repository's own pages, where they lie: README.md is the home page, and the
notebooks are shown with their committed outputs and never executed. What a page of a web site needs
and a file on GitHub does not is added while the sources are read; no source is changed.
"""

import importlib.util
import re
import shutil
from pathlib import Path

import nbformat
from docutils import nodes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

project = "From a basic encoder-decoder to Stable Diffusion"
html_title = "From a basic encoder-decoder to Stable Diffusion"
copyright = "the authors of the course; text and drawings CC BY 4.0, code MIT"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
root_doc = "README"
include_patterns = [
    "*.md",
    "notebooks/*.ipynb",
    "notebooks/solutions/*.ipynb",
    "data/**.md",
    "docs/*.md",
    "images/*.md",
    "site/solutions.md",
]
# Folders that Sphinx need not walk through.
exclude_patterns = [
    ".*",
    "site/build",
    "downloads",
    "checkpoints",
    "photos",
    "**/.ipynb_checkpoints",
]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4  # as GitHub's: `data/README.md#emoji`
smartquotes = False

# Furo: nothing in it is fetched from elsewhere, it is small, and it is calm to read on a telephone.
html_theme = "furo"
pygments_dark_style = "monokai"  # Furo's own underlines every module
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sphinx = False

# MathJax is a part of the site, as one file, so that formulas need no network either. SVG, since
# that form of it brings its letters along.
MATHJAX = "tex-svg-full.js"
_mathjax = importlib.util.find_spec("sphinx-mathjax-offline").submodule_search_locations[0]
html_static_path.append(f"{_mathjax}/static/mathjax/{MATHJAX}")
mathjax_path = MATHJAX

FOLDED = 4
"""So many line breaks has a cell at least whose code is folded."""

TOCTREES = """
```{toctree}
:hidden:
:glob:
:caption: Lessons

notebooks/[0-9]*
```

```{toctree}
:hidden:
:glob:
:caption: Beside the lessons

notebooks/[a-z]*
site/solutions
docs/*
[A-Z]*
data/**
images/*
```
"""


def adapt_source(app, docname, source):
    """Tables of contents for the home page, and the two kinds of link that only differ in form."""
    if docname == root_doc:
        # A site has no page for a folder.
        source[0] = source[0].replace("(notebooks/solutions)", "(site/solutions.md)") + TOCTREES
    # Jupyter's anchors are written as the heading is, those of GitHub and of this site in small.
    source[0] = re.sub(r"\.ipynb#[\w-]+", lambda match: match[0].lower(), source[0])


def describe_pictures(app, doctree):
    """Give each picture of a notebook the alternative text that its output carries."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    outputs = [o for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", [])]
    alts = [
        output.metadata.get(kind, {}).get("alt", "")
        for output in outputs
        for kind in output.get("data", {})
        if kind.startswith("image/")
    ]
    pictures = [
        picture
        for cell in doctree.findall(nodes.container)
        if "cell_output" in cell["classes"]
        for picture in cell.findall(nodes.image)
    ]
    for picture, alt in zip(pictures, alts, strict=True):
        picture["alt"] = alt


def fold_code(app, doctree):
    """Fold imports and the code of pictures, as the tag "hide-input" does: here one reads."""
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") != "cell_code":
            continue
        code = cell.children[0].astext()
        draws = re.search(r"\b(plotting|diagrams|architectures)\.", code) and any(
            cell.findall(nodes.image)
        )
        builds = re.search(r"^class ", code, re.M)
        if (
            code.count("\n") >= FOLDED
            and not builds
            and (draws or code.startswith(("import ", "from ")))
        ):
            cell["hide_mode"] = "input"
            cell["prompt_show"], cell["prompt_hide"] = "Show the code", "Hide the code"


def name_sliders(app, doctree):
    """Say where a running lesson has a slider: all that is stored of one is a line of Python."""
    for block in list(doctree.findall(nodes.literal_block)):
        if re.match(r"\(\w*Slider\(", block.astext()):
            words = nodes.emphasis(text="In the running lesson, here is a slider.")
            block.replace_self(nodes.paragraph("", "", words))


def add_index(app, error):
    """The home page under the name that servers look for."""
    if error is None:
        shutil.copy(f"{app.outdir}/{root_doc}.html", f"{app.outdir}/index.html")


def setup(app):
    app.connect("source-read", adapt_source)
    app.connect("doctree-read", describe_pictures)
    app.connect("doctree-read", fold_code)
    app.connect("doctree-read", name_sliders)
    app.connect("build-finished", add_index)
