"""Lesson 00: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import numpy as np
import torch

WRONG = {
    "numbers_in_a_batch": [
        ("one picture", 784),
        ("1 channel", 75264),
        ("32 x 32", 32**3),
        ("one row", 896),
        ("add", 32 + 1 + 28 + 28),
        ("dimensions", 4),
        ("pictures", 32),
        ("text", "25088"),
        (None, 25087),
    ],
    "picture_to_tensor": [
        ("[0, 1]", lambda image: torch.tensor(image).permute(2, 0, 1) / 255),
        ("[-1, 0]", lambda image: torch.tensor(image).permute(2, 0, 1) / 255 - 1),
        ("[-1, 0]", lambda image: torch.from_numpy((image / 255 - 1).astype("f4")).movedim(2, 0)),
        ("channels are still last", lambda image: torch.tensor(image / 127.5 - 1).float()),
        (
            "stripes",
            lambda image: torch.tensor(image).view(3, *image.shape[:2]).float() / 127.5 - 1,
        ),
        ("swapped", lambda image: torch.from_numpy(image.T.copy()).float() / 127.5 - 1),
        ("batch", lambda image: (torch.tensor(image).permute(2, 0, 1) / 127.5 - 1).unsqueeze(0)),
        ("float64", lambda image: torch.tensor(image.transpose(2, 0, 1) / 127.5 - 1)),
        ("uint8", lambda image: torch.from_numpy(image // 127 - 1).permute(2, 0, 1)),
        (
            "white becomes 0.992 here and not 1",
            lambda image: torch.tensor(image).permute(2, 0, 1).float() / 128 - 1,
        ),
        (
            "the sign is turned",
            lambda image: 1 - torch.tensor(image).permute(2, 0, 1).float() / 127.5,
        ),
        ("range", lambda image: torch.tensor(image).permute(2, 0, 1).float()),
        ("mean", lambda image: _normalised(image)),
        ("should be a Tensor", lambda image: image.transpose(2, 0, 1) / 127.5 - 1),
        ("in place", lambda image: _scaled_in_place(image)),
    ],
    "tensor_to_picture": [
        ("wrap", lambda x: ((x + 1) / 2 * 255).round().int().remainder(256).byte().movedim(0, 2)),
        ("round", lambda x: ((x.clip(-1, 1) + 1) / 2 * 255).to(torch.uint8).permute(1, 2, 0)),
        ("mid-grey", lambda x: (x.clip(0, 1) * 255).round().byte().permute(1, 2, 0)),
        ("still first", lambda x: ((x.clip(-1, 1) + 1) / 2 * 255).round().byte()),
        ("uint8", lambda x: ((x.clip(-1, 1) + 1) / 2 * 255).round().permute(1, 2, 0)),
        ("stripes", lambda x: _bytes(x).reshape(*x.shape[1:], 3)),
        ("the numbers are right", lambda x: _bytes(x).permute(2, 1, 0)),
        (
            "stretch",
            lambda x: (255 * (x - x.min()) / (x.max() - x.min())).round().byte().movedim(0, 2),
        ),
        ("256", lambda x: ((x.clip(-1, 1) + 1) * 128).clip(0, 255).floor().byte().movedim(0, 2)),
        ("uint8", lambda x: ((x.clip(-1, 1) + 1) * 127.5).round().int().permute(1, 2, 0)),
        ("in place", lambda x: ((x.clamp_(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0)),
    ],
    "seeded_noise": [
        ("not used", lambda shape, seed: torch.randn(*shape)),
        ("every seed", lambda shape, seed: torch.randn(shape, generator=_source(42))),
        ("whole program", lambda shape, seed: (torch.manual_seed(seed), torch.randn(shape))[1]),
        ("uniform", lambda shape, seed: torch.rand(shape, generator=_source(seed))),
        ("uniform", lambda shape, seed: torch.rand(shape, generator=_source(seed)) * 2 - 1),
        ("shape", lambda shape, seed: torch.randn(shape[0], generator=_source(seed))),
        ("shape", lambda shape, seed: torch.randn(1, *shape, generator=_source(seed))),
        ("deviation", lambda shape, seed: torch.randn(shape, generator=_source(seed)) / 2),
        ("mean", lambda shape, seed: seed + torch.randn(shape, generator=_source(seed))),
        ("Tensor", lambda shape, seed: np.random.default_rng(seed).standard_normal(shape)),
        (
            "every seed gives the same noise",
            lambda shape, seed: torch.randn(shape, generator=torch.Generator()),
        ),
    ],
    "alpha_bar_of_sigma": [
        ("square root of alpha_bar", lambda sigma: (1 + sigma**2) ** -0.5),
        ("share of the noise", lambda sigma: 1 - 1 / (1 + sigma**2)),
        ("square it", lambda sigma: 1 / (sigma + 1)),
        ("this would hold if", lambda sigma: 1 - sigma**2),
        ("upside down", lambda sigma: 1 + sigma**2),
        ("square sigma alone", lambda sigma: 1 / (1 + sigma) ** 2),
        ("a sign is wrong", lambda sigma: 1 / (1 - sigma**2)),
        ("1 is missing", lambda sigma: 1 / sigma**2),
        ("this is the row as it stands", lambda sigma: ((1 - sigma) / sigma).sqrt()),
        ("in place", lambda sigma: 1 / sigma.pow_(2).add(1)),
        ("one number", lambda sigma: (1 / (1 + sigma**2)).mean()),
    ],
}


def _normalised(image):
    x = torch.tensor(image).permute(2, 0, 1).float()
    return (x - x.mean()) / x.std()


def _scaled_in_place(image):
    image[:] = 255 - image
    return torch.tensor(image).permute(2, 0, 1).float() / 127.5 - 1


def _bytes(x):
    return ((x.clip(-1, 1) + 1) * 127.5).round().byte()


def _source(seed):
    return torch.Generator().manual_seed(seed)


def _pixel_by_pixel(image):
    height, width, channels = image.shape
    x = torch.empty(channels, height, width)
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                x[c, i, j] = (int(image[i, j, c]) - 127.5) / 127.5
    return x


def _saved(x):
    """As the picture libraries do it: half a step up, then cut."""
    return (x.mul(0.5).add(0.5).mul(255).add(0.5).clamp(0, 255)).to(torch.uint8).movedim(0, -1)


class _Noise:
    def __call__(self, shape, seed):
        return torch.empty(shape).normal_(generator=_source(seed))


RIGHT = {
    "numbers_in_a_batch": [math.prod((32, 1, 28, 28)), 25088.0, lambda: 28**2 * 32],
    "picture_to_tensor": [
        _pixel_by_pixel,
        lambda image: (
            torch.einsum("hwc->chw", torch.tensor(image, dtype=torch.float32) / 255) * 2 - 1
        ),
    ],
    "tensor_to_picture": [_saved, lambda x: _bytes(x).numpy().transpose(1, 2, 0)],
    "seeded_noise": [
        _Noise(),
        lambda shape, seed: torch.from_numpy(
            np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
        ),
    ],
    "alpha_bar_of_sigma": [
        lambda sigma: torch.stack([1 / (1 + s.double() ** 2) for s in sigma]),
        lambda sigma: 1 / (1 + sigma.numpy() ** 2),
    ],
}
