"""LoRAs as files: as diffusers saves them, and as kohya's programs do, where most are made."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from course_utils.built.finetune import networks
from course_utils.built.lora import LoRALinear, lora_places
from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.diffusers_format import kinds, names
from course_utils.diffusers_format.weights import Weights, reshaped
from course_utils.io import tensors
from course_utils.io.tensor_files import damaged, opened

LORA_WEIGHTS = "pytorch_lora_weights.safetensors"
SETTINGS = "lora_adapter_metadata"
"""The note in a file's header with the settings of peft; diffusers writes it, we read it."""
RULES = {"unet": names.UNET, "text_encoder": names.TEXT}

TENSOR = re.compile(
    r"(?P<layer>.+?)(?:[._]lora(?:_linear_layer)?[._](?P<factor>A|B|down|up)\.weight|\.alpha)"
)
"""A tensor's name: a layer, and a factor of its change (lora_A, lora.down, lora_down) or alpha."""
LAYER: names.Rules = (  # from the layers' names in files to today's in diffusers, with "_" for "."
    (r"\.", "_"),
    (r"^lora_unet_", "unet_"),
    (r"^(lora_te1?|text_encoder)_(text_model_)?", "text_encoder_text_model_"),
    (r"_processor_", "_"),  # before 2024 attention had its LoRA there
    (r"_self_attn_to_(q|k|v|out)$", r"_self_attn_\1_proj"),
    (r"_to_out$", "_to_out_0"),
)
OTHERS = (  # LoRAs that are not of Stable Diffusion 1.x, or no plain ones
    (r"lora_te2_|text_encoder_2\.|lora_unet_(in|out)put_blocks", "of Stable Diffusion XL"),
    (r"(lora_)?transformer[._]|diffusion_model\.|lora_unet_(double|single|joint)_", "of a DiT"),
    (r".*(dora_scale|lora_magnitude_vector)", "with weights in two parts (DoRA)"),
    (r".*\.lora_mid\.", "of three factors (LoCon with CP)"),
)


class Change(NamedTuple):
    """What a file holds for one layer: A, B and alpha."""

    A: Tensor
    B: Tensor
    alpha: float


def save_lora(folder: str | Path, loras: Mapping[str, LoRALinear], **notes: object) -> Path:
    """Write a LoRA as diffusers does, to open with `pipe.load_lora_weights(folder)`.

    loras: as `add_lora(networks(model))` gives them. alpha / r is multiplied into B: a file that
    says nothing else is read with alpha = r. The scale is a setting of whoever draws with it, and
    not saved. notes: for the header. Raises ValueError for other names, OSError where it can't be
    written.
    """
    found = {}
    for name, lora in loras.items():
        part, _, layer = name.partition(".")
        if part not in RULES:
            raise ValueError(
                f"A LoRA's layers are named unet. ... or text_encoder. ..., as of "
                f"add_lora(networks(model)); this one is {name!r}."
            )
        theirs = f"{part}.{diffusers_name(layer, part)}"
        found[f"{theirs}.lora_A.weight"] = lora.A.weight
        found[f"{theirs}.lora_B.weight"] = lora.B.weight * (lora.alpha / lora.rank)
    return tensors.write_tensors(Path(folder) / LORA_WEIGHTS, found, format="pt", **notes)


def load_lora(place: str | Path, model: StableDiffusion) -> dict[str, LoRALinear]:
    """Put the LoRA of a file, or of the file in a folder, on a model; returns it as `add_lora`.

    Diffusers' files, of today and of 2023, and kohya's for Stable Diffusion 1.x. Raises
    FileNotFoundError where there is none, ValueError where it is damaged, is something else, or is
    of another model.
    """
    path = found_file(Path(place), LORA_WEIGHTS)
    whole = networks(model)
    changes = read_changes(path)
    known = {renamed_layer(name): name for name in lora_places(whole)}
    if foreign := [layer for layer in changes if layer not in known]:
        raise ValueError(
            f"{path.name} is a LoRA of another model: {len(foreign)} of its {len(changes)} layers "
            f"are not in this one, the first is {min(foreign)!r}."
        )
    places = {known[layer]: change for layer, change in changes.items()}
    loras = {name: filled(whole.get_submodule(name), c, path, name) for name, c in places.items()}
    whole.requires_grad_(False)
    for name, lora in loras.items():
        whole.set_submodule(name, lora)
    return loras


