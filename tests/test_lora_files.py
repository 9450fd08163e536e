"""LoRA files: diffusers opens ours and draws the same, we open its and kohya's."""

import json
import re

import pytest
import torch
import transformers
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_kohya
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file

from course_utils.built import add_lora, networks, scale_lora, text_to_image
from course_utils.diffusers_format import (
    LORA_WEIGHTS,
    kinds,
    load_lora,
    published,
    save_lora,
    save_pipeline,
)
from tests.test_lora import learned
from tests.test_pipeline import seeded, small_pipeline

PROMPT = "two small red dogs"
LATENTS = torch.randn(1, 4, 4, 4, generator=seeded())
UNET = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
KOHYA = "lora_" + UNET.replace(".", "_")


def ours(model):
    how = dict(steps=2, latents=LATENTS, guidance=4.0, sampler="ddim")
    return (text_to_image(model, PROMPT, None, **how) + 1) / 2


def theirs(pipe, **how):
    how = dict(latents=LATENTS, num_inference_steps=2, guidance_scale=4.0, output_type="pt") | how
    return pipe(PROMPT, **how).images


def is_same(a, b):
    return ((a - b) * 255).abs().max() <= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("model")
    save_pipeline(found, small_pipeline())
    return found


@pytest.fixture
def other(folder):
    pipe = StableDiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def opened(path):
    model = small_pipeline()
    return model, load_lora(path, model)


@pytest.mark.parametrize("alpha", [None, 1.0])
@pytest.mark.parametrize("pattern", [r"attn\d\.to_(q|k|v|out)", "", r"self_attn\.to_\w+"])
def test_diffusers_opens_ours_and_draws_the_same_picture(alpha, pattern, other, tmp_path):
    """With an alpha of its own, too: it is multiplied in."""
    model = small_pipeline()
    plain = ours(model)
    loras = learned(add_lora(networks(model), pattern, rank=2, alpha=alpha))
    scale_lora(loras, 0.8)
    wanted = ours(model)
    assert not is_same(wanted, plain)
    path = save_lora(tmp_path, loras, made_by="a test")
    assert path.name == LORA_WEIGHTS
    other.load_lora_weights(tmp_path)
    assert is_same(theirs(other, cross_attention_kwargs={"scale": 0.8}), wanted)
    again, loras = opened(tmp_path)
    scale_lora(loras, 0.8)
    assert is_same(ours(again), wanted)


def adapted(other, alpha, **how):
    """peft's LoRA on diffusers' U-Net and text encoder: what `save_lora_weights` is given."""
    layers = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.2", "proj_in"]
    found = {}
    for part, rank, targets in (
        ("unet", 2, layers),
        ("text_encoder", 3, ["q_proj", "out_proj", "fc1"]),
    ):
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, **how)
        network = inject_adapter_in_model(config, getattr(other, part))
        factors = {n: p for n, p in network.named_parameters() if "lora_" in n}
        for i, parameter in enumerate(factors.values()):
            parameter.data = torch.randn(parameter.shape, generator=seeded(i)) / 4
        found[f"{part}_lora_layers"] = {n.replace(".default", ""): p for n, p in factors.items()}
        found[f"{part}_lora_adapter_metadata"] = config.to_dict()
    return found


def without_settings(layers):
    return {name: content for name, content in layers.items() if name.endswith("layers")}


@pytest.mark.parametrize("how", [{}, {"use_rslora": True}, {"alpha_pattern": {"to_q": 7.0}}])
def test_what_diffusers_wrote_with_its_settings_is_read(how, other, tmp_path):
    """By the header: alpha is not the rank."""
    layers = adapted(other, 5.0, **how)
    wanted = theirs(other)
    other.save_lora_weights(tmp_path, **layers)
    assert is_same(ours(opened(tmp_path)[0]), wanted)


def test_without_settings_alpha_is_the_rank_for_both(other, folder, tmp_path):
    layers = adapted(other, 5.0)
    strong = theirs(other)
    other.save_lora_weights(tmp_path, **without_settings(layers))
    again = StableDiffusionPipeline.from_pretrained(folder)
    again.set_progress_bar_config(disable=True)
    again.load_lora_weights(tmp_path)
    wanted = theirs(again)
    assert not is_same(wanted, strong)  # the alpha is lost
    assert is_same(ours(opened(tmp_path)[0]), wanted)


