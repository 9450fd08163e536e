"""Published Stable Diffusion 1.x: its names, both old and new, and what is said of other files."""

import json
import os

import pytest
import torch
import transformers
from diffusers import AutoencoderKL as TheirVAE
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from safetensors.torch import save_file

from course_utils import diffusers_format
from course_utils.built import text_to_image
from course_utils.built.clip import CLIPText
from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL
from course_utils.diffusers_format import configs, load_pipeline, names, published, save_pipeline
from course_utils.io import downloads
from tests.test_pipeline import seeded, small_pipeline

WIDTHS = (32, 64, 64, 64)
POSITION_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def their_unet(widths=(320, 640, 1280, 1280), heads=8, cross_attention_dim=768, groups=32):
    return UNet2DConditionModel(
        block_out_channels=widths,
        attention_head_dim=heads,
        cross_attention_dim=cross_attention_dim,
        norm_num_groups=groups,
    )


def their_vae(widths=(128, 256, 512, 512), groups=32):
    return TheirVAE(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths,
        norm_num_groups=groups,
        layers_per_block=2,
    )


def shapes(state):
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def as_original(part, rules):
    """The tensors of one of our networks as the original file has them."""
    found = {names.renamed(name, rules): t for name, t in part.state_dict().items()}
    for name, tensor in found.items():
        if ".mid.attn_1." in name and tensor.ndim == 2:
            found[name] = tensor[:, :, None, None]  # 1 x 1 convolutions there
    return found


def converted(unet, vae):
    """What diffusers' converter makes of our U-Net and VAE under their original names."""
    config = {"layers_per_block": 2, "class_embed_type": None, "addition_embed_type": None}
    levels = {"down_block_types": [0] * 4, "up_block_types": [0] * 4}
    theirs = convert_ldm_unet_checkpoint(as_original(unet, names.ORIGINAL_UNET), config | levels)
    return theirs, convert_ldm_vae_checkpoint(as_original(vae, names.ORIGINAL_VAE), levels)


def test_every_name_and_shape_of_stable_diffusion_in_both_namings():
    ours = published.networks()
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in ours.items()}
    assert counts == {"unet": 859_520_964, "vae": 83_653_863, "text": 123_060_480}  # as published
    with torch.device("meta"):
        config = transformers.CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_attention_heads=12
        )
        text = transformers.CLIPTextModel(config).state_dict()
        theirs = {"unet": their_unet().state_dict(), "vae": their_vae().state_dict()}
    theirs["text"] = {"text_model." + n.removeprefix("text_model."): t for n, t in text.items()}
    modern = {"unet": names.UNET, "vae": names.VAE, "text": names.TEXT}
    for part, rules in modern.items():
        found = names.name_map(ours[part].state_dict(), rules)
        mapped = {found[name]: shape for name, shape in shapes(ours[part].state_dict()).items()}
        assert mapped == shapes(theirs[part])
    unet, vae = converted(ours["unet"], ours["vae"])
    assert shapes(unet) == shapes(theirs["unet"])
    assert shapes(vae) == shapes(theirs["vae"])
    text = names.name_map(ours["text"].state_dict(), names.ORIGINAL_TEXT).values()
    assert {n.removeprefix("cond_stage_model.transformer.") for n in text} == {*theirs["text"]}


def test_the_published_configs_make_these_networks():
    """The config.json files of Stable Diffusion 1.x, as of 2022: later keys are missing."""
    down = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    unet = {
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280],
        "center_input_sample": False, "cross_attention_dim": 768, "down_block_types": down,
        "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4,
        "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05,
        "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
    }  # fmt: skip
    vae = {
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "block_out_channels": [128, 256, 512, 512], "in_channels": 3, "latent_channels": 4,
        "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3, "sample_size": 512,
    }  # fmt: skip
    text = {
        "architectures": ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": 0,
        "eos_token_id": 2, "hidden_act": "quick_gelu", "hidden_size": 768,
        "intermediate_size": 3072, "layer_norm_eps": 1e-05, "max_position_embeddings": 77,
        "model_type": "clip_text_model", "num_attention_heads": 12, "num_hidden_layers": 12,
        "pad_token_id": 1, "vocab_size": 49408,
    }  # fmt: skip
    with torch.device("meta"):
        found = {
            "unet": configs.unet_of(unet),
            "vae": configs.vae_of(vae),
            "text": configs.text_of(text),
        }
    for name, wanted in published.networks().items():
        assert shapes(found[name].state_dict()) == shapes(wanted.state_dict())
        assert str(found[name]) == str(wanted)
    assert found["vae"].scaling_factor == 0.18215


