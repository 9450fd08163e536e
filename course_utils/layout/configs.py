"""What a network was built with, as our arguments and as the config.json of diffusers."""

from course_utils.built.attention import Attention
from course_utils.built.clip import CLIPText
from course_utils.built.resblock import ResBlock
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
    "time_embedding_type": "positional",
    "transformer_layers_per_block": 1,
    "use_linear_projection": False,
}
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


def check_fixed(config: dict, fixed: dict, what: str) -> None:
    """Raise ValueError where a config says something that our networks do not do."""
    for key, value in fixed.items():
        if key in config and config[key] != value:
            raise ValueError(
                f"{what} has {key} = {config[key]!r} and ours can only have {value!r}: it is no "
                f"part of Stable Diffusion 1.x. (2.x, XL and later ones are other networks.)"
            )


def unet_settings(unet: UNet) -> dict:
    """The arguments that a U-Net was built with."""
    first = unet.middle[0]
    looks = [m for m in unet.middle[1].modules() if isinstance(m, Attention)]
    return {
        "channels": unet.channels,
        "widths": [level.blocks[0].conv2.out_channels for level in unet.down],
        "attend": [len(level.looks) > 0 for level in unet.down],
        "blocks": len(unet.down[0].blocks),
        "heads": looks[0].heads,
        "context_width": unet.context_width,
        "groups": first.norm1.num_groups,
        "patch": unet.fold.downscale_factor,
        "scale_shift": first.scale_shift,
    }


def unet_config(unet: UNet, sample_size: int) -> dict:
    """The config.json of a U-Net. Raises ValueError where diffusers has no such network."""
    s = unet_settings(unet)
    if s["patch"] != 1:
        raise ValueError("diffusers has no U-Net that folds patches: build it with patch=1.")
    return UNET_FIXED | {
        "sample_size": sample_size,
        "in_channels": s["channels"],
        "out_channels": s["channels"],
        "block_out_channels": s["widths"],
        "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in s["attend"]],
        "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in s["attend"][::-1]],
        "layers_per_block": s["blocks"],
        "attention_head_dim": s["heads"],  # by an old mistake the name of the number of heads
        "cross_attention_dim": s["context_width"],
        "norm_num_groups": s["groups"],
        "resnet_time_scale_shift": "scale_shift" if s["scale_shift"] else "default",
    }


def unet_of(config: dict) -> UNet:
    """An empty U-Net as config.json says. Raises ValueError where ours can't be like that."""
    check_fixed(config, UNET_FIXED, "This U-Net")
    same = {"out_channels": config["in_channels"]}
    if config["in_channels"] == 9:
        raise ValueError("This U-Net is Stable Diffusion's for inpainting: take the plain model.")
    check_fixed(config, same, "This U-Net")
    return UNet(
        channels=config["in_channels"],
        widths=config["block_out_channels"],
        attend=["CrossAttn" in kind for kind in config["down_block_types"]],
        blocks=config["layers_per_block"],
        heads=config["attention_head_dim"],
        context_width=config["cross_attention_dim"],
        groups=config["norm_num_groups"],
        scale_shift=config.get("resnet_time_scale_shift") == "scale_shift",
    )


def vae_settings(vae: AutoencoderKL) -> dict:
    """The arguments that a VAE was built with, all but the scale."""
    levels = [[m for m in level if isinstance(m, ResBlock)] for level in vae.encoder.down]
    return {
        "channels": vae.channels,
        "latent": vae.latent,
        "widths": [blocks[0].conv2.out_channels for blocks in levels],
        "blocks": len(levels[0]),
        "groups": vae.encoder.norm.num_groups,
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
        "layers_per_block": s["blocks"],
        "latent_channels": s["latent"],
        "norm_num_groups": s["groups"],
        "scaling_factor": vae.scale,
    }


def vae_of(config: dict) -> AutoencoderKL:
    """An empty VAE as config.json says. Raises ValueError where ours can't be like that."""
    check_fixed(config, VAE_FIXED | {"out_channels": config["in_channels"]}, "This VAE")
    return AutoencoderKL(
        channels=config["in_channels"],
        latent=config["latent_channels"],
        widths=config["block_out_channels"],
        blocks=config["layers_per_block"],
        groups=config["norm_num_groups"],
        scale=config.get("scaling_factor", 0.18215),  # published before there was this key
    )


def text_config(text: CLIPText) -> dict:
    """The config.json of a text encoder, as of transformers' CLIPTextModel."""
    words, width = text.tokens.weight.shape
    return TEXT_FIXED | {
        "architectures": ["CLIPTextModel"],
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "projection_dim": width,
        "num_hidden_layers": len(text.blocks),
        "num_attention_heads": text.blocks[0].attention.heads,
        "max_position_embeddings": text.positions.num_embeddings,
        "hidden_act": "quick_gelu" if isinstance(text.blocks[0].mlp[1], QuickGELU) else "gelu",
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": words - 1,
    }


def text_of(config: dict) -> CLIPText:
    """An empty text encoder as config.json says. Raises ValueError where ours can't be so."""
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
