"""The objective of a diffusion model, and the one place that calls its network (lesson 06)."""

import torch
from torch import Tensor, nn

from course_utils.built.forward import forward_jump
from course_utils.built.reverse import from_x0
from course_utils.built.schedule import NoiseSchedule, at


def predict(model: nn.Module, xt: Tensor, t: Tensor | int, context: Tensor | None = None) -> Tensor:
    """What the network predicts from xt, in the type of xt.

    xt: N x C x H x W. t: one step of 1..T, or N of them; the network's own time counts from 0, so
    it is told t - 1. This is the one place that knows. Raises ValueError for t = 0 and below.
    """
    t = torch.as_tensor(t, device=xt.device)
    if t.is_floating_point() or (t < 1).any():
        raise ValueError(f"t counts the steps 1, 2, ..., T; this t is {t}.")
    return model(xt, (t - 1).expand(len(xt)), context).to(xt.dtype)


def loss_weight(kind: str, t: Tensor, like: Tensor, schedule: NoiseSchedule, cap: float) -> Tensor:
    """Min-SNR weights of a batch's losses: N x 1 x 1 x 1 (Hang et al. 2023, section 3.4).

    An error in x0 counts min(SNR, cap) times; for `eps` and `v` that is divided by how much an
    error in them is worth in x0. Raises ValueError for another kind.
    """
    snr = at(schedule.log_snr, t, like, first=1).exp()
    if kind not in ("x0", "eps", "v"):
        raise ValueError(f"kind is one of x0, eps, v; this one is {kind!r}.")
    return snr.clamp(max=cap) / {"x0": 1, "eps": snr, "v": snr + 1}[kind]


def diffusion_loss(
    model: nn.Module,
    x0: Tensor,
    labels: Tensor | None,
    generator: torch.Generator,
    schedule: NoiseSchedule,
    kind: str = "eps",
    drop: float = 0.1,
    min_snr: float | None = None,
) -> Tensor:
    """How wrong the network's predictions are at random times (Ho et al. 2020, algorithm 1).

    x0: clean pictures N x C x H x W in [-1, 1]. labels: N of them, or None; each is replaced by
    the null label `model.classes` with probability `drop`. kind: what the network predicts, "eps",
    "x0" or "v". min_snr: the cap of `loss_weight`, 5 in its paper; None weighs all times equally.
    """
    t = torch.randint(1, schedule.T + 1, (len(x0),), generator=generator)  # 1..T: T included
    eps = torch.randn(x0.shape, generator=generator).to(x0.device)
    xt = forward_jump(x0, eps, t, schedule)
    target = eps if kind == "eps" else from_x0(kind, x0, xt, t, schedule)
    if labels is not None:
        dropped = torch.rand(len(x0), generator=generator).to(x0.device) < drop
        labels = labels.masked_fill(dropped, model.classes)
    error = (predict(model, xt, t, labels) - target) ** 2
    if min_snr is not None:
        error = error * loss_weight(kind, t, xt, schedule, min_snr)
    return error.mean()
