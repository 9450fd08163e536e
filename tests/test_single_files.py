"""Single files as other programs saved them again, and what is something else."""

import re

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from course_utils import diffusers_format
from course_utils.diffusers_format import kinds, load_pipeline, names, published
from tests.test_published import POSITION_IDS, meta_networks, original_tensors, small_networks


@pytest.fixture(scope="module")
def tensors():
    return original_tensors(small_networks())


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(published, "networks", meta_networks)


def changed(tensors, *rules):
    """The tensors under other names; the VAE's attention as linear layers where it is renamed."""
    found = {}
    for name, tensor in tensors.items():
        new = names.renamed(name, rules)
        found[new] = tensor[..., 0, 0] if "attn_1" in new and tensor.ndim == 4 else tensor
    assert found.keys() != tensors.keys() or not rules
    return {name: tensor.contiguous() for name, tensor in found.items()}


TEXT = "cond_stage_model.transformer."
NO_PREFIX = (r"(cond_stage_model\.transformer\.)text_model\.", r"\1")
TODAY = (  # names of diffusers' attention since 2023
    (r"attn_1\.([qkv])\.", r"attn_1.to_\1."),
    (r"attn_1\.proj_out\.", "attn_1.to_out.0."),
)
YESTERDAY = (  # and those of 2022
    (r"attn_1\.q\.", "attn_1.query."),
    (r"attn_1\.k\.", "attn_1.key."),
    (r"attn_1\.v\.", "attn_1.value."),
    (r"attn_1\.proj_out\.", "attn_1.proj_attn."),
)
FORMS = {
    "text encoder without text_model": lambda t: changed(t, NO_PREFIX),
    "positions without text_model": lambda t: (
        changed(t, NO_PREFIX) | {TEXT + "embeddings.position_ids": torch.arange(77)[None]}
    ),
    "VAE of diffusers": lambda t: changed(t, *TODAY),
    "VAE of diffusers of 2022": lambda t: changed(t, *YESTERDAY),
    "VAE of diffusers with its norm": lambda t: changed(
        t, *TODAY, (r"attn_1\.norm\.", "attn_1.group_norm.")
    ),
    "both, and CLIP's projection": lambda t: (
        changed(t, NO_PREFIX, *TODAY)
        | {TEXT + "text_projection.weight": torch.eye(16), TEXT + "logit_scale": torch.ones(())}
    ),
    "CLIP's projection beside the transformer": lambda t: (
        t | {"cond_stage_model.text_projection": torch.eye(16), POSITION_IDS: torch.zeros(1, 77)}
    ),
    "eight bits": lambda t: {
        n: x.to(torch.float8_e4m3fn) if "input_blocks" in n else x for n, x in t.items()
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_model(tensors, form, tmp_path):
    save_file(FORMS[form](tensors), tmp_path / "a.safetensors")
    pipe = load_pipeline(tmp_path / "a.safetensors")
    wanted = small_networks()
    for name, part in (("text", pipe.text_encoder), ("unet", pipe.unet), ("vae", pipe.vae)):
        for key, tensor in wanted[name].state_dict().items():
            if form == "eight bits" and key.startswith(("down", "conv_in")):
                tensor = tensor.to(torch.float8_e4m3fn).float()
            assert torch.equal(part.state_dict()[key], tensor), key


STRAY = ["lora_unet_x.alpha", "embedding", "image_proj.x", "emb_params"]


@pytest.mark.parametrize("name", STRAY)
def test_a_full_model_with_a_stray_tensor_is_read_with_a_warning(tensors, name, tmp_path):
    save_file(tensors | {name: torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.warns(UserWarning, match=f"1 of its .* tensors have no place.*'{name}'.*left out"):
        pipe = load_pipeline(tmp_path / "a.safetensors")
    assert not any(p.is_meta for p in pipe.unet.parameters())


def tiny_vae():
    return diffusers.AutoencoderTiny().state_dict()


def taesd():
    """As its makers publish it: a decoder alone, its layers counted from the first."""
    state = diffusers.AutoencoderTiny().state_dict()
    return {n.removeprefix("decoder.layers."): t for n, t in state.items() if "decoder" in n}


def lora():
    """As diffusers writes one: peft's names."""
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    return {f"{layer}.lora_{side}.weight": torch.zeros(4, 4) for side in "AB"}


def of(*found, shape=(4, 4)):
    return lambda: {name: torch.zeros(shape) for name in found}


def adapter():
    return diffusers.T2IAdapter(channels=[8, 8], num_res_blocks=1).state_dict()


def motion():
    return diffusers.MotionAdapter((32,), motion_num_attention_heads=2).state_dict()


def clip():
    from transformers import CLIPConfig, CLIPModel

    half = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    config = CLIPConfig(text_config=half | dict(vocab_size=9), vision_config=half)
    return {n: t.contiguous() for n, t in CLIPModel(config).state_dict().items()}


def controlnet():
    return diffusers.ControlNetModel(
        block_out_channels=(8, 8), down_block_types=("DownBlock2D",) * 2, norm_num_groups=4
    ).state_dict()


LAYER = "lora_unet_down_blocks_0_attentions_0_proj_in"
OTHERS = [
    (lora, "a LoRA"),
    (of(f"{LAYER}.alpha", f"{LAYER}.lora_down.weight"), "a LoRA"),
    (of(f"lycoris_{LAYER}.lora_down.weight"), "a LoRA"),
    (of(f"{LAYER}.hada_w1_a"), "LoHa or LoKr"),
    (of(f"{LAYER}.lokr_w1"), "LoHa or LoKr"),
    (of(f"oft_unet_{LAYER}.oft_blocks", "oft_unet_x.alpha"), "is OFT"),
    (of(f"{LAYER}.oft_diag", f"{LAYER}.alpha"), "is OFT"),
    (of("base_model.model.down_blocks.0.to_q.oft_R.weight"), "is OFT"),
    (of("emb_params", shape=(3, 768)), "a textual inversion"),
    (of("<cat-toy>", shape=(768,)), "a textual inversion"),
    (of("sks", shape=(1, 768)), "a textual inversion"),
    (of("clip_l", "clip_g", shape=(2, 768)), "a textual inversion"),
    (of("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"), "an IP-Adapter"),
    (of("ip_adapter.1.to_k_ip.weight"), "an IP-Adapter"),
    (of("conv_first.weight", "body.0.rdb1.conv1.weight"), "an upscaler"),
    (of("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"), "an upscaler"),
    (tiny_vae, "a tiny VAE"),
    (taesd, "a tiny VAE"),
    (adapter, "a T2I-Adapter"),
    (motion, "a motion module"),
    (clip, "a CLIP"),
    (controlnet, "a ControlNet"),
    (of("special_care_embeds", "vision_model.x"), "a safety checker"),
    (of("embeddings.token_embedding.weight"), "a text encoder alone"),
    (of("model.diffusion_model.input_blocks.0.0.weight"), "a U-Net alone"),
    (of("first_stage_model.encoder.conv_in.weight"), "a VAE alone"),
]


@pytest.mark.parametrize("made, says", OTHERS)
def test_what_is_given_in_the_place_of_a_model_is_named(made, says, tmp_path):
    save_file(made(), tmp_path / "some.safetensors")
    with pytest.raises(ValueError, match=f"{says}.*Stable Diffusion 1.x's. Take a model"):
        load_pipeline(tmp_path / "some.safetensors")
    with pytest.raises(ValueError, match=says):
        load_pipeline(tmp_path)  # the folder that it came in


@pytest.mark.parametrize("channels, use", [(7, "upscaling"), (8, "as told"), (9, "inpainting")])
def test_a_unet_for_something_else_is_named(tensors, channels, use, tmp_path):
    entrance = {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2, channels, 3, 3)}
    save_file(tensors | entrance, tmp_path / "some.safetensors")
    with pytest.raises(ValueError, match=f"takes {channels} channels, for .*{use}"):
        load_pipeline(tmp_path / "some.safetensors")


def test_the_model_itself_and_nothing_known_have_no_name(tensors):
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert kinds.what_is(shapes) is None and kinds.is_whole(shapes)
    assert kinds.what_is({"a.weight": (3, 3)}) is None


def test_the_model_is_found_among_what_lies_beside_it(tensors, tmp_path):
    """A folder in which there are several files; the smallest of one model holds all of it."""
    save_file(lora(), tmp_path / "a_style.safetensors")
    save_file(tensors, tmp_path / "v1-5-pruned-emaonly.safetensors")
    found = tmp_path / "v1-5-pruned-emaonly.safetensors"
    assert diffusers_format.find_weights(tmp_path) == found
    more = {"model_ema.decay": torch.ones(9)}
    save_file(tensors | more, tmp_path / "v1-5-pruned.safetensors")
    assert diffusers_format.find_weights(tmp_path) == found
    assert not load_pipeline(tmp_path).unet.conv_in.weight.is_meta
    half = {name: tensor.half() for name, tensor in tensors.items()}
    save_file(half, tmp_path / "v1-5_fp16.safetensors")
    assert diffusers_format.find_weights(tmp_path).name == "v1-5_fp16.safetensors"
    save_file(tensors, tmp_path / "another.safetensors")
    said = re.escape("another.safetensors, v1-5-pruned-emaonly.safetensors, v1-5-pruned")
    for call in (diffusers_format.find_weights, load_pipeline):
        with pytest.raises(ValueError, match=f"holds 2 models: {said}.*Name the file"):
            call(tmp_path)
