"""The noise schedule, and the spacing of timesteps, as diffusers' scheduler_config.json."""

import torch

from course_utils.built.schedule import NoiseSchedule, cosine_betas, linear_betas, quadratic_betas
from course_utils.diffusers_format.configs import check_fixed

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
SPACINGS = {  # timestep_spacing, steps_offset (1 where it means nothing), set_alpha_to_one
    "stable_diffusion": ("leading", 1, False),
    "leading": ("leading", 0, True),  # which diffusers' pipeline, but not its scheduler, sets to 1
    "trailing": ("trailing", 1, True),
    "linspace": ("linspace", 1, True),
}


DDIM = ("DDIMScheduler", "DDIMParallelScheduler")
LEADING = (  # the classes of diffusers that lay their times so where the file does not say
    *DDIM,
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "LCMScheduler",
    "PNDMScheduler",
    "TCDScheduler",
)
PLAIN = (  # the classes that know neither of the keys below
    "DPMSolverSDEScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
)
IGNORED_BY = {  # keys that change what is drawn, and the classes that do not have them
    "rescale_betas_zero_snr": (
        *PLAIN,
        "DEISMultistepScheduler",
        "DPMSolverSinglestepScheduler",
        "SASolverScheduler",
    ),
    "thresholding": (*PLAIN, "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"),
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
        known = ", ".join([*shapes, "squaredcos_cap_v2"])
        raise ValueError(f"There is no schedule of betas {name!r} here: {known}.")
    return NoiseSchedule(shapes[name](T, config["beta_start"], config["beta_end"]))


def scheduler_config(schedule: NoiseSchedule, prediction_type: str, spacing: str) -> dict:
    """The scheduler_config.json of diffusers' DDIMScheduler."""
    timesteps, offset, to_one = SPACINGS[spacing]
    return {
        "_class_name": "DDIMScheduler",
        **betas_config(schedule),
        "clip_sample": False,
        "prediction_type": prediction_type,
        "rescale_betas_zero_snr": False,
        "set_alpha_to_one": to_one,
        "steps_offset": offset,
        "thresholding": False,
        "timestep_spacing": timesteps,
    }


def spacing_of(name: str, config: dict) -> str | None:
    """The name of the timesteps' spacing of a scheduler; None where ours has no such.

    Whether the last step ends at 1 (set_alpha_to_one) counts for DDIM, which ours follow exactly.
    Of other samplers only the timesteps are taken.
    """
    timesteps = config.get("timestep_spacing", "leading" if name in LEADING else "linspace")
    offset = config.get("steps_offset", 0) if timesteps == "leading" else 1
    to_one = config.get("set_alpha_to_one", True)
    if name not in DDIM:
        offset, to_one = min(offset, 1), timesteps != "leading" or offset == 0
    found = [s for s, known in SPACINGS.items() if known == (timesteps, offset, to_one)]
    return found[0] if found else None


def scheduler_of(config: dict) -> tuple[NoiseSchedule, str, str]:
    """The schedule, what the U-Net predicts, and the name of the spacing.

    Keys that old files lack have the values that diffusers takes then; keys that mean nothing to
    the class of the file, left over from another, are not heeded. Raises ValueError for what our
    samplers do not do.
    """
    name = config.get("_class_name") or "DDIMScheduler"
    if "beta_schedule" not in config or config.get("use_flow_sigmas"):
        raise ValueError(
            f"This scheduler ({name}) has no betas: it is for flow matching, as Stable Diffusion "
            f"3's, or for EDM, and no part of Stable Diffusion 1.x."
        )
    heeded = {key: False for key, ignored in IGNORED_BY.items() if name not in ignored}
    if name in DDIM:
        heeded["clip_sample"] = False
    check_fixed({"clip_sample": True} | config, heeded, f"This scheduler ({name})")
    spacing = spacing_of(name, config)
    predicts = config.get("prediction_type", "epsilon")
    if not spacing or predicts not in PREDICTION_TYPES:
        raise ValueError(
            f"This scheduler ({name}) lays its times as {config.get('timestep_spacing')!r}, with "
            f"offset {config.get('steps_offset', 0)} and set_alpha_to_one "
            f"{config.get('set_alpha_to_one', True)}, for a network that predicts {predicts!r}: "
            f"ours are {SPACINGS} and {PREDICTION_TYPES}."
        )
    return schedule_of(config), predicts, spacing
