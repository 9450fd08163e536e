"""Which of the four styles an emoji is drawn in, by a classifier that has seen nothing held out.

`tools/train/emoji_styles.py` trains it: on drawings in other colours and on backgrounds too, so
that it reads lines and shading rather than a palette.
"""

from functools import cache

import torch
from torch import Tensor

from course_utils.data import emoji
from course_utils.evaluation import scores
from course_utils.evaluation.classifiers import checked, loaded, parts
from course_utils.evaluation.emoji_classifiers import StyleClassifier

FILE = "emoji_classifier_styles_unseen"
SHA256 = "af28e402c9da3f055304dc3756a8870bdfb703de673666b599fcdef085e1da0c"
"""The digest of the file that reads; `sha256sum` prints it."""


@torch.no_grad()
def read(images: Tensor) -> Tensor:
    """The styles of images N x 3 x 64 x 64 in [-1, 1]: N int64, positions in `emoji.STYLES`.

    Raises ValueError for other images and for nan.
    """
    images = checked(images, (3, emoji.SIZE, emoji.SIZE))
    return torch.cat([classifier()(part).argmax(1) for part in parts(images, 200)])


@cache
def classifier() -> StyleClassifier:
    """The trained classifier. Raises FileNotFoundError or ValueError where its file is no good."""
    return loaded(StyleClassifier(), scores.CHECKPOINTS / f"{FILE}.safetensors", SHA256)
