"""Published Stable Diffusion 1.x: where it may lie, and the original single file (CompVis 2022)."""

import os
import re
import warnings
from pathlib import Path

import torch

from course_utils import ROOT
from course_utils.built.clip import CLIPText
from course_utils.built.schedule import NoiseSchedule, scaled_linear_betas
from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.built.tokenizer import load_tokenizer
from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL
from course_utils.diffusers_format import kinds, names
from course_utils.diffusers_format.weights import Weights, fill, find_files
from course_utils.io import downloads

REPOSITORIES = (
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "CompVis/stable-diffusion-v1-4",
    "runwayml/stable-diffusion-v1-5",
)
"""Where Stable Diffusion 1.x is published at huggingface.co; the first is what is downloaded."""

FILES = (
    "model_index.json",
    "*/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/*.json",
    "tokenizer/merges.txt",
    "text_encoder/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
)
VARIANT = r"(?i)[-_. ](pruned|ema(?:only)?|non?[-_]?ema|fp16|bf16|fp32)\b"
"""What is added to the name of a model's file for its precision, or for what was left out."""
TERMS = (
    f"Stable Diffusion 1.5 ({REPOSITORIES[0]} at huggingface.co) is about 4 GB. Its licence, "
    f"CreativeML OpenRAIL-M, lets you use it and what you draw with it, but not to do harm in the "
    f"ways that its attachment A lists: https://huggingface.co/spaces/CompVis/stable-diffusion-license"
)


def refuse_others(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raise ValueError, with what it is, where a file is not an original Stable Diffusion 1.x.

    Warn where it is one and holds tensors that have no place there.
    """
    what = kinds.what_is(shapes)
    if what:
        raise ValueError(
            f"{path.name} is {what}; this course's classes are Stable Diffusion 1.x's. Take a "
            f"model of that kind, such as v1-5-pruned-emaonly.safetensors."
        )
    foreign = [
        name
        for name in shapes
        if not name.startswith(kinds.PARTS) and not re.fullmatch(names.ORIGINAL_LEFT_OVER, name)
    ]
    some = f"{len(foreign)} of its {len(shapes)} tensors have no place there, such as"
    some = f"{some} {min(foreign, default='none')!r}"
    if not kinds.is_whole(shapes):
        raise ValueError(f"{path.name} is no Stable Diffusion 1.x: {some}.")
    if foreign:
        warnings.warn(
            f"{path.name} is read as Stable Diffusion 1.x; {some}: they are left out.",
            stacklevel=5,
        )


def networks() -> dict[str, torch.nn.Module]:
    """The networks of Stable Diffusion 1.x, with weights that are not there yet."""
    with torch.device("meta"):
        text = CLIPText(49408, 768, 12, 12, 77, quick=True)
        return {"text": text, "unet": UNet(), "vae": AutoencoderKL()}


def load_original(
    path: str | Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> StableDiffusion:
    """Stable Diffusion 1.x of the single file in which it first was published, as safetensors.

    Raises FileNotFoundError where there is none, ValueError where it is damaged or another model.
    """
    path = Path(path)
    weights = Weights(path)
    refuse_others(path, weights.shapes)
    text, unet, vae = (
        fill_original(part, weights, names.ORIGINAL[name], dtype, device)
        for name, part in networks().items()
    )
    tokenizer = load_tokenizer(ROOT / "data" / "clip")
    return StableDiffusion(tokenizer, text, unet, vae, NoiseSchedule(scaled_linear_betas(1000)))


def fill_original(
    part: torch.nn.Module,
    weights: Weights,
    rules: names.Rules,
    dtype: torch.dtype,
    device: torch.device | str,
) -> torch.nn.Module:
    """Give one part its weights of the whole file; the other parts' are left over."""
    theirs = names.name_map(part.state_dict(), rules)
    beginning = re.escape(names.renamed("", rules[-1:]))
    left_over = rf"(?!{beginning}).*|{names.ORIGINAL_LEFT_OVER}"
    return fill(part, weights, theirs, first_named, left_over, dtype, device)


def first_named(name: str) -> str:
    """A name in an original file as it was in the first of them."""
    return names.renamed(name, names.SAVED_AGAIN)


def single_file(folder: Path) -> Path | None:
    """The original single file in a folder: the only file, or the only one with a whole model.

    Of several that are one model ("v1-5-pruned", "v1-5-pruned-emaonly") it is the smallest. None
    where there is no file. Raises ValueError where there are different models.
    """
    there = sorted(folder.glob("*.safetensors"))
    if len(there) < 2:
        return there[0] if there else None
    whole = [path for path in there if kinds.is_whole(Weights(path).shapes)]
    models = {re.split(VARIANT, path.stem)[0] for path in whole}
    if len(models) > 1:
        raise ValueError(
            f"{folder} holds {len(models)} models: {', '.join(p.name for p in whole)}. Name the "
            f"file of one of them."
        )
    return min(whole or there, key=lambda path: path.stat().st_size)


def hub_cache() -> Path:
    """The folder in which huggingface_hub keeps what it downloads."""
    home = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME", Path(home) / "huggingface"))
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def is_whole(folder: Path) -> bool:
    """Whether a folder holds all weights of a model in diffusers' layout, as safetensors."""
    try:
        for part in ("unet", "vae"):
            find_files(folder / part, "diffusion_pytorch_model")
        find_files(folder / "text_encoder", "model")
    except (FileNotFoundError, ValueError):
        return False
    return (folder / "model_index.json").is_file() and (folder / "tokenizer").is_dir()


def find_weights(place: str | Path | None = None, download: bool = False) -> Path:
    """Where Stable Diffusion 1.x is: a folder or file for `StableDiffusion.from_pretrained`.

    place: a folder or file of yours; None looks into the cache of huggingface_hub. download: if it
    is not there, show size and licence, and fetch it; nothing is ever fetched otherwise. Raises
    FileNotFoundError where there is none, OSError where it can't be fetched, and what
    `single_file` raises.
    """
    if place is not None:
        place = Path(place).expanduser()
        if not place.exists():
            raise FileNotFoundError(f"There is nothing at {place}: is the name right?")
        inside = single_file(place) if place.is_dir() and not is_whole(place) else None
        return inside or place
    for name in REPOSITORIES:
        snapshots = hub_cache() / f"models--{name.replace('/', '--')}" / "snapshots"
        for folder in sorted(snapshots.glob("*"), key=lambda p: p.stat().st_mtime, reverse=True):
            if is_whole(folder):
                return folder
    if not download:
        raise FileNotFoundError(
            f"Stable Diffusion 1.x is not on this computer. {TERMS}. To fetch it: "
            f"find_weights(download=True). If you have it elsewhere: find_weights('its folder')."
        )
    return fetch_weights()


def fetch_weights() -> Path:
    """Show size and licence, and download Stable Diffusion 1.5. Raises OSError where it can't."""
    print(TERMS)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise OSError("Downloading needs a package: pip install huggingface_hub") from error
    address = f"https://huggingface.co/{REPOSITORIES[0]}/resolve/main/model_index.json"
    downloads.open_address(address).close()  # which is quick to say that there is no network
    return Path(snapshot_download(REPOSITORIES[0], allow_patterns=list(FILES)))
