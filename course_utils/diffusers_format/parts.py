"""The parts of a model in diffusers' layout, each a folder: saved, and read again.

All loaders take dtype, of the weights in memory, and device. They raise FileNotFoundError where a
file is missing, ValueError where one is damaged, or is of a network that ours can't be, and OSError
where a disk can't be read.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from course_utils.built.clip import CLIPText
from course_utils.built.schedule import NoiseSchedule
from course_utils.built.textual_inversion import EnlargedEmbedding
from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL
from course_utils.diffusers_format import configs, names, schedules
from course_utils.diffusers_format.config_files import read_json, write_json
from course_utils.diffusers_format.weights import Weights, fill, find_files
from course_utils.io import tensors
from course_utils.io.tensor_files import damaged

WEIGHTS = "diffusion_pytorch_model.safetensors"
TEXT_WEIGHTS = "model.safetensors"


def save_network(path: Path, config: dict, model: nn.Module, rules: names.Rules, notes: dict):
    """Write config.json, and the weights under the names that the rules make."""
    state = one_table(model)
    theirs = names.name_map(state, rules)
    weights = {theirs[name]: weight for name, weight in state.items()}
    tensors.write_tensors(path, weights, format="pt", **notes)  # transformers asks for "format"
    write_json(path.parent / "config.json", config)


def one_table(model: nn.Module) -> dict[str, Tensor]:
    """A network's weights; a text encoder's table and the rows of new words are one tensor."""
    table = getattr(model, "token_embedding", None)
    if not isinstance(table, EnlargedEmbedding):
        return model.state_dict()
    state = {n: t for n, t in model.state_dict().items() if not n.startswith("token_embedding.")}
    return {"token_embedding.weight": table.weight.detach()} | state


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
        raise damaged(folder / "config.json", f"{type(error).__name__}: {error}") from error
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


def save_text_encoder(
    folder: str | Path, text: CLIPText, end: int | None = None, **notes: object
) -> None:
    """Write a text encoder. Raises OSError where that can't be done.

    end: the id of the end token, as for `configs.text_config`; notes: as for `save_unet`.
    """
    config = configs.text_config(text, end)
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
    folder: str | Path,
    schedule: NoiseSchedule,
    prediction_type: str = "epsilon",
    spacing: str = "stable_diffusion",
) -> None:
    """Write a schedule as diffusers' DDIMScheduler; the rest as for `StableDiffusion`."""
    config = schedules.scheduler_config(schedule, prediction_type, spacing)
    write_json(Path(folder) / "scheduler_config.json", config)


def load_scheduler(folder: str | Path) -> tuple[NoiseSchedule, str, str]:
    """The schedule of a folder, the prediction type, and the timesteps' spacing."""
    path = Path(folder) / "scheduler_config.json"
    config = read_json(path)
    try:
        return schedules.scheduler_of(config)
    except (KeyError, TypeError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error