def diffusers_name(layer: str, part: str) -> str:
    """A layer's name in diffusers or transformers, by ours."""
    return names.renamed(f"{layer}.", RULES[part]).removesuffix(".")


def renamed_layer(name: str) -> str:
    """One of our layers' names as `LAYER` makes it of theirs."""
    part, _, layer = name.partition(".")
    return names.renamed(f"{part}.{diffusers_name(layer, part)}", LAYER)


def filled(base: nn.Module, change: Change, path: Path, name: str) -> LoRALinear:
    """A LoRALinear beside `base` with the factors of a file. Raises ValueError for other shapes."""
    lora = LoRALinear(base, len(change.A), change.alpha)
    for ours, theirs in ((lora.A, change.A), (lora.B, change.B)):
        shape, wanted = tuple(theirs.shape), tuple(ours.weight.shape)
        if not reshaped(shape, wanted) and not reshaped(wanted, shape):
            raise ValueError(
                f"{path.name} is a LoRA of another model: its change of {name} is made of "
                f"{[*change.A.shape]} and {[*change.B.shape]}, and this layer's weight is "
                f"{[*lora.weight.shape]}."
            )
        where = None if ours.weight.is_meta else ours.weight.device
        ours.weight = nn.Parameter(theirs.to(where, lora.weight.dtype, copy=True).reshape(wanted))
    return lora


def read_changes(path: Path) -> dict[str, Change]:
    """The changes in a file, by their layers' names as `LAYER` makes them. Raises ValueError."""
    weights = Weights(path)
    refuse_other_loras(path, weights.shapes)
    with opened(path) as file:
        settings = (file.metadata() or {}).get(SETTINGS)
    try:
        settings = json.loads(settings or "{}")
    except ValueError as error:
        raise damaged(path, f"the settings in its header: {error}") from error
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in weights.read(set(weights.shapes)):
        match = TENSOR.fullmatch(name)
        what = {"A": "A", "down": "A", "B": "B", "up": "B", None: "alpha"}[match["factor"]]
        layer = names.renamed(match["layer"], LAYER)
        found.setdefault(layer, {})[what] = tensor.clone()
        if what == "A":
            found[layer].setdefault("alpha", alpha_of(match["layer"], len(tensor), settings))
        if what == "alpha":
            found[layer]["alpha"] = tensor.item()
    if half := [layer for layer, parts in found.items() if not {"A", "B"} <= parts.keys()]:
        raise damaged(path, f"of {min(half)} it holds one factor alone")
    return {layer: Change(**parts) for layer, parts in found.items()}


def alpha_of(layer: str, rank: int, settings: dict) -> float:
    """A layer's alpha by the settings in the header; the rank where these do not say.

    peft's "rslora" divides by the root of the rank; ours always by the rank.
    """
    part, _, name = layer.partition(".")
    alpha = settings.get(f"{part}.lora_alpha", rank)
    for pattern, other in (settings.get(f"{part}.alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", name):
            alpha = other
            break
    return alpha * (rank**0.5 if settings.get(f"{part}.use_rslora") else 1)


def refuse_other_loras(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError, with what it is, where a file is no LoRA, or one that ours can't be."""
    what = "a whole Stable Diffusion" if kinds.is_whole(shapes) else kinds.what_is(shapes)
    if any(TENSOR.fullmatch(name) and not name.endswith(".alpha") for name in shapes):
        what = next((f"a LoRA {o}" for p, o in OTHERS if any(re.match(p, n) for n in shapes)), None)
        if what is None and all(TENSOR.fullmatch(name) for name in shapes):
            return
    unknown = (name for name in shapes if not TENSOR.fullmatch(name))
    what = what or f"not known here, with tensors such as {min(unknown, default='none')!r}"
    raise ValueError(
        f"{path.name} is {what}. A LoRA of Stable Diffusion 1.x is wanted here: diffusers' "
        f"{LORA_WEIGHTS}, or a file of kohya's programs, with names such as "
        f"lora_unet_..._to_q.lora_down.weight."
    )


def found_file(place: Path, name: str) -> Path:
    """A file, or in a folder the file of this name, or the only one. Raises FileNotFoundError."""
    if not place.is_dir():
        return place
    there = [place / name] if (place / name).is_file() else sorted(place.glob("*.safetensors"))
    if len(there) != 1:
        raise FileNotFoundError(f"{place} holds no {name}: name the file itself.")
    return there[0]
