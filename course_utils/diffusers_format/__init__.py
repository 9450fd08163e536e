"""Models as folders in diffusers' layout, and published Stable Diffusion 1.x.

Such a folder opens in `diffusers.StableDiffusionPipeline.from_pretrained`, and what diffusers or
others have written there opens here. The parts can be written one at a time, as they are trained.
"""

from course_utils.diffusers_format.learned_words import WORD_VECTORS, load_word, save_word
from course_utils.diffusers_format.loras import LORA_WEIGHTS, load_lora, save_lora
from course_utils.diffusers_format.parts import (
    WEIGHTS,
    load_scheduler,
    load_text_encoder,
    load_unet,
    load_vae,
    save_scheduler,
    save_text_encoder,
    save_unet,
    save_vae,
)
from course_utils.diffusers_format.pipelines import load_pipeline, save_index, save_pipeline
from course_utils.diffusers_format.published import find_weights
from course_utils.diffusers_format.tokenizers import load_tokenizer, save_tokenizer

__all__ = [
    "LORA_WEIGHTS",
    "WEIGHTS",
    "WORD_VECTORS",
    "find_weights",
    "load_lora",
    "load_pipeline",
    "load_scheduler",
    "load_text_encoder",
    "load_tokenizer",
    "load_unet",
    "load_vae",
    "load_word",
    "save_index",
    "save_lora",
    "save_pipeline",
    "save_scheduler",
    "save_text_encoder",
    "save_tokenizer",
    "save_unet",
    "save_vae",
    "save_word",
]
