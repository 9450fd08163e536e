"""Models as folders in diffusers' layout, and published Stable Diffusion 1.x.

Such a folder opens in `diffusers.StableDiffusionPipeline.from_pretrained`, and what diffusers or
others have written there opens here. The parts can be written one at a time, as they are trained.
"""

from course_utils.layout.parts import (
    WEIGHTS,
    load_scheduler,
    load_text_encoder,
    load_tokenizer,
    load_unet,
    load_vae,
    save_scheduler,
    save_text_encoder,
    save_tokenizer,
    save_unet,
    save_vae,
)
from course_utils.layout.pipelines import load_pipeline, save_index, save_pipeline
from course_utils.layout.published import find_weights

__all__ = [
    "WEIGHTS",
    "find_weights",
    "load_pipeline",
    "load_scheduler",
    "load_text_encoder",
    "load_tokenizer",
    "load_unet",
    "load_vae",
    "save_index",
    "save_pipeline",
    "save_scheduler",
    "save_text_encoder",
    "save_tokenizer",
    "save_unet",
    "save_vae",
]
