"""Names of weights: ours, diffusers', and those of the original Stable Diffusion 1.x file.

Every table holds pairs of a pattern and what replaces it, applied in this order to one of our names
to make it theirs. Where theirs count another way than ours, the replacement is a function.
"""

import re
from collections.abc import Callable, Iterable, Sequence

Rules = Sequence[tuple[str, str | Callable[[re.Match], str]]]

LOOK = (  # SpatialTransformer: alike in both
    (r"\.looks\.(\d+)\.blocks\.", r".looks.\1.transformer_blocks."),
    (r"^middle\.1\.blocks\.", "middle.1.transformer_blocks."),
    (r"\.self_attention\.", ".attn1."),
    (r"\.cross_attention\.", ".attn2."),
    (r"\.([qkv])\.weight", r".to_\1.weight"),
    (r"(attn\d)\.out\.", r"\1.to_out.0."),
    (r"\.mlp\.0\.both\.", ".ff.net.0.proj."),
    (r"\.mlp\.1\.", ".ff.net.2."),
    (r"\.enter\.", ".proj_in."),
    (r"\.leave\.", ".proj_out."),
)
UNET = (
    *LOOK,
    (r"^time\.(\d)\.", lambda m: f"time_embedding.linear_{int(m[1]) // 2 + 1}."),
    (r"^norm_out\.", "conv_norm_out."),
    (r"^middle\.1\.", "mid_block.attentions.0."),
    (r"^middle\.(\d)\.", lambda m: f"mid_block.resnets.{int(m[1]) // 2}."),
    (r"^down\.(\d+)\.resize\.", r"down.\1.downsamplers.0.conv."),
    (r"^up\.(\d+)\.resize\.1\.", r"up.\1.upsamplers.0.conv."),
    (r"^(down|up)\.(\d+)\.blocks\.", r"\1.\2.resnets."),
    (r"^(down|up)\.(\d+)\.looks\.", r"\1.\2.attentions."),
    (r"^(down|up)\.", r"\1_blocks."),
    (r"\.time\.", ".time_emb_proj."),
    (r"\.skip\.", ".conv_shortcut."),
)
TEXT = (  # alike in both
    (r"^tokens\.", "embeddings.token_embedding."),
    (r"^positions\.", "embeddings.position_embedding."),
    (r"^norm\.", "final_layer_norm."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"^blocks\.", "encoder.layers."),
    (r"\.attention\.(\w+)\.", r".self_attn.\1_proj."),
    (r"\.mlp\.(\d)\.", lambda m: f".mlp.fc{int(m[1]) // 2 + 1}."),
    (r"^", "text_model."),
)
VAE = (
    (r"^(\w*quant)\.", r"\1_conv."),
    (r"\.enter\.", ".conv_in."),
    (r"coder\.norm\.", "coder.conv_norm_out."),
    (r"\.leave\.", ".conv_out."),
    (r"\.down\.(\d+)\.\d+\.conv\.", r".down_blocks.\1.downsamplers.0.conv."),
    (r"\.up\.(\d+)\.\d+\.conv\.", r".up_blocks.\1.upsamplers.0.conv."),
    (r"\.(down|up)\.(\d+)\.(\d+)\.", r".\1_blocks.\2.resnets.\3."),
    (r"\.middle\.1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.middle\.1\.attention\.out\.", ".mid_block.attentions.0.to_out.0."),
    (r"\.middle\.1\.attention\.(\w)\.", r".mid_block.attentions.0.to_\1."),
    (r"\.middle\.(\d)\.", lambda m: f".mid_block.resnets.{int(m[1]) // 2}."),
    (r"\.skip\.", ".conv_shortcut."),
)
OLD_VAE = (  # from the names in published files to those of today's diffusers
    (r"\.query\.", ".to_q."),
    (r"\.key\.", ".to_k."),
    (r"\.value\.", ".to_v."),
    (r"\.proj_attn\.", ".to_out.0."),
)
LEFT_OVER = r"(text_model\.)?embeddings\.position_ids"
"""What published files hold beside weights: the numbers 0, 1, 2, ..."""

# The original file counts the layers of the whole way down, and of the whole way up: three to a
# level (two blocks and a halving; three blocks, the last with the enlarging).
BLOCK = r"^((?:in|out)put_blocks\.\d+\.0|middle_block\.[02])\."
ORIGINAL_UNET = (
    *LOOK,
    (r"^time\.", "time_embed."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^middle\.", "middle_block."),
    (r"^down\.(\d)\.resize\.", lambda m: f"input_blocks.{3 * int(m[1]) + 3}.0.op."),
    (r"^down\.(\d)\.blocks\.(\d)\.", lambda m: f"input_blocks.{3 * int(m[1]) + int(m[2]) + 1}.0."),
    (r"^down\.(\d)\.looks\.(\d)\.", lambda m: f"input_blocks.{3 * int(m[1]) + int(m[2]) + 1}.1."),
    (r"^up\.0\.resize\.1\.", "output_blocks.2.1.conv."),  # the deepest level does not look
    (r"^up\.(\d)\.resize\.1\.", lambda m: f"output_blocks.{3 * int(m[1]) + 2}.2.conv."),
    (r"^up\.(\d)\.blocks\.(\d)\.", lambda m: f"output_blocks.{3 * int(m[1]) + int(m[2])}.0."),
    (r"^up\.(\d)\.looks\.(\d)\.", lambda m: f"output_blocks.{3 * int(m[1]) + int(m[2])}.1."),
    (BLOCK + r"norm1\.", r"\1.in_layers.0."),
    (BLOCK + r"conv1\.", r"\1.in_layers.2."),
    (BLOCK + r"time\.", r"\1.emb_layers.1."),
    (BLOCK + r"norm2\.", r"\1.out_layers.0."),
    (BLOCK + r"conv2\.", r"\1.out_layers.3."),
    (BLOCK + r"skip\.", r"\1.skip_connection."),
    (r"^", "model.diffusion_model."),
)
ORIGINAL_TEXT = (*TEXT, (r"^", "cond_stage_model.transformer."))
ORIGINAL_VAE = (
    (r"^(\w*quant)\.", r"\1_conv."),
    (r"\.enter\.", ".conv_in."),
    (r"coder\.norm\.", "coder.norm_out."),
    (r"\.leave\.", ".conv_out."),
    (r"\.down\.(\d)\.\d+\.conv\.", r".down.\1.downsample.conv."),
    (r"\.up\.(\d)\.\d+\.conv\.", lambda m: f".up.{3 - int(m[1])}.upsample.conv."),
    (r"\.down\.(\d)\.(\d)\.", r".down.\1.block.\2."),
    (r"\.up\.(\d)\.(\d)\.", lambda m: f".up.{3 - int(m[1])}.block.{m[2]}."),
    (r"\.middle\.1\.norm\.", ".mid.attn_1.norm."),
    (r"\.middle\.1\.attention\.out\.", ".mid.attn_1.proj_out."),
    (r"\.middle\.1\.attention\.", ".mid.attn_1."),
    (r"\.middle\.(\d)\.", lambda m: f".mid.block_{int(m[1]) // 2 + 1}."),
    (r"\.skip\.", ".nin_shortcut."),
    (r"^", "first_stage_model."),
)
ORIGINAL = {"text": ORIGINAL_TEXT, "unet": ORIGINAL_UNET, "vae": ORIGINAL_VAE}
ORIGINAL_LEFT_OVER = "|".join(
    (
        r"model_ema\..*",  # the average that training kept, or the plain weights beside it
        r"cond_stage_model\.transformer\.text_model\.embeddings\.position_ids",
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
