"""Classifier-free guidance: more of what was asked for (lesson 08)."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from numbers import Real

import torch
from torch import Tensor, nn

from course_utils.built.diffusion import predict


def classifier_free_guidance(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    """From `uncond` through `cond` and beyond: uncond + w (cond - uncond).

    uncond and cond: a network's unconditional and conditional predictions, of one shape and type.
    w: the guidance scale as Imagen and Stable Diffusion count it: 0 is unconditional, 1 is
    conditional. The paper's w is smaller by one (Ho and Salimans 2022, eq. 6).
    """
    return uncond + w * (cond - uncond)


def cfg_denoiser(
    model: nn.Module,
    cond: Tensor,
    w: float = 1.0,
    uncond: Tensor | None = None,
    precision: AbstractContextManager | None = None,
    interval: tuple[float, float] | None = None,
) -> Callable[[Tensor, int], Tensor]:
    """A denoiser (xt, t) -> prediction for `sample`, guided by w towards the conditioning `cond`.

    cond: labels, contexts or text embeddings, one for each picture. uncond: the null conditioning;
    None is the model's own. With uncond both predictions are made in one call, without in two; only
    one is made where w is 0 or 1. precision: the context of the calls, as for `train`. interval:
    the first and last timestep, such as (200, 800), at which there is guidance; at others the
    prediction is conditional (Kynkaanniemi et al. 2024). Raises ValueError where w is not a finite
    number, for an interval that is upside down, and where there are more or fewer conds than xt.
    """
    _check_guidance(w, interval)
    low, high = interval or (0, math.inf)
    null = None if uncond is None else uncond.expand_as(cond)

    def denoise(xt: Tensor, t: int) -> Tensor:
        _check_number(xt, cond)
        with precision or nullcontext():
            if w == 1 or not low <= t <= high:
                return predict(model, xt, t, cond)
            if w == 0:
                return predict(model, xt, t, null)
            if null is None:
                parts = predict(model, xt, t), predict(model, xt, t, cond)
            else:  # one large call is faster than two, most of all with few pictures
                parts = predict(model, torch.cat([xt, xt]), t, torch.cat([null, cond])).chunk(2)
            return classifier_free_guidance(*parts, w)

    return denoise


def drop_cond(
    cond: Tensor, null: Tensor | float, chance: float, generator: torch.Generator
) -> Tensor:
    """Each picture's conditioning, or with probability `chance` in its place the null one.

    cond: N labels, N vectors, or N sequences of vectors. null: the null label, or whatever else
    says nothing, of the shape of one picture's cond. The draws are the CPU `generator`'s. Raises
    ValueError where chance is not in [0, 1]. (Ho and Salimans 2022, algorithm 1.)
    """
    if not 0 <= chance <= 1:
        raise ValueError(f"chance is a probability in [0, 1], such as 0.1; this one is {chance}.")
    dropped = torch.rand(len(cond), generator=generator).to(cond.device) < chance
    dropped = dropped.reshape(-1, *[1] * (cond.ndim - 1))  # N x 1 x ...: the whole conditioning
    return torch.where(dropped, torch.as_tensor(null).to(cond), cond)


def _check_guidance(w: float, interval: tuple[float, float] | None) -> None:
    if not isinstance(w, Real) or not math.isfinite(w):
        raise ValueError(f"The guidance w is a finite number, such as 3.0; this one is {w!r}.")
    if interval is not None and not interval[0] <= interval[1]:
        raise ValueError(f"The interval {interval} is upside down: the smaller time comes first.")


def _check_number(xt: Tensor, cond: Tensor) -> None:
    if len(cond) != len(xt):
        raise ValueError(f"{len(xt)} pictures and {len(cond)} conditionings: give one to each.")