@pytest.mark.parametrize(
    "ours, original",
    [
        ("conv_in.weight", "input_blocks.0.0.weight"),
        ("down_blocks.0.resnets.1.conv1.weight", "input_blocks.2.0.in_layers.2.weight"),
        ("down_blocks.1.downsamplers.0.conv.bias", "input_blocks.6.0.op.bias"),
        ("down_blocks.3.resnets.1.time_emb_proj.weight", "input_blocks.11.0.emb_layers.1.weight"),
        ("mid_block.resnets.1.conv2.bias", "middle_block.2.out_layers.3.bias"),
        ("up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.1.conv.weight"),
        ("up_blocks.2.upsamplers.0.conv.weight", "output_blocks.8.2.conv.weight"),
        (
            "up_blocks.3.resnets.2.conv_shortcut.weight",
            "output_blocks.11.0.skip_connection.weight",
        ),
        (
            "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight",
            "output_blocks.3.1.transformer_blocks.0.attn2.to_k.weight",
        ),
        ("conv_norm_out.weight", "out.0.weight"),
    ],
)
def test_names_that_are_written_down_elsewhere(ours, original):
    """By the list of modules in the paper's code, openaimodel.py."""
    assert names.renamed(ours, names.ORIGINAL_UNET) == f"model.diffusion_model.{original}"


def small_networks():
    torch.manual_seed(0)
    return {
        "text": CLIPText(49408, 16, 1, 2, 77, quick=True),
        "unet": UNet(4, WIDTHS, (True, True, True, False), 2, 8, 16, 16),
        "vae": AutoencoderKL(3, 4, (8, 8, 16, 16), 2, 4),
    }


def meta_networks():
    with torch.device("meta"):
        return small_networks()


def original_tensors(parts):
    found = {}
    for name, part in parts.items():
        found |= as_original(part, names.ORIGINAL[name])
    return found


@pytest.fixture(scope="module")
def parts():
    found = small_networks()
    for part in found.values():
        for i, parameter in enumerate(part.parameters()):
            parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=seeded(i)))
    return found


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(published, "networks", meta_networks)


