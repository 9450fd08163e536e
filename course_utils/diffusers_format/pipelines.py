"""A whole model in diffusers' layout: one folder that holds its parts."""

from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import nn

from course_utils.built.clip import CLIPText
from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.built.textual_inversion import EnlargedEmbedding
from course_utils.built.tokenizer import Tokenizer
from course_utils.diffusers_format import parts
from course_utils.diffusers_format.config_files import read_json, write_json
from course_utils.diffusers_format.published import load_original, single_file
from course_utils.diffusers_format.tokenizers import load_tokenizer, save_tokenizer
from course_utils.io import files
from course_utils.io.tensor_files import mend

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
        end = pipe.tokenizer.end
        parts.save_text_encoder(beside / "text_encoder", pipe.text_encoder, end, **notes)
        parts.save_vae(beside / "vae", pipe.vae, **notes)
        save_tokenizer(beside / "tokenizer", pipe.tokenizer)
        parts.save_scheduler(
            beside / "scheduler", pipe.schedule, pipe.prediction_type, pipe.spacing
        )
        save_index(beside)


def save_index(folder: str | Path) -> None:
    """Write model_index.json, which says what the other folders hold. Raises OSError."""
    write_json(Path(folder) / "model_index.json", INDEX)


def load_pipeline(
    place: str | Path,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    precision: AbstractContextManager | None = None,
) -> StableDiffusion:
    """A model of a folder in diffusers' layout, ours or published, or of the original single file.

    dtype and device: of the weights in memory, whatever they are in the files. precision: the
    context in which the U-Net samples; `training.autocast(device)` takes about two thirds of the
    time where the processor has bfloat16. Raises FileNotFoundError where something is missing,
    ValueError where it is damaged or of another kind of model.
    """
    folder = Path(place)
    if folder.is_file():
        model = load_original(folder, dtype, device)
        model.precision = precision
        return model
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {folder}. {mend(folder)} Where a model of huggingface.co "
            f"is on this computer, diffusers_format.find_weights says."
        )
    if not (folder / "model_index.json").is_file():
        refuse_part(folder)
        if file := single_file(folder):
            return load_pipeline(file, dtype, device, precision)
    name = read_json(folder / "model_index.json").get("_class_name")
    if not str(name).startswith("StableDiffusion") or "XL" in str(name) or "3" in str(name):
        raise ValueError(
            f"{folder} holds a {name}; this course's classes are Stable Diffusion 1.x's. Take a "
            f"model whose model_index.json says StableDiffusionPipeline."
        )
    schedule, prediction_type, spacing = parts.load_scheduler(folder / "scheduler")
    text = parts.load_text_encoder(folder / "text_encoder", dtype, device)
    tokenizer = load_tokenizer(folder / "tokenizer", text.position_embedding.num_embeddings)
    text = fit_words(text, tokenizer)
    unet = parts.load_unet(folder / "unet", dtype, device)
    vae = parts.load_vae(folder / "vae", dtype, device)
    sample_size = read_json(folder / "unet" / "config.json").get("sample_size") or 64
    size = sample_size * vae.factor
    parts_of_it = tokenizer, text, unet, vae, schedule
    return StableDiffusion(*parts_of_it, prediction_type, spacing, size, precision)


def refuse_part(folder: Path) -> None:
    """Raise ValueError where a folder is one part of a model, and the model was asked for."""
    what = None
    if (folder / "config.json").is_file():
        config = read_json(folder / "config.json")
        what = config.get("_class_name") or config.get("model_type")
    elif (folder / "adapter_config.json").is_file():
        what = "a LoRA or the like, which changes a model"
    if what:
        raise ValueError(
            f"{folder} holds a part of a model ({what}). Name the folder that the model_index.json "
            f"of the whole model is in."
        )


def fit_words(text: CLIPText, tokenizer: Tokenizer) -> CLIPText:
    """A text encoder with a vector for each of the tokenizer's words, and no others.

    Some programs round the number of vectors up to a multiple of 64; what no word reaches is left
    out. Raises ValueError where an added word has no vector.
    """
    vectors, words = len(text.token_embedding.weight), len(tokenizer.vocab)
    added = [word for word, i in getattr(tokenizer, "words", {}).items() if i >= vectors]
    if added:
        raise ValueError(
            f"The words {added} were added to this tokenizer, and the text encoder has no vectors "
            f"for them: they are of different models. Take added_tokens.json out, or another text "
            f"encoder."
        )
    if words < vectors < words + 64:
        text.token_embedding = nn.Embedding.from_pretrained(
            text.token_embedding.weight.data[:words], freeze=False
        )
    if hasattr(tokenizer, "words"):
        rows, plain = text.token_embedding.weight.data, len(tokenizer.plain.vocab)
        table = nn.Embedding.from_pretrained(rows[:plain])
        text.token_embedding = EnlargedEmbedding(table, rows[plain:])
    return text