def as_of_2023(name):
    """The names that diffusers 0.17 wrote."""
    if name.startswith("text_encoder"):
        name = name.replace("lora_A", "lora_linear_layer.down")
        return name.replace("lora_B", "lora_linear_layer.up")
    name = re.sub(r"(attn\d)\.to_(\w+?)(\.0)?\.lora_", r"\1.processor.to_\2_lora.lora_", name)
    name = name.replace("_lora.lora_A", "_lora.down").replace("_lora.lora_B", "_lora.up")
    return name.replace("lora_A", "lora.down").replace("lora_B", "lora.up")


def test_the_names_of_2023_are_read(other, folder, tmp_path):
    other.save_lora_weights(tmp_path, **without_settings(adapted(other, 2.0)))
    tensors = {as_of_2023(n): t for n, t in load_file(tmp_path / LORA_WEIGHTS).items()}
    assert {n for n in tensors if "lora_A" in n} == set()
    save_file(tensors, tmp_path / LORA_WEIGHTS)
    again = StableDiffusionPipeline.from_pretrained(folder)
    again.set_progress_bar_config(disable=True)
    again.load_lora_weights(tmp_path)
    assert is_same(ours(opened(tmp_path)[0]), theirs(again))


def kohya(layers, alpha):
    """A file of kohya's programs, by diffusers' own converter, with another alpha."""
    found = {}
    for part, prefix in (("unet", "lora_unet"), ("text_encoder", "lora_te")):
        begin = "text_model." if part == "text_encoder" else ""
        state = {f"{begin}{n}": t for n, t in layers[f"{part}_lora_layers"].items()}
        for name, tensor in convert_state_dict_to_kohya(state).items():
            name = f"{prefix}_{re.sub('^lora_(unet|te1?)_', '', name)}"
            found[name] = torch.tensor(alpha) if name.endswith(".alpha") else tensor.detach()
    return found


def test_a_kohya_file_is_read_as_diffusers_reads_it(other, folder, tmp_path):
    tensors = kohya(adapted(other, 2.0), 0.5)
    assert f"{KOHYA}.lora_down.weight" in tensors and f"{KOHYA}.alpha" in tensors
    te = "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight"
    assert te in tensors
    save_file(tensors, tmp_path / "mine.safetensors")
    again = StableDiffusionPipeline.from_pretrained(folder)
    again.set_progress_bar_config(disable=True)
    again.load_lora_weights(tmp_path / "mine.safetensors")
    assert is_same(ours(opened(tmp_path)[0]), theirs(again))


def random_kohya(unet, text):
    """Rank 1 beside every layer that kohya's programs take, in their names, at any size."""
    found = {}
    layers = [("unet", n, m) for n, m in unet.named_modules() if ".attentions." in n]
    layers += [("te_text_model", n, m) for n, m in text.named_modules() if "encoder.layers" in n]
    for i, (prefix, name, layer) in enumerate(layers):
        if type(layer) not in (torch.nn.Linear, torch.nn.Conv2d):
            continue
        rows, columns = layer.weight.shape[:2]
        ones = (1,) * (layer.weight.ndim - 2)
        key = f"lora_{prefix}_{name.removeprefix('text_model.').replace('.', '_')}"
        found[f"{key}.lora_down.weight"] = torch.randn(1, columns, *ones, generator=seeded(i))
        found[f"{key}.lora_up.weight"] = torch.randn(rows, 1, *ones, generator=seeded(-1 - i))
        # One alpha for all: diffusers 0.42 loses those that differ from the most frequent.
        found[f"{key}.alpha"] = torch.tensor(0.5)
    return found