@torch.no_grad()
def test_networks_under_original_names_compute_as_diffusers_does(parts):
    unet, vae = their_unet(WIDTHS, 8, 16, 16).eval(), their_vae((8, 8, 16, 16), 4).eval()
    for model, state in zip((unet, vae), converted(parts["unet"], parts["vae"]), strict=True):
        model.load_state_dict(state)
    x, states = torch.randn(2, 4, 16, 16), torch.randn(2, 7, 16)
    t = torch.tensor([3, 800])
    wanted = unet(x, t, states).sample
    torch.testing.assert_close(parts["unet"](x, t, states), wanted, rtol=1e-4, atol=1e-4)
    wanted = vae.decode(x).sample
    torch.testing.assert_close(parts["vae"].decode(x), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_an_original_file_is_read(parts, small, dtype, tmp_path):
    tensors = original_tensors(parts)
    tensors |= {POSITION_IDS: torch.arange(77)[None], "model_ema.decay": torch.ones(1)}
    for name in ("betas", "alphas_cumprod_prev", "sqrt_recipm1_alphas_cumprod"):
        tensors[name] = torch.zeros(1000)
    tensors["model_ema.diffusion_modelinput_blocks00bias"] = torch.zeros(3)
    path = tmp_path / "v1-5.safetensors"
    save_file({n: t.contiguous().to(dtype) for n, t in tensors.items()}, path)
    pipe = load_pipeline(path)
    for name, part in (("text", pipe.text_encoder), ("unet", pipe.unet), ("vae", pipe.vae)):
        for key, tensor in part.state_dict().items():
            assert tensor.dtype == torch.float32 and not tensor.is_meta
            assert torch.equal(tensor, parts[name].state_dict()[key].to(dtype).float())
    assert (pipe.prediction_type, pipe.spacing, pipe.size) == ("epsilon", "stable_diffusion", 512)
    drawn = text_to_image(pipe, "a cat", seeded(), steps=2, size=64)
    assert drawn.shape == (1, 3, 64, 64) and drawn.isfinite().all()
    half = load_pipeline(path, dtype=torch.bfloat16)
    assert half.unet.conv_in.weight.dtype == torch.bfloat16


def test_memory_is_one_model_and_one_tensor(parts, small, tmp_path, monkeypatch):
    """Tensors are read one by one: what was read before has been copied when the next comes."""
    save_file(original_tensors(parts), tmp_path / "a.safetensors")
    alive = []
    original = published.Weights.read

    def read(self, wanted):
        for name, tensor in original(self, wanted):
            alive.append(tensor.untyped_storage().data_ptr())
            yield name, tensor

    monkeypatch.setattr(published.Weights, "read", read)
    pipe = load_pipeline(tmp_path / "a.safetensors")
    kept = {p.untyped_storage().data_ptr() for p in pipe.unet.parameters()}
    assert len(alive) > 400 and len(kept) == len(list(pipe.unet.parameters()))
    (tmp_path / "a.safetensors").write_bytes(b"")  # were they still in the file, this would crash
    assert all(p.isfinite().all() for p in pipe.unet.parameters())


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda t: t | {"conditioner.embedders.0.x": torch.zeros(1)}, "Stable Diffusion XL"),
        (lambda t: t | {"cond_stage_model.model.x": torch.zeros(1)}, "Stable Diffusion 2.x"),
        (lambda t: {"lora_unet_down_blocks_0.alpha": torch.zeros(1)}, "a LoRA"),
        (lambda t: {"unet.down.lora.up.weight": torch.zeros(1)}, "a LoRA"),
        (lambda t: {"control_model.x": torch.zeros(1)}, "a ControlNet"),
        (lambda t: {"double_blocks.0.x": torch.zeros(1)}, "Flux"),
        (lambda t: {"down_blocks.0.x": torch.zeros(1)}, "a U-Net alone"),
        (lambda t: {"encoder.down.0.x": torch.zeros(1)}, "a VAE alone"),
        (lambda t: {"decoder.up_blocks.0.x": torch.zeros(1)}, "a VAE alone"),
        (lambda t: {"text_model.x": torch.zeros(1)}, "a text encoder alone"),
        (lambda t: {"blocks.0.x": torch.zeros(1)}, "no Stable Diffusion 1.x: 1 of its 1 tensors"),
        (lambda t: {}, "no Stable Diffusion 1.x: 0 of its 0"),
        (
            lambda t: (
                t | {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2, 9, 3, 3)}
            ),
            "9 channels, for inpainting",
        ),
        (
            lambda t: t | {"model.diffusion_model.out.2.bias": torch.zeros(5)},
            "1 tensors differ.*'model.diffusion_model.out.2.bias'",
        ),
        (
            lambda t: {n: x for n, x in t.items() if n != "model.diffusion_model.out.2.bias"},
            "1 tensors differ.*'model.diffusion_model.out.2.bias'",
        ),
        (lambda t: t | {"first_stage_model.x": torch.zeros(5)}, "'first_stage_model.x'"),
    ],
)
def test_other_files_are_refused_with_what_they_are(parts, small, change, says, tmp_path):
    save_file(change(original_tensors(parts)), tmp_path / "some.safetensors")
    with pytest.raises(ValueError, match=says):
        load_pipeline(tmp_path / "some.safetensors")


