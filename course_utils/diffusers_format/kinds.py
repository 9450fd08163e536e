"""What a file of weights is, by the names in it: the formats that the community shares."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

PARTS = ("cond_stage_model.", "model.diffusion_model.", "first_stage_model.")
"""With what the names in an original Stable Diffusion begin: text encoder, U-Net, VAE."""


class Kind(NamedTuple):
    """A format, and how it is recognised."""

    what: str
    name: str  # a pattern; one of the names in the file begins with it
    beside: bool = False  # it counts, too, where a whole Stable Diffusion is around it


ADDITION = "an addition to a model"
KINDS = (  # the first that fits
    Kind("Stable Diffusion XL", r"conditioner\.embedders\.", beside=True),
    Kind("Stable Diffusion 2.x", r"cond_stage_model\.model\.", beside=True),
    Kind("Stable Diffusion 3", r"(model\.diffusion_model\.)?joint_blocks\.", beside=True),
    Kind("Flux", r"(model\.diffusion_model\.)?(double|single_transformer)_blocks\.", beside=True),
    Kind(
        f"a ControlNet, {ADDITION}",
        r"control_model\.|controlnet_|zero_convs\.|input_hint_block\.",
        beside=True,
    ),
    Kind(f"an IP-Adapter, {ADDITION} that takes a picture as its prompt", r"image_proj\.|ip_adap"),
    Kind(f"a T2I-Adapter, {ADDITION}", r"(adapter\.)?body\.\d+\.(resnets|block1|in_conv)"),
    Kind(f"a motion module (AnimateDiff), {ADDITION} for films", r".*motion_modules\."),
    Kind("OFT, a small change to a model", r"oft_|.*\.oft_(blocks|diag|R)"),
    Kind("a LoRA of another kind (LoHa or LoKr), a small change to a model", r".*\.(hada|lokr)_w"),
    Kind("a LoRA, a small change to a model", r"lora_|lycoris_|.*[._]lora[._]"),
    Kind("a textual inversion, a new word for a model", r"emb_params$|clip_[lg]$|<[^.]*>$"),
    Kind("an upscaler, which enlarges pictures", r"conv_first\.|model\.1\.sub\.|body\.\d+\.rdb1\."),
    Kind(
        "a tiny VAE (TAESD), for quick previews",
        r"(taesd_)?((encoder|decoder)\.(layers\.)?)?\d+\.(conv\.\d+\.)?(weight|bias)$",
    ),
    Kind("a safety checker", r"(special_care|concept)_embeds"),
    Kind("a VAE alone, and the whole model is needed", r"(encoder|decoder)\.(down|up|mid)"),
    Kind("a VAE alone, and the whole model is needed", r"first_stage_model\."),
    Kind("a CLIP with both encoders, or its image encoder", r"vision_model\.|visual\."),
    Kind(
        "a text encoder alone, and the whole model is needed",
        r"(text_model|cond_stage_model)\.|embeddings\.token",
    ),
    Kind(
        "a U-Net alone, of a folder: name the folder that model_index.json is in",
        r"(down|up|mid)_block",
    ),
    Kind(
        "a U-Net alone, and the whole model is needed",
        r"(model\.diffusion_model\.)?(in|out)put_blocks\.",
    ),
)
CHANNELS = {7: "for upscaling", 8: "for changing pictures as told", 9: "for inpainting"}
"""What a U-Net is for that takes more channels than the 4 of its latents."""


def is_whole(names: Iterable[str]) -> bool:
    """Whether all three parts of an original Stable Diffusion are there."""
    return all(any(name.startswith(part) for name in names) for part in PARTS)


def what_is(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """What a file is, in words, by its tensors' names and shapes; None where it isn't known.

    None as well for what this course's classes can be: an original Stable Diffusion 1.x.
    """
    whole = is_whole(shapes)
    for kind in KINDS:
        if (kind.beside or not whole) and any(re.match(kind.name, name) for name in shapes):
            return kind.what
    channels = shapes.get("model.diffusion_model.input_blocks.0.0.weight", (0, 4))[1]
    if channels != 4:
        use = CHANNELS.get(channels, "which is another model")
        return f"a Stable Diffusion whose U-Net takes {channels} channels, {use}"
    if len(shapes) == 1 and [*shapes.values()][0][-1:] in ((768,), (1024,), (1280,)):
        return "a textual inversion, a new word for a model"  # one tensor, named by its word
    return None
