"""The objective of a diffusion model, and the one place that calls its network (lesson 06)."""

import torch
from torch import Tensor, nn

from course_utils.built.forward import forward_jump
from course_utils.built.parameterization import from_x0
from course_utils.built.schedule import NoiseSchedule, at


def predict(model: nn.Module, xt: Tensor, t: Tensor | int, cond: Tensor | None = None) -> Tensor:
    """What the network predicts from xt, in the type of xt.

    xt: N x C x H x W. t: one timestep of 1..T, or N of them; the network's own time counts from 0,
    so it is given t - 1. This is the one place that knows. cond: what the network is conditioned
    on, None for nothing. Raises ValueError for t = 0 and below.
    """
    t = torch.as_tensor(t, device=xt.device)
    if t.is_floating_point() or (t < 1).any():
        raise ValueError(f"t counts the steps 1, 2, ..., T; this t is {t}.")
    return model(xt, (t - 1).expand(len(xt)), cond).to(xt.dtype)


def loss_weight(
    prediction_type: str, t: Tensor, like: Tensor, schedule: NoiseSchedule, cap: float
) -> Tensor:
    """Min-SNR weights of a batch's losses: N x 1 x 1 x 1 (Hang et al. 2023, section 3.4).

    An error in x0 counts min(SNR, cap) times; for "epsilon" and "v_prediction" that is divided by
    how much an error in them is worth in x0. Raises ValueError for another prediction type.
    """
    snr = at(schedule.log_snr, t, like).exp()
    worth = {"sample": torch.ones_like(snr), "epsilon": snr, "v_prediction": snr + 1}
    if prediction_type not in worth:
        raise ValueError(
            f"prediction_type is one of {', '.join(worth)}; this one is {prediction_type!r}."
        )
    return snr.clamp(max=cap) / worth[prediction_type]


def diffusion_loss(
    model: nn.Module,
    x0: Tensor,
    cond: Tensor | None,
    generator: torch.Generator,
    schedule: NoiseSchedule,
    prediction_type: str = "epsilon",
    min_snr: float | None = None,
) -> Tensor:
    """How wrong the network's predictions are at random times (Ho et al. 2020, algorithm 1).

    x0: clean pictures N x C x H x W in [-1, 1], or latents. cond: what the network is conditioned
    on, N labels, contexts or text embeddings, or None. prediction_type: what it predicts,
    "epsilon", "sample" or "v_prediction". min_snr: the cap of `loss_weight`, 5 in its paper; None
    weighs all times equally.
    """
    t = torch.randint(1, schedule.T + 1, (len(x0),), generator=generator)  # 1..T: T included
    eps = torch.randn(x0.shape, generator=generator).to(x0.device)
    xt = forward_jump(x0, eps, t, schedule)
    target = eps if prediction_type == "epsilon" else from_x0(prediction_type, x0, xt, t, schedule)
    error = (predict(model, xt, t, cond) - target) ** 2
    if min_snr is not None:
        error = error * loss_weight(prediction_type, t, xt, schedule, min_snr)
    return error.mean()
