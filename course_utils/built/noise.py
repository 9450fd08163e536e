"""Mixing noise into a picture, and taking it out again (lesson 01)."""

import torch
from torch import Tensor


def mix_noise(x0: Tensor, noise: Tensor, amount: Tensor | float) -> Tensor:
    """Mix a picture with noise along a straight line: xt = (1 - amount) x0 + amount * noise.

    x0 and noise: N x C x H x W. amount in [0, 1]: 0 gives the picture and 1 the noise; one number,
    or a tensor of N numbers, one for each picture.
    """
    amount = torch.as_tensor(amount, dtype=x0.dtype, device=x0.device).reshape(-1, 1, 1, 1)
    return (1 - amount) * x0 + amount * noise


def remove_noise(
    xt: Tensor, noise: Tensor, amount: Tensor | float, target: Tensor | float = 0.0
) -> Tensor:
    """Take known noise out of a mix, wholly (target = 0) or until the amount `target` is left.

    xt and noise: N x C x H x W; amount and target in [0, 1], a number or N of them. Solves
    `mix_noise` for x0 and mixes again. At amount = 1 nothing of the picture is left to divide out:
    the picture in the result is then the mid-grey 0, not infinity.
    """
    amount = torch.as_tensor(amount, dtype=xt.dtype, device=xt.device).reshape(-1, 1, 1, 1)
    signal = 1 - amount
    x0 = (xt - amount * noise) / torch.where(signal > 0, signal, 1.0)  # never a division by 0
    x0 = torch.where(signal > 0, x0, 0.0)
    return mix_noise(x0, noise, target)
