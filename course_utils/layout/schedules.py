"""The noise schedule, and how it is walked, as the scheduler_config.json of diffusers."""

import torch

from course_utils.built.schedule import NoiseSchedule, cosine_betas, linear_betas, quadratic_betas
from course_utils.layout.configs import check_fixed

KINDS = {"eps": "epsilon", "v": "v_prediction", "x0": "sample"}
SPACINGS = {  # timestep_spacing, steps_offset (1 where it means nothing), set_alpha_to_one
    "stable": ("leading", 1, False),
    "leading": ("leading", 0, True),  # which diffusers' pipeline, but not its scheduler, sets to 1
    "even": ("trailing", 1, True),
    "linspace": ("linspace", 1, True),
}


def betas_config(schedule: NoiseSchedule) -> dict:
    """The betas by the name and the ends that diffusers knows them by, or one by one."""
    beta, T = schedule.beta[1:], schedule.T
    start, end = (float(f"{value:.10g}") for value in (beta[0], beta[-1]))
    named = {
        "linear": linear_betas(T, start, end),
        "scaled_linear": quadratic_betas(T, start, end),
        "squaredcos_cap_v2": cosine_betas(T),
    }
    config = {"num_train_timesteps": T, "beta_start": start, "beta_end": end, "trained_betas": None}
    for name, betas in named.items():
        if torch.allclose(betas, beta, rtol=1e-8, atol=0):
            return config | {"beta_schedule": name}
    return config | {"beta_schedule": "linear", "trained_betas": beta.tolist()}


def schedule_of(config: dict) -> NoiseSchedule:
    """The noise schedule of a scheduler_config.json. Raises ValueError for one that is not ours."""
    T, name = config["num_train_timesteps"], config["beta_schedule"]
    if config.get("trained_betas") is not None:
        return NoiseSchedule(config["trained_betas"])
    if name == "squaredcos_cap_v2":
        return NoiseSchedule(cosine_betas(T))
    shapes = {"linear": linear_betas, "scaled_linear": quadratic_betas}
    if name not in shapes:
        raise ValueError(f"There is no schedule of betas {name!r} here: {', '.join(shapes)}.")
    return NoiseSchedule(shapes[name](T, config["beta_start"], config["beta_end"]))


def scheduler_config(schedule: NoiseSchedule, kind: str, spacing: str) -> dict:
    """The scheduler_config.json of diffusers' DDIMScheduler."""
    timesteps, offset, to_one = SPACINGS[spacing]
    return {
        "_class_name": "DDIMScheduler",
        **betas_config(schedule),
        "clip_sample": False,
        "prediction_type": KINDS[kind],
        "rescale_betas_zero_snr": False,
        "set_alpha_to_one": to_one,
        "steps_offset": offset,
        "thresholding": False,
        "timestep_spacing": timesteps,
    }


def scheduler_of(config: dict) -> tuple[NoiseSchedule, str, str]:
    """The schedule, what the U-Net predicts, and the name of the spacing.

    Keys that old files lack have the values that diffusers takes then. Raises ValueError for what
    our samplers do not do.
    """
    name = config.get("_class_name")
    fixed = {"rescale_betas_zero_snr": False, "thresholding": False}
    if name == "DDIMScheduler":  # for others, the key is there and means nothing
        fixed["clip_sample"] = False
    check_fixed({"clip_sample": True} | config, fixed, f"This scheduler ({name})")
    timesteps = config.get("timestep_spacing", "leading")
    offset = config.get("steps_offset", 0) if timesteps == "leading" else 1
    to_one = config.get("set_alpha_to_one", name != "PNDMScheduler")
    found = [s for s, known in SPACINGS.items() if known == (timesteps, offset, to_one)]
    kinds = {theirs: ours for ours, theirs in KINDS.items()}
    predicts = config.get("prediction_type", "epsilon")
    if not found or predicts not in kinds:
        raise ValueError(
            f"This scheduler lays its times as {timesteps!r}, with offset {offset} and "
            f"set_alpha_to_one {to_one}, for a network that predicts {predicts!r}: our paths and "
            f"kinds are {SPACINGS} and {KINDS}."
        )
    return schedule_of(config), kinds[predicts], found[0]
