"""Parameterizations of one prediction: epsilon, x0, v, score and mean (lesson 05)."""

import torch
from torch import Tensor

from course_utils.built.posterior import posterior, posterior_terms
from course_utils.built.schedule import NoiseSchedule, at


def to_x0(
    prediction_type: str, value: Tensor, xt: Tensor, t: Tensor | int, schedule: NoiseSchedule
) -> Tensor:
    """The clean picture that a prediction `value` of this type means.

    prediction_type: "epsilon", "sample" (x0 itself), "v_prediction" (Salimans and Ho 2022), as in
    diffusers; "score" (the gradient of log q(x_t | x_0)) or "mean" (of x_{t-1}). value and xt:
    N x C x H x W. t: one step of 1..T, or N of them. Raises ValueError for any other type or t.
    """
    _check_t(t)
    signal, noise_std = at(schedule.signal, t, xt), at(schedule.noise_std, t, xt)
    if prediction_type == "sample":
        return value
    if prediction_type == "epsilon":
        return (xt - noise_std * value) / signal
    if prediction_type == "v_prediction":
        return signal * xt - noise_std * value
    if prediction_type == "score":
        return (xt + noise_std**2 * value) / signal
    if prediction_type == "mean":
        weight_x0, weight_xt, _ = posterior_terms(schedule)
        return (value - at(weight_xt, t, xt) * xt) / at(weight_x0, t, xt)
    raise _unknown(prediction_type)


def from_x0(
    prediction_type: str, x0: Tensor, xt: Tensor, t: Tensor | int, schedule: NoiseSchedule
) -> Tensor:
    """What a clean picture x0 means as a prediction of this type: the inverse of `to_x0`.

    The arguments, and the errors, are those of `to_x0`.
    """
    _check_t(t)
    signal, noise_std = at(schedule.signal, t, xt), at(schedule.noise_std, t, xt)
    eps = (xt - signal * x0) / noise_std
    if prediction_type == "sample":
        return x0
    if prediction_type == "epsilon":
        return eps
    if prediction_type == "v_prediction":
        return signal * eps - noise_std * x0
    if prediction_type == "score":
        return -eps / noise_std
    if prediction_type == "mean":
        return posterior(x0, xt, t, schedule)[0]
    raise _unknown(prediction_type)


def _check_t(t: Tensor | int) -> None:
    if (torch.as_tensor(t) < 1).any():
        raise ValueError(f"t counts the steps 1, 2, ..., T: x_0 has no noise. This t is {t}.")


def _unknown(prediction_type: str) -> ValueError:
    known = "epsilon, sample, v_prediction, score, mean"
    return ValueError(f"prediction_type is one of {known}; this one is {prediction_type!r}.")
