"""Lesson 00: what learners answer, wrong ones with a word that they should read in the reply."""

import math

import numpy as np
import torch

WRONG = {
    "numbers_in_a_batch": [
        (None, 25087),
    ],
    "picture_to_tensor": [
        ("uint8", lambda image: torch.from_numpy(image // 127 - 1).permute(2, 0, 1)),
        ("should be a Tensor", lambda image: image.transpose(2, 0, 1) / 127.5 - 1),
    ],
    "tensor_to_picture": [
        ("uint8", lambda x: ((x.clip(-1, 1) + 1) * 127.5).round().int().permute(1, 2, 0)),
    ],
    "seeded_noise": [
        ("shape", lambda shape, seed: torch.randn(shape[0], generator=_source(seed))),
        ("shape", lambda shape, seed: torch.randn(1, *shape, generator=_source(seed))),
        ("Tensor", lambda shape, seed: np.random.default_rng(seed).standard_normal(shape)),
    ],
}


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
    "same_noise": ["Equal", lambda: "equal "],
    "seeking_fit": ["On one bump", lambda: "on one bump "],
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
