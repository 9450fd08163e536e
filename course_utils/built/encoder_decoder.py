"""An encoder-decoder: a picture through a narrow bottleneck and back (lesson 02)."""

from torch import Tensor, nn


class EncoderDecoder(nn.Module):
    """Squeeze a picture into `bottleneck` numbers and draw it again from them.

    Takes and gives N x channels x size x size; size is a multiple of 4. The encoder halves the
    sides twice while the width grows to 2 * width; the decoder goes the same way back.
    """

    def __init__(self, bottleneck: int = 64, channels: int = 1, size: int = 28, width: int = 32):
        super().__init__()
        if size % 4:
            raise ValueError(f"The picture's size is halved twice: {size} is not a multiple of 4.")
        small = size // 4
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),  # N x 32 x 14 x 14
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),  # N x 64 x 7 x 7
            nn.SiLU(),
            nn.Flatten(),  # N x 3136
            nn.Linear(2 * width * small * small, bottleneck),  # N x bottleneck
        )
        self.decoder = nn.Sequential(
            nn.Linear(bottleneck, 2 * width * small * small),  # N x 3136
            nn.SiLU(),
            nn.Unflatten(1, (2 * width, small, small)),  # N x 64 x 7 x 7
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),  # N x 32 x 14 x 14
            nn.SiLU(),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),  # N x 1 x 28 x 28
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))
