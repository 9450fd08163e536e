"""Models as folders in diffusers' layout: our weights under its names, and back again."""

import json
import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from course_utils import training
from course_utils.built.vae import AutoencoderKL

WEIGHTS = "diffusion_pytorch_model.safetensors"
VAE_RULES = (
    (r"^(\w*quant)\.", r"\1_conv."),
    (r"\.enter\.", ".conv_in."),
    (r"coder\.norm\.", "coder.conv_norm_out."),
    (r"\.leave\.", ".conv_out."),
    (r"\.down\.(\d+)\.\d+\.conv\.", r".down_blocks.\1.downsamplers.0.conv."),
    (r"\.up\.(\d+)\.\d+\.conv\.", r".up_blocks.\1.upsamplers.0.conv."),
    (r"\.(down|up)\.(\d+)\.(\d+)\.", r".\1_blocks.\2.resnets.\3."),
    (r"\.middle\.0\.", ".mid_block.resnets.0."),
    (r"\.middle\.2\.", ".mid_block.resnets.1."),
    (r"\.middle\.1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.middle\.1\.attention\.out\.", ".mid_block.attentions.0.to_out.0."),
    (r"\.middle\.1\.attention\.(\w)\.", r".mid_block.attentions.0.to_\1."),
    (r"\.skip\.", ".conv_shortcut."),
)
"""What is replaced, in this order, in a name of our VAE's weights to make it diffusers'."""


def vae_name(name: str) -> str:
    """diffusers' name of a weight of our `AutoencoderKL`."""
    for pattern, replacement in VAE_RULES:
        name = re.sub(pattern, replacement, name)
    return name


def save_vae(folder: str | Path, vae: AutoencoderKL, network: dict, **notes: object) -> None:
    """Write `vae` as config.json and weights, as diffusers' `AutoencoderKL.from_pretrained` reads.

    network: the arguments it was built with, all but `scale`. notes: kept in the weights' header.
    Raises OSError where the folder cannot be written.
    """
    folder = Path(folder)
    levels = len(network["widths"])
    config = {
        "_class_name": "AutoencoderKL",
        "in_channels": vae.channels,
        "out_channels": vae.channels,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": [*network["widths"]],
        "layers_per_block": network["blocks"],
        "latent_channels": vae.latent,
        "norm_num_groups": network["groups"],
        "scaling_factor": vae.scale,
    }
    weights = {vae_name(name): weight for name, weight in vae.state_dict().items()}
    training.write_tensors(folder / WEIGHTS, weights, **notes)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_vae(folder: str | Path) -> AutoencoderKL:
    """The VAE of a folder that `save_vae` or diffusers wrote, in single precision.

    Raises FileNotFoundError where a file is missing, ValueError where one is damaged or the two
    don't belong together.
    """
    folder = Path(folder)
    missing = [name for name in ("config.json", WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks {' and '.join(missing)}: train first.")
    try:
        config = json.loads((folder / "config.json").read_text())
        vae = AutoencoderKL(
            channels=config["in_channels"],
            latent=config["latent_channels"],
            widths=config["block_out_channels"],
            blocks=config["layers_per_block"],
            groups=config["norm_num_groups"],
            scale=config["scaling_factor"],
        )
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder} is damaged or only half there ({type(error).__name__}: {error}). Restore "
            f"the course's files with `git checkout {folder}`, or train again."
        ) from error
    vae.load_state_dict(_under_our_names(weights, vae, folder))
    return vae


def _under_our_names(weights: dict[str, Tensor], vae: AutoencoderKL, folder: Path) -> dict:
    """The weights of a file by our names. Raises ValueError where they are another model's."""
    ours = {name: vae_name(name) for name in vae.state_dict()}
    differing = set(ours.values()) ^ weights.keys()
    differing |= {
        ours[name]
        for name, weight in vae.state_dict().items()
        if ours[name] in weights and weights[ours[name]].shape != weight.shape
    }
    if differing:
        raise ValueError(
            f"{folder} holds the weights of another model: {len(differing)} tensors differ in name "
            f"or shape from what its config.json says, the first is {min(differing)!r}."
        )
    return {name: weights[theirs].float() for name, theirs in ours.items()}
