"""What all ways of teaching a model something have in common: its loss (lesson 15)."""

import torch
from torch import Tensor, nn

from course_utils.built.diffusion import diffusion_loss
from course_utils.built.schedule import NoiseSchedule
from course_utils.built.stable_diffusion import StableDiffusion


def networks(model: StableDiffusion) -> nn.ModuleDict:
    """The two networks of a model that a caption goes through, as one, for `train`.

    They are the model's own, not copies. Which of their weights learn is what tells textual
    inversion, LoRA and DreamBooth apart.
    """
    return nn.ModuleDict({"text_encoder": model.text_encoder, "unet": model.unet})


def caption_loss(
    model: nn.ModuleDict,
    x0: Tensor,
    ids: Tensor,
    generator: torch.Generator,
    schedule: NoiseSchedule,
    prediction_type: str = "epsilon",
) -> Tensor:
    """`diffusion_loss` of latents x0, N x C x H x W, with their captions as ids, N x L.

    The text encoder reads them at each step, as it may be what learns.
    """
    states = model["text_encoder"](ids)[0]
    return diffusion_loss(model["unet"], x0, states, generator, schedule, prediction_type)


def prior_preservation_loss(
    model: nn.ModuleDict,
    x0: Tensor,
    ids: Tensor,
    prior_x0: Tensor,
    prior_ids: Tensor,
    generator: torch.Generator,
    schedule: NoiseSchedule,
    prediction_type: str = "epsilon",
    weight: float = 1.0,
) -> Tensor:
    """DreamBooth's loss: of one's own pictures, and `weight` times that of others of their class.

    prior_x0 and prior_ids: latents that the model drew itself before it was trained, and their
    caption, which names the class alone ("a monster"), so that it keeps what it knew of the class.
    (Ruiz et al. 2023, eq. 2.)
    """
    own = caption_loss(model, x0, ids, generator, schedule, prediction_type)
    prior = caption_loss(model, prior_x0, prior_ids, generator, schedule, prediction_type)
    return own + weight * prior
