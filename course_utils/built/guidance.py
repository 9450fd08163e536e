"""Classifier-free guidance: more of what was asked for (lesson 08)."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from numbers import Real

import torch
from torch import Tensor, nn

from course_utils.built.diffusion import diffusion_loss, predict
from course_utils.built.schedule import NoiseSchedule


def guide(untold: Tensor, told: Tensor, w: float, told_at: int = 1) -> Tensor:
    """From `untold` through `told` and beyond: untold + w (told - untold).

    untold and told: a network's predictions without and with a context, of one shape and kind.
    told_at: the w that means "told, and nothing more". With 1 (here, Imagen, Stable Diffusion's
    guidance_scale) w = 0 is untold. With 0 (Ho and Salimans 2022, eq. 6) the same result is
    (1 + w) told - w untold: this w is smaller by one. Raises ValueError for another told_at.
    """
    if told_at not in (0, 1):
        raise ValueError(f"told_at is 1 (Stable Diffusion's w) or 0 (the paper's), not {told_at}.")
    return untold + (w + 1 - told_at) * (told - untold)


def guided(
    model: nn.Module,
    context: Tensor,
    w: float = 1.0,
    null: Tensor | None = None,
    told_at: int = 1,
    precision: AbstractContextManager | None = None,
    interval: tuple[float, float] | None = None,
) -> Callable[[Tensor, int], Tensor]:
    """A denoiser (xt, t) -> prediction for `sample`, told `context` and guided by w (as `guide`).

    context: one for each picture. null: the context that says nothing; None is the model's own.
    Both are asked in one call with null, in two without, and only one where w means told or untold
    alone. precision: the context of the calls, as for `train`. interval: the first and last time,
    such as (200, 800), at which there is guidance; at others the model is told, and nothing more
    (Kynkaanniemi et al. 2024). Raises ValueError where w is not a finite number, for an interval
    that is upside down, and where there are more or fewer contexts than xt.
    """
    if not isinstance(w, Real) or not math.isfinite(w):
        raise ValueError(f"The guidance w is a finite number, such as 3.0; this one is {w!r}.")
    low, high = interval or (0, float("inf"))
    if not low <= high:
        raise ValueError(f"The interval {interval} is upside down: the smaller time comes first.")
    nothing = null if null is None else null.expand_as(context)

    def denoise(xt: Tensor, t: int) -> Tensor:
        if len(context) != len(xt):
            raise ValueError(f"{len(xt)} pictures and {len(context)} contexts: give one to each.")
        with precision or nullcontext():
            if w == told_at or not low <= t <= high:
                return predict(model, xt, t, context)
            if w == told_at - 1:
                return predict(model, xt, t, nothing)
            if nothing is None:
                untold, told = predict(model, xt, t), predict(model, xt, t, context)
            else:  # one large call is faster than two, most of all with few pictures
                both = torch.cat([nothing, context])
                untold, told = predict(model, torch.cat([xt, xt]), t, both).chunk(2)
            return guide(untold, told, w, told_at)

    return denoise


def drop_context(
    context: Tensor, null: Tensor | float, chance: float, generator: torch.Generator
) -> Tensor:
    """Each picture's context, or with probability `chance` in its place `null`, which says nothing.

    context: N labels, N vectors, or N sequences of vectors. null: the null label, or what else
    says nothing, of the shape of one picture's context. The draws are the CPU `generator`'s.
    Raises ValueError where chance is not in [0, 1].
    """
    if not 0 <= chance <= 1:
        raise ValueError(f"chance is a probability in [0, 1], such as 0.1; this one is {chance}.")
    dropped = torch.rand(len(context), generator=generator).to(context.device) < chance
    dropped = dropped.reshape(-1, *[1] * (context.ndim - 1))  # N x 1 x ...: whole contexts
    return torch.where(dropped, torch.as_tensor(null).to(context), context)


def context_loss(
    model: nn.Module,
    x0: Tensor,
    context: Tensor,
    generator: torch.Generator,
    schedule: NoiseSchedule,
    kind: str = "eps",
    null: Tensor | float = 0.0,
    chance: float = 0.1,
) -> Tensor:
    """`diffusion_loss` of a model that is told a context, and with probability `chance` is not.

    The arguments are those of `diffusion_loss` and `drop_context`.
    """
    heard = drop_context(context, null, chance, generator)

    def listening(xt: Tensor, t: Tensor, _: None) -> Tensor:
        return model(xt, t, heard)

    return diffusion_loss(listening, x0, None, generator, schedule, kind)
