"""Lesson 06's digit generator, trained for longer: `python -m tools.train digits unet`

The averaged weights go to data/checkpoints/digit_unet.safetensors in half precision; at the end
their header also says what was measured.
"""

from dataclasses import dataclass

from course_utils import training
from course_utils.built.diffusion import diffusion_loss
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.guidance import drop_cond
from course_utils.built.train import channels_last
from course_utils.data import datasets
from course_utils.io import tensors
from tools.score.digits import SCHEDULE, measure
from tools.train import loop


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    prediction_type: str = "sample"
    drop: float = 0.2  # the part of labels that is left out, for guidance
    guidance: float = 1.5  # of the pictures that are measured


SETTINGS = Settings(name="digits_unet", network={}, steps=12_000, batch_size=64, learning_rate=2e-3)
ALL = (SETTINGS,)


def quality(settings: Settings, model: DigitUNet) -> dict[str, dict]:
    """What the scoreboard says: unconditional, conditional on the label, and guided."""
    how = dict(
        sampler="ddpm",
        eta=0.0,
        timestep_spacing="trailing",
        steps=50,
        clamp=True,
        pictures=2000,
        seed=1,
    )
    weights = {"unconditional": 0.0, "conditional": 1.0, "guided": settings.guidance}
    return {
        name: measure(model, settings.prediction_type, how | {"guidance": w})
        for name, w in weights.items()
    }


def train(settings: Settings = SETTINGS, **how: object) -> None:
    training.seed(settings.seed)
    path = loop.CHECKPOINTS / "digit_unet.safetensors"
    model = DigitUNet(**settings.network)
    if settings.from_weights:
        tensors.load_checkpoint(path, model)

    def loss_of(model, x0, labels, generator):
        labels = drop_cond(labels, model.classes, settings.drop, generator)
        return diffusion_loss(model, x0, labels, generator, SCHEDULE, settings.prediction_type)

    for saved in loop.fit(settings, model, loss_of, datasets.mnist(), **how):
        notes = saved.notes() | {"prediction_type": settings.prediction_type}
        if saved.last:  # measured as it is written
            average = channels_last(saved.half().float())
            notes |= quality(settings, average)
        tensors.save_checkpoint(path, saved.half(), **notes)
