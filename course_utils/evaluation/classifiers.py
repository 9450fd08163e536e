"""What all classifiers that score have in common: a block, their weights, what they read.

The classifiers are in digit_classifiers.py and emoji_classifiers.py, emoji_things.py and
emoji_styles.py.
"""

from pathlib import Path

from safetensors.torch import load
from torch import Tensor, channels_last, nn

from course_utils.io import course_files


class ResidualBlock(nn.Module):
    """Two convolutions, each after batch norm and SiLU, added to what came in.

    (He et al., Identity mappings in deep residual networks.)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *(nn.BatchNorm2d(channels), nn.SiLU()),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            *(nn.BatchNorm2d(channels), nn.SiLU()),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)


def weights(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a file of data/checkpoints that scores; of another file, scores would differ.

    Raises FileNotFoundError where it is missing, and ValueError where it has another digest.
    """
    return load(course_files.checked_bytes(path, sha256, "checkpoints"))


def loaded(classifier: nn.Module, path: Path, sha256: str) -> nn.Module:
    """The classifier with the weights of its file, ready to read. Raises what `weights` raises."""
    classifier.load_state_dict(weights(path, sha256))
    return classifier.eval().to(memory_format=channels_last)  # the order that is fastest


def checked(images: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """N images of this shape on the CPU in float32, clamped to [-1, 1].

    Raises ValueError where they have another shape, hold whole numbers, or nan.
    """
    if not isinstance(images, Tensor):
        kind = type(images).__name__
        raise ValueError(
            f"The classifiers take tensors, not a {kind}: plotting.as_batch makes one."
        )
    if images.ndim != 4 or images.shape[1:] != shape or not images.is_floating_point():
        raise ValueError(
            f"The classifiers take float pictures N x {' x '.join(map(str, shape))} in [-1, 1], "
            f"not "
            f"{images.dtype} of shape {tuple(images.shape)}."
        )
    if images.isnan().any():
        raise ValueError("There is nan (not a number) in these pictures: did sampling diverge?")
    return images.detach().cpu().float().clamp(-1, 1)


def parts(images: Tensor, size: int) -> list[Tensor]:
    """The images in parts of `size`, small enough for the processor's cache, in the fast order."""
    return [part.to(memory_format=channels_last) for part in images.split(size)]