def test_truncated_and_pickled_files_are_refused(parts, tmp_path):
    path = tmp_path / "some.safetensors"
    save_file(original_tensors(parts), path)
    raw = path.read_bytes()
    for part in (raw[:-1], raw[:1000], raw[:3], b""):
        path.write_bytes(part)
        with pytest.raises(ValueError, match="damaged or only half there"):
            load_pipeline(path)
    torch.save({"state_dict": {}}, tmp_path / "some.ckpt")
    torch.save({"state_dict": {}}, path)
    for name in ("some.ckpt", "some.safetensors"):
        with pytest.raises(ValueError, match="can run any code.*safetensors"):
            load_pipeline(tmp_path / name)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf" / "hub"


def no_network(address):
    raise OSError("model_index.json cannot be fetched (no answer)")


def test_weights_are_found_where_they_are_and_never_fetched_unasked(cache, monkeypatch, tmp_path):
    monkeypatch.setattr(downloads, "open_address", lambda _: pytest.fail("asked the network"))
    with pytest.raises(FileNotFoundError, match="4 GB.*OpenRAIL-M.*download=True"):
        diffusers_format.find_weights()
    with pytest.raises(FileNotFoundError, match="nothing at"):
        diffusers_format.find_weights(tmp_path / "nowhere")
    folder = cache / "models--CompVis--stable-diffusion-v1-4" / "snapshots" / "abc"
    save_pipeline(folder, small_pipeline())
    assert diffusers_format.find_weights() == folder
    (folder / "vae" / diffusers_format.WEIGHTS).unlink()  # as after a download that was cut off
    with pytest.raises(FileNotFoundError, match="not on this computer"):
        diffusers_format.find_weights()
    assert diffusers_format.find_weights(folder) == folder
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "v1-5.safetensors").touch()
    assert diffusers_format.find_weights(tmp_path / "mine").name == "v1-5.safetensors"


def test_a_download_shows_size_and_licence_first_and_is_quick_without_network(
    cache, monkeypatch, capsys
):
    monkeypatch.setattr(downloads, "open_address", no_network)
    with pytest.raises(OSError, match="cannot be fetched"):
        diffusers_format.find_weights(download=True)
    assert "4 GB" in capsys.readouterr().out


def test_a_download_asks_for_the_files_of_the_parts_and_nothing_pickled(cache, monkeypatch, capsys):
    import huggingface_hub

    asked = {}

    class Answer:
        def close(self):
            asked["said"] = capsys.readouterr().out

    def fetch(repository, allow_patterns):
        asked.update(repository=repository, patterns=allow_patterns)
        return str(cache)

    monkeypatch.setattr(downloads, "open_address", lambda _: Answer())
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert diffusers_format.find_weights(download=True) == cache
    assert "CreativeML OpenRAIL-M" in asked["said"]
    from huggingface_hub.utils import filter_repo_objects

    everything = ["unet/diffusion_pytorch_model.bin", "v1-5-pruned.ckpt", "README.md"]
    wanted = ["unet/config.json", "unet/diffusion_pytorch_model.safetensors", "model_index.json"]
    found = filter_repo_objects(everything + wanted, allow_patterns=asked["patterns"])
    assert sorted(found) == sorted(wanted)


def test_the_cache_is_where_huggingface_hub_has_it(monkeypatch):
    import subprocess
    import sys

    code = "from huggingface_hub.constants import HF_HUB_CACHE as c; print(c)"
    for changed in ({}, {"HF_HOME": "/a"}, {"HF_HUB_CACHE": "/b"}, {"XDG_CACHE_HOME": "/c"}):
        plain = {k: v for k, v in os.environ.items() if k not in ("HF_HOME", "HF_HUB_CACHE")}
        run = subprocess.run(
            [sys.executable, "-c", code], env=plain | changed, capture_output=True, text=True
        )
        with monkeypatch.context() as within:
            for name in ("HF_HOME", "HF_HUB_CACHE"):
                within.delenv(name, raising=False)
            for name, value in changed.items():
                within.setenv(name, value)
            assert str(published.hub_cache()) == run.stdout.strip()


def test_an_index_in_a_folder_of_another_model_is_named(tmp_path):
    index = {"_class_name": "StableDiffusion3Pipeline"}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="StableDiffusion3Pipeline"):
        load_pipeline(tmp_path)
