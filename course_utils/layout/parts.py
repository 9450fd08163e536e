"""The parts of a model in diffusers' layout, each a folder: saved, and read again.

All loaders take dtype, of the weights in memory, and device. They raise FileNotFoundError where a
file is missing, and ValueError where one is damaged, or is of a network that ours can't be.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from course_utils import files, training
from course_utils.built import tokenizer as built_tokenizer
from course_utils.built.clip import CLIPText
from course_utils.built.schedule import NoiseSchedule
from course_utils.built.tokenizer import END, START, Tokenizer
from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL
from course_utils.layout import configs, names, schedules
from course_utils.layout.weights import MEND, Weights, fill, find_files

WEIGHTS = "diffusion_pytorch_model.safetensors"
TEXT_WEIGHTS = "model.safetensors"


def write_json(path: Path, content: dict) -> None:
    """Write a config. Raises OSError where that is not possible."""
    with files.whole(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """Read a config. Raises FileNotFoundError where it is missing, ValueError where damaged."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} lacks {path.name}. {MEND.format(path.parent)}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged or only half there ({error}). {MEND.format(path)}"
        ) from error
    return content


def save_network(path: Path, config: dict, model: nn.Module, rules: names.Rules, notes: dict):
    """Write config.json, and the weights under the names that the rules make."""
    theirs = names.name_map(model.state_dict(), rules)
    weights = {theirs[name]: weight for name, weight in model.state_dict().items()}
    training.write_tensors(path, weights, format="pt", **notes)  # transformers asks for "format"
    write_json(path.parent / "config.json", config)


def load_network(
    folder: Path,
    stem: str,
    build: Callable[[dict], nn.Module],
    rules: names.Rules,
    dtype: torch.dtype,
    device: torch.device | str,
    modern: Callable[[str], str] = str,
) -> nn.Module:
    """A network of config.json, `build`, and weights whose names the rules make of ours."""
    config = read_json(folder / "config.json")
    weights = Weights(*find_files(folder, stem, dtype in (torch.float16, torch.bfloat16)))
    try:
        with torch.device("meta"):
            model = build(config)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder / 'config.json'} is damaged or only half there ({type(error).__name__}: "
            f"{error}). {MEND.format(folder)}"
        ) from error
    theirs = names.name_map(model.state_dict(), rules)
    return fill(model, weights, theirs, modern, names.LEFT_OVER, dtype, device)


def save_unet(folder: str | Path, unet: UNet, sample_size: int = 64, **notes: object) -> None:
    """Write a U-Net. sample_size: height and width of latents; notes: for the weights' header.

    Raises ValueError where diffusers has no such network, OSError where the folder can't be
    written.
    """
    config = configs.unet_config(unet, sample_size)
    save_network(Path(folder) / WEIGHTS, config, unet, names.UNET, notes)


def load_unet(
    folder: str | Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> UNet:
    """The U-Net of a folder."""
    return load_network(
        Path(folder), "diffusion_pytorch_model", configs.unet_of, names.UNET, dtype, device
    )


def save_vae(folder: str | Path, vae: AutoencoderKL, **notes: object) -> None:
    """Write a VAE; notes: as for `save_unet`. Raises OSError where that can't be done."""
    save_network(Path(folder) / WEIGHTS, configs.vae_config(vae), vae, names.VAE, notes)


def load_vae(
    folder: str | Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> AutoencoderKL:
    """The VAE of a folder; its attention may have the names of today or those of 2022."""
    return load_network(
        Path(folder),
        "diffusion_pytorch_model",
        configs.vae_of,
        names.VAE,
        dtype,
        device,
        lambda name: names.renamed(name, names.OLD_VAE),
    )


def save_text_encoder(folder: str | Path, text: CLIPText, **notes: object) -> None:
    """Write a text encoder; notes: as for `save_unet`. Raises OSError where that can't be done."""
    config = configs.text_config(text)
    save_network(Path(folder) / TEXT_WEIGHTS, config, text, names.TEXT, notes)


def load_text_encoder(
    folder: str | Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> CLIPText:
    """The text encoder of a folder; its names may lack "text_model.", as transformers 5 writes."""
    return load_network(
        Path(folder),
        "model",
        configs.text_of,
        names.TEXT,
        dtype,
        device,
        lambda name: "text_model." + name.removeprefix("text_model."),
    )


def save_scheduler(
    folder: str | Path, schedule: NoiseSchedule, kind: str = "eps", spacing: str = "stable"
) -> None:
    """Write a schedule as diffusers' DDIMScheduler; kind and spacing: as for `StableDiffusion`."""
    config = schedules.scheduler_config(schedule, kind, spacing)
    write_json(Path(folder) / "scheduler_config.json", config)


def load_scheduler(folder: str | Path) -> tuple[NoiseSchedule, str, str]:
    """The schedule of a folder, with the kind and the spacing of times that belong to it."""
    path = Path(folder) / "scheduler_config.json"
    config = read_json(path)
    try:
        return schedules.scheduler_of(config)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged or only half there ({type(error).__name__}: {error}). "
            f"{MEND.format(path)}"
        ) from error


def save_tokenizer(folder: str | Path, tokenizer: Tokenizer) -> None:
    """Write a tokenizer with what else transformers' CLIPTokenizer wants to know of it."""
    special = {
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": tokenizer.tokens[tokenizer.pad],
    }
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": tokenizer.length}
    with files.whole_folder(folder) as beside:
        built_tokenizer.save_tokenizer(tokenizer, beside)
        write_json(beside / "special_tokens_map.json", special)
        write_json(beside / "tokenizer_config.json", config | special)


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer of a folder, of merges.txt or, where there is none, of tokenizer.json."""
    folder = Path(folder)
    config = read_json(folder / "tokenizer_config.json")
    length, pad = config.get("model_max_length", 77), config.get("pad_token", END)
    pad = pad["content"] if isinstance(pad, dict) else pad
    if (folder / "merges.txt").is_file():
        try:
            return built_tokenizer.load_tokenizer(folder, length, pad)
        except ValueError as error:  # of json and of UTF-8, too
            raise ValueError(
                f"The tokenizer in {folder} is damaged or only half there ({error}). "
                f"{MEND.format(folder)}"
            ) from error
    model = read_json(folder / "tokenizer.json").get("model", {})
    pairs = [tuple(p.split(" ") if isinstance(p, str) else p) for p in model.get("merges", [])]
    tokenizer = Tokenizer(pairs, length, pad)
    if model.get("vocab") != tokenizer.vocab:
        raise ValueError(f"{folder / 'tokenizer.json'} is not of a tokenizer like CLIP's.")
    return tokenizer
