"""What a denoiser is trained for (lesson 02)."""

import torch
from torch import Tensor, nn

from course_utils.built.noise import mix_noise


def denoising_loss(model: nn.Module, x0: Tensor, generator: torch.Generator) -> Tensor:
    """The mean squared error of guessing clean pictures x0 (N x C x H x W) from noisy ones.

    Each picture gets its own amount of noise, drawn evenly from [0, 1], and its own Gaussian
    noise, both from the CPU `generator`. The model sees the mix alone and is not told the amount.
    """
    amount = torch.rand(len(x0), generator=generator).to(x0.device)
    noise = torch.randn(x0.shape, generator=generator).to(x0.device)
    guess = model(mix_noise(x0, noise, amount))
    return torch.nn.functional.mse_loss(guess, x0)
