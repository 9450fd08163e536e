"""Names of weights: ours, diffusers', and those of the original Stable Diffusion 1.x file.

Every table holds pairs of a pattern and what replaces it, applied in this order to one of our names
to make it theirs. Where theirs count another way than ours, the replacement is a function.
"""

import re
from collections.abc import Callable, Iterable, Sequence

Rules = Sequence[tuple[str, str | Callable[[re.Match], str]]]

ATTENTION = (r"\.to_out\.", ".to_out.0.")  # diffusers' is a list, with a dropout after it
TRANSFORMER = (  # SpatialTransformer: alike in all files
    ATTENTION,
    (r"\.ff\.0\.", ".ff.net.0."),
    (r"\.ff\.1\.", ".ff.net.2."),
)
UNET = TRANSFORMER
TEXT = (  # alike in all files
    (r"^(token|position)_embedding\.", r"embeddings.\1_embedding."),
    (r"^layers\.", "encoder.layers."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.self_attn\.to_(\w+)\.", r".self_attn.\1_proj."),
    (r"\.mlp\.(\d)\.", lambda m: f".mlp.fc{int(m[1]) // 2 + 1}."),
    (r"^", "text_model."),
)
VAE = (ATTENTION,)
OLD_VAE = (  # from the names in published files to those of today's diffusers
    (r"\.query\.", ".to_q."),
    (r"\.key\.", ".to_k."),
    (r"\.value\.", ".to_v."),
    (r"\.proj_attn\.", ".to_out.0."),
)
LEFT_OVER = (
    r"(text_model\.)?embeddings\.position_ids"
    r"|vision_model\..*|(text|visual)_projection\.weight|logit_scale"
)
"""What published files hold beside our weights: the numbers 0, 1, 2, ...; CLIP's other half."""


# The original file counts the layers of the whole way down, and of the whole way up: three to a
# level (two blocks and a halving; three blocks, the last with the enlarging).
def _layer(way: str, m: re.Match, first: int, part: str) -> str:
    """The name of a layer of one way; `first` is the place of a resolution's first one."""
    return f"{way}_blocks.{3 * int(m[1]) + first + int((m.re.groups > 1 and m[2]) or 0)}{part}"


BLOCK = r"^((?:in|out)put_blocks\.\d+\.0|middle_block\.[02])\."
ORIGINAL_UNET = (
    *TRANSFORMER,
    (r"^time_embedding\.linear_(\d)\.", lambda m: f"time_embed.{2 * int(m[1]) - 2}."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^mid_block\.resnets\.(\d)\.", lambda m: f"middle_block.{2 * int(m[1])}."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
    (r"^down_blocks\.(\d)\.downsamplers\.0\.conv\.", lambda m: _layer("input", m, 3, ".0.op.")),
    (r"^down_blocks\.(\d)\.resnets\.(\d)\.", lambda m: _layer("input", m, 1, ".0.")),
    (r"^down_blocks\.(\d)\.attentions\.(\d)\.", lambda m: _layer("input", m, 1, ".1.")),
    (r"^up_blocks\.0\.upsamplers\.0\.", "output_blocks.2.1."),  # no attention at the deepest
    (r"^up_blocks\.(\d)\.upsamplers\.0\.", lambda m: _layer("output", m, 2, ".2.")),
    (r"^up_blocks\.(\d)\.resnets\.(\d)\.", lambda m: _layer("output", m, 0, ".0.")),
    (r"^up_blocks\.(\d)\.attentions\.(\d)\.", lambda m: _layer("output", m, 0, ".1.")),
    (BLOCK + r"norm1\.", r"\1.in_layers.0."),
    (BLOCK + r"conv1\.", r"\1.in_layers.2."),
    (BLOCK + r"time_emb_proj\.", r"\1.emb_layers.1."),
    (BLOCK + r"norm2\.", r"\1.out_layers.0."),
    (BLOCK + r"conv2\.", r"\1.out_layers.3."),
    (BLOCK + r"conv_shortcut\.", r"\1.skip_connection."),
    (r"^", "model.diffusion_model."),
)
ORIGINAL_TEXT = (*TEXT, (r"^", "cond_stage_model.transformer."))
ORIGINAL_VAE = (
    (r"\.conv_norm_out\.", ".norm_out."),
    (r"\.down_blocks\.(\d)\.downsamplers\.0\.", r".down.\1.downsample."),
    (r"\.down_blocks\.(\d)\.resnets\.", r".down.\1.block."),
    (r"\.up_blocks\.(\d)\.upsamplers\.0\.", lambda m: f".up.{3 - int(m[1])}.upsample."),
    (r"\.up_blocks\.(\d)\.resnets\.", lambda m: f".up.{3 - int(m[1])}.block."),
    (r"\.mid_block\.resnets\.(\d)\.", lambda m: f".mid.block_{int(m[1]) + 1}."),
    (r"\.mid_block\.attentions\.0\.group_norm\.", ".mid.attn_1.norm."),
    (r"\.mid_block\.attentions\.0\.to_out\.", ".mid.attn_1.proj_out."),
    (r"\.mid_block\.attentions\.0\.to_", ".mid.attn_1."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
    (r"^", "first_stage_model."),
)
SAVED_AGAIN = (  # from the names of other programs in such files to those of the first
    (r"^(cond_stage_model\.transformer\.)(?!text_model\.)", r"\1text_model."),
    (r"\.attn_1\.(to_q|query)\.", ".attn_1.q."),
    (r"\.attn_1\.(to_k|key)\.", ".attn_1.k."),
    (r"\.attn_1\.(to_v|value)\.", ".attn_1.v."),
    (r"\.attn_1\.(to_out\.0|proj_attn)\.", ".attn_1.proj_out."),
    (r"\.attn_1\.group_norm\.", ".attn_1.norm."),
)
ORIGINAL = {"text": ORIGINAL_TEXT, "unet": ORIGINAL_UNET, "vae": ORIGINAL_VAE}
ORIGINAL_LEFT_OVER = "|".join(
    (
        r"model_ema\..*",  # the average that training kept, or the plain weights beside it
        r"cond_stage_model\.transformer\.(text_model\.)?embeddings\.position_ids",
        r"cond_stage_model\.(transformer\.)?(text_projection(\.weight)?|logit_scale)",
        r"(log_one_minus_|sqrt_recipm?1?_|sqrt_one_minus_|sqrt_)?alphas_cumprod(_prev)?",
        r"betas|logvar|scale_factor|lvlb_weights",
        r"posterior_(variance|log_variance_clipped|mean_coef[12])",
    )
)
"""What that file holds beside weights: averages, positions, the schedule."""


def renamed(name: str, rules: Rules) -> str:
    """A name after all rules were applied to it, one after the other."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def name_map(ours: Iterable[str], rules: Rules) -> dict[str, str]:
    """Our names -> theirs. Raises ValueError where two of ours would become one."""
    found = {name: renamed(name, rules) for name in ours}
    if len(set(found.values())) < len(found):
        raise ValueError("Two of our names became one: the rules are for another network.")
    return found
