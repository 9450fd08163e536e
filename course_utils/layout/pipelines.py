"""A whole model in diffusers' layout: one folder that holds its parts."""

from pathlib import Path

import torch

from course_utils import files
from course_utils.built.pipeline import StableDiffusion
from course_utils.layout import parts
from course_utils.layout.published import load_original
from course_utils.layout.weights import MEND

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def save_pipeline(folder: str | Path, pipe: StableDiffusion, **notes: object) -> None:
    """Write a model, its weights in the precision that they have; notes: for their headers.

    An older model in the folder is replaced when the new one is written whole.
    Raises ValueError where diffusers has no such networks, OSError where that can't be written.
    """
    size = pipe.size // pipe.vae.factor
    with files.whole_folder(folder) as beside:
        parts.save_unet(beside / "unet", pipe.unet, size, **notes)
        parts.save_text_encoder(beside / "text_encoder", pipe.text_encoder, **notes)
        parts.save_vae(beside / "vae", pipe.vae, **notes)
        parts.save_tokenizer(beside / "tokenizer", pipe.tokenizer)
        parts.save_scheduler(beside / "scheduler", pipe.schedule, pipe.kind, pipe.spacing)
        save_index(beside)


def save_index(folder: str | Path) -> None:
    """Write model_index.json, which says what the other folders hold. Raises OSError."""
    parts.write_json(Path(folder) / "model_index.json", INDEX)


def load_pipeline(
    place: str | Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> StableDiffusion:
    """A model of a folder in diffusers' layout, ours or published, or of the original single file.

    dtype and device: of the weights in memory, whatever they are in the files. Raises
    FileNotFoundError where something is missing, ValueError where it is damaged or of another kind
    of model.
    """
    folder = Path(place)
    if folder.is_file():
        return load_original(folder, dtype, device)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {folder}. {MEND.format(folder)} Where a model of huggingface.co "
            f"is on this computer, layout.find_weights says."
        )
    name = parts.read_json(folder / "model_index.json").get("_class_name")
    if not str(name).startswith("StableDiffusion") or "XL" in str(name) or "3" in str(name):
        raise ValueError(
            f"{folder} holds a {name}; this course's classes are Stable Diffusion 1.x's. Take a "
            f"model whose model_index.json says StableDiffusionPipeline."
        )
    schedule, kind, spacing = parts.load_scheduler(folder / "scheduler")
    tokenizer = parts.load_tokenizer(folder / "tokenizer")
    text = parts.load_text_encoder(folder / "text_encoder", dtype, device)
    unet = parts.load_unet(folder / "unet", dtype, device)
    vae = parts.load_vae(folder / "vae", dtype, device)
    sample_size = parts.read_json(folder / "unet" / "config.json").get("sample_size") or 64
    size = sample_size * vae.factor
    return StableDiffusion(tokenizer, text, unet, vae, schedule, kind, spacing, size)
