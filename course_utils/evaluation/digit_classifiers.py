"""The networks that judge drawn digits, and what all classifiers have in common.

Two small classifiers, differently built: the first lends its features to the Frechet distance and
to recall, the second reads the digits, so no picture is read by the network that it was compared
with. `python -m tools.train digits classifiers` trains both. The classifiers of emoji are in
emoji_classifiers.py.
"""

import hashlib
from pathlib import Path

from safetensors.torch import load
from torch import Tensor, channels_last, nn
from torch.nn import functional as F


class PlainClassifier(nn.Module):
    """Three convolutions with max pooling, then 96 features: the first classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(1, 32, kernel=5, stride=2),  # 14 x 14
            *_convolution(32, 64, kernel=3),
            nn.MaxPool2d(2),  # 7 x 7
            *_convolution(64, 64, kernel=3),
            nn.MaxPool2d(2),  # 3 x 3
        )
        self.last = nn.Linear(64 * 3 * 3, 96)
        self.classes = nn.Linear(96, 10)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees, N x 96, of images N x 1 x 28 x 28 in [-1, 1]."""
        return F.relu(self.last(self.body(images).flatten(1)))

    def forward(self, images: Tensor) -> Tensor:
        """The ten logits of each of the images (N x 1 x 28 x 28 in [-1, 1])."""
        return self.classes(self.features(images))


class ResidualClassifier(nn.Module):
    """Residual blocks, averaged over the picture at the end: the second classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 24, 4, stride=2, padding=1),  # 14 x 14
            ResidualBlock(24),
            nn.Conv2d(24, 48, 2, stride=2),  # 7 x 7
            ResidualBlock(48),
            ResidualBlock(48),
        )
        self.classes = nn.Linear(48, 10)

    def forward(self, images: Tensor) -> Tensor:
        """The ten logits of each of the images (N x 1 x 28 x 28 in [-1, 1])."""
        return self.classes(self.body(images).mean((2, 3)))


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


def _convolution(inside: int, outside: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outside), nn.ReLU()]


def weights(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a file of data/checkpoints that scores; of another file, scores would differ.

    Raises FileNotFoundError where it is missing, and ValueError where it has another digest.
    """
    mend = f"Restore it with `git checkout data/checkpoints/{path.name}`, in the course's folder."
    if not path.is_file():
        raise FileNotFoundError(f"data/checkpoints/{path.name} is missing. {mend}")
    raw = path.read_bytes()
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise ValueError(f"data/checkpoints/{path.name} is not the course's file: damaged? {mend}")
    return load(raw)


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