@torch.no_grad()
def test_a_kohya_file_of_stable_diffusions_size_gives_the_changes_that_diffusers_has(tmp_path):
    """The networks themselves are empty; the changes are real."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(attention_head_dim=8, cross_attention_dim=768)
        config = transformers.CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_attention_heads=12
        )
        text = transformers.CLIPTextModel(config)
    unet, text = unet.to_empty(device="cpu"), text.to_empty(device="cpu")  # takes no memory yet
    tensors = random_kohya(unet, text)
    assert len(tensors) == 3 * (16 * (2 * 4 + 2 + 2) + 12 * 6)
    save_file(tensors, tmp_path / "a.safetensors")
    state, alphas = StableDiffusionPipeline.lora_state_dict(tmp_path / "a.safetensors")
    how = dict(network_alphas=alphas, adapter_name="a")
    StableDiffusionPipeline.load_lora_into_unet(state, unet=unet, **how)
    StableDiffusionPipeline.load_lora_into_text_encoder(
        state, text_encoder=text, prefix="text_encoder", **how
    )
    parts = published.networks()
    model = small_pipeline()
    model.unet, model.text_encoder = parts["unet"], parts["text"]
    loras = load_lora(tmp_path, model)
    found = {}
    for part, network in (("unet", unet), ("text_encoder", text)):
        for name, layer in network.named_modules():
            if hasattr(layer, "lora_A"):
                name = name.removeprefix("text_model.")
                scale = layer.scaling["a"]
                A, B = (factor["a"].weight for factor in (layer.lora_A, layer.lora_B))
                found[tuple(A.flatten().tolist()[:3])] = (scale, A, B, f"{part}.{name}")
    assert len(found) == len(loras) == 264
    for name, lora in loras.items():
        scale, A, B, their_name = found[tuple(lora.A.weight.flatten().tolist()[:3])]
        assert name.split(".")[:3] == their_name.split(".")[:3] or "layers" in name
        assert lora.scale * lora.alpha / lora.rank == scale
        assert torch.equal(lora.A.weight, A) and torch.equal(lora.B.weight, B)
        assert lora.weight.is_meta and lora.change().shape == lora.weight.shape


ZERO = torch.zeros(1, 32)


@pytest.mark.parametrize(
    "tensors, says",
    [
        ({"lora_te2_text_model_a.lora_down.weight": ZERO}, "a LoRA of Stable Diffusion XL"),
        ({"transformer.a.lora_A.weight": ZERO}, "a LoRA of a DiT"),
        ({f"{KOHYA}.lora_down.weight": ZERO, f"{KOHYA}.dora_scale": ZERO}, "in two parts .DoRA"),
        ({f"{KOHYA}.lora_down.weight": ZERO, f"{KOHYA}.lora_mid.weight": ZERO}, "three factors"),
        ({f"{KOHYA}.hada_w1_a": ZERO}, "LoHa or LoKr"),
        ({f"{KOHYA}.lora_down.weight": ZERO, f"{KOHYA}.diff_b": ZERO}, "not known.*diff_b"),
        ({"control_model.x": ZERO}, "a ControlNet"),
        ({"decoder.up_blocks.0.x": ZERO}, "a VAE alone"),
        ({"<pip>": ZERO}, "a textual inversion"),
        ({"x": ZERO}, "not known here, with tensors such as 'x'"),
        ({}, "not known here"),
        (dict.fromkeys((f"{part}a" for part in kinds.PARTS), ZERO), "a whole Stable Diffusion"),
        ({f"{KOHYA}.lora_down.weight": ZERO}, "damaged.*one factor alone"),
        (
            {f"{KOHYA}.lora_down.weight": ZERO[:, 1:], f"{KOHYA}.lora_up.weight": ZERO.T},
            r"another model: its change of unet.down.*\[1, 31\] and \[32, 1\].*\[32, 32\]",
        ),
        (
            {"unet.a.to_q.lora_A.weight": ZERO, "unet.a.to_q.lora_B.weight": ZERO},
            "another model: 1 of its 1 layers are not in this one, the first is 'unet_a_to_q'",
        ),
    ],
)  # fmt: skip
def test_what_is_no_lora_of_this_model_is_refused_with_what_it_is(tensors, says, tmp_path):
    model = small_pipeline()
    before = ours(model)
    save_file({n: t.clone() for n, t in tensors.items()}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=says):
        load_lora(tmp_path, model)
    assert torch.equal(ours(model), before)


def test_missing_damaged_and_pickled_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no pytorch_lora_weights"):
        load_lora(tmp_path, small_pipeline())
    model = small_pipeline()
    loras = learned(add_lora(networks(model), "attn1.to_q", rank=1))
    with pytest.raises(ValueError, match="named unet.*networks.model"):
        save_lora(tmp_path, {"down_blocks.0": next(iter(loras.values()))})
    path = save_lora(tmp_path, loras)
    tensors = load_file(path)
    save_file(tensors, path, {"lora_adapter_metadata": "{"})
    with pytest.raises(ValueError, match="damaged.*settings in its header"):
        load_lora(tmp_path, small_pipeline())
    save_file(tensors, path, {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 3})})
    assert next(iter(opened(path)[1].values())).alpha == 3
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="damaged or only half there"):
        load_lora(tmp_path, small_pipeline())
    (tmp_path / "b.ckpt").write_bytes(b"PK")
    with pytest.raises(ValueError, match="can run any code"):
        load_lora(tmp_path / "b.ckpt", small_pipeline())
