"""What a network was built with, as our arguments and as the config.json of diffusers."""

from course_utils.built.clip import CLIPText
from course_utils.built.transformer import QuickGELU
from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL

# What is not ours to choose: our networks compute with these, and with nothing else.
UNET_FIXED = {
    "_class_name": "UNet2DConditionModel",
    "act_fn": "silu",
    "addition_embed_type": None,
    "center_input_sample": False,
    "class_embed_type": None,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "norm_eps": 1e-5,
    "only_cross_attention": False,
    "time_cond_proj_dim": None,  # LCM's own U-Nets are told the guidance by it
    "time_embedding_type": "positional",
    "transformer_layers_per_block": 1,
    "use_linear_projection": False,
}
PER_LEVEL = (  # what may be written once, or once for each level
    "attention_head_dim",
    "cross_attention_dim",
    "layers_per_block",
    "only_cross_attention",
    "transformer_layers_per_block",
)
VAE_FIXED = {
    "_class_name": "AutoencoderKL",
    "act_fn": "silu",
    "latents_mean": None,
    "mid_block_add_attention": True,
    "shift_factor": None,
    "use_post_quant_conv": True,
    "use_quant_conv": True,
}
TEXT_FIXED = {"model_type": "clip_text_model", "layer_norm_eps": 1e-5}
TEXT_DEFAULTS = {  # transformers', of what a file does not say
    "vocab_size": 49408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
}


def check_fixed(config: dict, fixed: dict, what: str) -> None:
    """Raise ValueError where a config says something that our networks do not do."""
    for key, value in fixed.items():
        if key in config and config[key] != value:
            raise ValueError(
                f"{what} has {key} = {config[key]!r} and ours can only have {value!r}: it is no "
                f"part of Stable Diffusion 1.x. (2.x, XL and later ones are other networks.)"
            )


def one_of(value: object, key: str) -> object:
    """What a config says of all levels alike. Raises ValueError where they differ."""
    values = value if isinstance(value, list) else [value]
    if any(other != values[0] for other in values):
        raise ValueError(f"This U-Net has {key} = {value}, and ours the same on all levels.")
    return values[0]


def unet_settings(unet: UNet) -> dict:
    """The arguments that a U-Net was built with."""
    first = unet.mid_block.resnets[0]
    return {
        "channels": unet.channels,
        "widths": [block.resnets[0].conv2.out_channels for block in unet.down_blocks],
        "attend": [len(block.attentions) > 0 for block in unet.down_blocks],
        "layers_per_block": len(unet.down_blocks[0].resnets),
        "heads": unet.mid_block.attentions[0].transformer_blocks[0].attn1.heads,
        "cross_attention_dim": unet.cross_attention_dim,
        "groups": first.norm1.num_groups,
        "patch": unet.patchify.downscale_factor,
        "scale_shift": first.scale_shift,
    }


def unet_config(unet: UNet, sample_size: int) -> dict:
    """The config.json of a U-Net. Raises ValueError where diffusers has no such network."""
    s = unet_settings(unet)
    if s["patch"] != 1:
        raise ValueError("diffusers has no U-Net that works on patches: build it with patch=1.")
    return UNET_FIXED | {
        "sample_size": sample_size,
        "in_channels": s["channels"],
        "out_channels": s["channels"],
        "block_out_channels": s["widths"],
        "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in s["attend"]],
        "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in s["attend"][::-1]],
        "layers_per_block": s["layers_per_block"],
        "attention_head_dim": s["heads"],  # by an old mistake the name of the number of heads
        "cross_attention_dim": s["cross_attention_dim"],
        "norm_num_groups": s["groups"],
        "resnet_time_scale_shift": "scale_shift" if s["scale_shift"] else "default",
    }


