"""Two small digit classifiers, differently built, that judge what the learner's models draw.

The first lends its features to the Frechet distance and to recall, the second reads the digits: so
no picture is read by the network that it was compared with. `tools/train_judges.py` trains both.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class PlainJudge(nn.Module):
    """Three convolutions with max pooling, then 96 features: the first judge."""

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


class ResidualJudge(nn.Module):
    """Residual blocks, averaged over the picture at the end: the second judge."""

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
