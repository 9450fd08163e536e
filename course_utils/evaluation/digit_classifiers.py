"""The networks that judge drawn digits.

Two small classifiers, differently built: the first lends its features to the Frechet distance and
to recall, the second reads the digits, so no picture is read by the network that it was compared
with. `python -m tools.train digits classifiers` trains both.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.evaluation.classifiers import ResidualBlock


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


def _convolution(inside: int, outside: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outside), nn.ReLU()]