def unet_of(config: dict) -> UNet:
    """An empty U-Net as config.json says. Raises ValueError where ours can't be like that."""
    config = config | {key: one_of(config[key], key) for key in PER_LEVEL if key in config}
    check_fixed(config, UNET_FIXED, "This U-Net")
    same = {"out_channels": config["in_channels"]}
    if config["in_channels"] == 9:
        raise ValueError("This U-Net is Stable Diffusion's for inpainting: take the plain model.")
    check_fixed(config, same, "This U-Net")
    return UNet(
        channels=config["in_channels"],
        widths=config["block_out_channels"],
        attend=["CrossAttn" in block for block in config["down_block_types"]],
        layers_per_block=config["layers_per_block"],
        heads=config["attention_head_dim"],
        cross_attention_dim=config["cross_attention_dim"],
        groups=config["norm_num_groups"],
        scale_shift=config.get("resnet_time_scale_shift") == "scale_shift",
    )


def vae_settings(vae: AutoencoderKL) -> dict:
    """The arguments that a VAE was built with, all but the scale."""
    blocks = vae.encoder.down_blocks
    return {
        "channels": vae.channels,
        "latent_channels": vae.latent_channels,
        "widths": [block.resnets[0].conv2.out_channels for block in blocks],
        "layers_per_block": len(blocks[0].resnets),
        "groups": vae.encoder.conv_norm_out.num_groups,
    }


def vae_config(vae: AutoencoderKL) -> dict:
    """The config.json of a VAE."""
    s = vae_settings(vae)
    levels = len(s["widths"])
    return VAE_FIXED | {
        "in_channels": s["channels"],
        "out_channels": s["channels"],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": s["widths"],
        "layers_per_block": s["layers_per_block"],
        "latent_channels": s["latent_channels"],
        "norm_num_groups": s["groups"],
        "scaling_factor": vae.scaling_factor,
    }


def vae_of(config: dict) -> AutoencoderKL:
    """An empty VAE as config.json says. Raises ValueError where ours can't be like that."""
    check_fixed(config, VAE_FIXED | {"out_channels": config["in_channels"]}, "This VAE")
    return AutoencoderKL(
        channels=config["in_channels"],
        latent_channels=config["latent_channels"],
        widths=config["block_out_channels"],
        layers_per_block=config["layers_per_block"],
        groups=config["norm_num_groups"],
        scaling_factor=config.get("scaling_factor", 0.18215),  # published before there was this key
    )


def text_config(text: CLIPText, end: int | None = None) -> dict:
    """The config.json of a text encoder, as of transformers' CLIPTextModel.

    end: the id of the end token, which follows the start token's; None: the last of all.
    """
    words, width = text.token_embedding.weight.shape
    end = words - 1 if end is None else end
    return TEXT_FIXED | {
        "architectures": ["CLIPTextModel"],
        # transformers would load half precision as such, and diffusers the other parts as float32.
        "dtype": "float32",
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "projection_dim": width,
        "num_hidden_layers": len(text.layers),
        "num_attention_heads": text.layers[0].self_attn.heads,
        "max_position_embeddings": text.position_embedding.num_embeddings,
        "hidden_act": "quick_gelu" if isinstance(text.layers[0].mlp[1], QuickGELU) else "gelu",
        "bos_token_id": end - 1,
        "eos_token_id": end,
        "pad_token_id": end,
    }


def text_of(config: dict) -> CLIPText:
    """An empty text encoder as config.json says. Raises ValueError where ours can't be so.

    The config may be that of a whole CLIP, of which the text encoder is one half.
    """
    config = TEXT_DEFAULTS | config.get("text_config", config)
    fixed = TEXT_FIXED | {"intermediate_size": 4 * config["hidden_size"]}
    check_fixed(config, fixed, "This text encoder")
    activation = config.get("hidden_act", "quick_gelu")
    if activation not in ("quick_gelu", "gelu"):
        raise ValueError(f"Our text encoder has quick_gelu or gelu, not {activation!r}.")
    return CLIPText(
        vocab=config["vocab_size"],
        width=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        length=config["max_position_embeddings"],
        quick=activation == "quick_gelu",
    )
