"""The field's words: names and phrases of the course's youth that may not come back.

Bare words are free: a convolution has a stride, a sprite a kind.
"""

import re

import nbformat
import pytest

from course_utils import ROOT
from tools.lessons import BESIDE, LESSONS, SOLUTIONS

IDENTIFIERS = {
    "untold": "uncond",
    "told_at": "w of Stable Diffusion",
    "even_path": "trailing_timesteps",
    "linspace_path": "linspace_timesteps",
    "leading_path": "leading_timesteps",
    "karras_path": "karras_timesteps",
    "spaced_path": "spaced_timesteps",
    "stride_betas": "step_betas",
    "frechet_multiple": "relative_fd",
    "floors": "relative Frechet distance",
    "PlainJudge": "PlainClassifier",
    "ResidualJudge": "ResidualClassifier",
    "StyleJudge": "StyleClassifier",
    "ConceptJudge": "ConceptClassifier",
    "emoji_judges": "emoji_classifiers",
    "CrossBlock": "BasicTransformerBlock",
    "PictureAttention": "AttentionBlock",
    "CLIPImage": "CLIPVision",
    "Halve": "Downsample",
    "Enlarge": "Upsample",
    "guided": "cfg_denoiser",
    "drop_context": "drop_cond",
    "context_width": "cross_attention_dim",
    "WORDINGS": "TEMPLATES",
    "self_attention": "attn1",
    "cross_attention": "attn2",
}
"""What a name was -> what it is now. `guided` is a name only where it is called."""
CALLED = {"guided", "self_attention", "cross_attention"}

PHRASES = {
    r"\btold nothing\b": "unconditional",
    r"\bbell curves?\b": "Gaussian",
    r"\bin floors\b|/ floor\b": "relative Frechet distance",
    r"\bwalks? (?:a|the|this|that) path\b": "sampling loop",
    r"\bkind = \"(?:eps|x0|v)\"": "prediction_type",
    r"\bnetwork (?:calls|evaluations)\b": "NFE",
    r"\bthe judges?\b": "classifier",
    r"\bthe pile\b": "stack of skip connections",
    r"(?<!standard )\bdeviations? of the noise\b": "standard deviation",
}
"""Phrases -> the field's word. A bell curve may introduce the Gaussian once in a lesson."""

PYTHON = [
    path
    for folder in ("course_utils", "tools", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "test_names.py"
]


def text_of(path):
    """A file as text; of a notebook all cells, without their outputs."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


@pytest.mark.parametrize("path", PYTHON + LESSONS + BESIDE + SOLUTIONS, ids=lambda path: path.name)
def test_old_names_and_phrases_are_gone(path):
    text = text_of(path)
    found = []
    for old, new in IDENTIFIERS.items():
        pattern = rf"(?<![\w.]){old}\(" if old in CALLED else rf"\b{old}\b"
        found += [f"{hit[0]}: now {new}" for hit in re.finditer(pattern, text)]
    for phrase, new in PHRASES.items():
        hits = [hit[0] for hit in re.finditer(phrase, text)]
        allowed = 1 if "bell" in phrase else 0
        found += [f"{hit}: now {new}" for hit in hits[allowed:]]
    assert found == []
