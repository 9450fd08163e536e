"""Files of weights: their variants, and disks that do not do what others do."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPTextModel, CLIPTextModelWithProjection

from course_utils import ROOT, diffusers_format
from course_utils.diffusers_format import load_pipeline, save_pipeline
from course_utils.diffusers_format.weights import find_files
from course_utils.io import tensor_files, tensors
from tests.test_pipeline import small_pipeline

STEM = "diffusion_pytorch_model"


@pytest.fixture
def saved(tmp_path):
    save_pipeline(tmp_path / "model", small_pipeline())
    return tmp_path / "model"


@pytest.mark.parametrize("variant", ["bf16", "non_ema", "fp32", "ema"])
def test_every_variant_of_a_file_is_found(saved, variant):
    wanted = load_pipeline(saved)
    parts = [("unet", STEM), ("vae", STEM), ("text_encoder", "model")]
    for part, stem in parts:
        path = saved / part / f"{stem}.safetensors"
        path.rename(path.with_name(f"{stem}.{variant}.safetensors"))
    assert diffusers_format.find_weights(saved) == saved
    found = load_pipeline(saved)
    for name in ("unet", "vae", "text_encoder"):
        for key, tensor in getattr(wanted, name).state_dict().items():
            assert torch.equal(getattr(found, name).state_dict()[key], tensor)


@pytest.mark.parametrize(
    "there, half, taken",
    [
        (["non_ema", "bf16", ""], False, ""),
        (["non_ema", "fp16", "fp32"], False, "fp32"),
        (["non_ema", "fp16"], False, "fp16"),
        (["non_ema", "ema"], False, "ema"),
        (["fp16", "bf16", ""], True, "fp16"),
        (["non_ema", "bf16", ""], True, "bf16"),
    ],
)
def test_of_several_variants_the_best_is_taken(there, half, taken, tmp_path):
    names = {v: f"{STEM}.{v}.safetensors" if v else f"{STEM}.safetensors" for v in there}
    for name in names.values():
        (tmp_path / name).touch()
    (tmp_path / f"{STEM}-00001-of-00002.safetensors").touch()  # a piece is not the whole
    assert find_files(tmp_path, STEM, half) == [tmp_path / names[taken]]


@pytest.mark.parametrize("index", ["safetensors.index.bf16.json", "bf16.safetensors.index.json"])
def test_a_variant_in_pieces_is_read(saved, index):
    folder = saved / "vae"
    weights = load_file(folder / diffusers_format.WEIGHTS)
    (folder / diffusers_format.WEIGHTS).unlink()
    places = {n: f"{STEM}.bf16-0000{1 + i % 2}-of-00002.safetensors" for i, n in enumerate(weights)}
    for place in set(places.values()):
        save_file({n: t for n, t in weights.items() if places[n] == place}, folder / place)
    (folder / f"{STEM}.{index}").write_text(json.dumps({"weight_map": places}))
    found = diffusers_format.load_vae(folder).post_quant_conv.bias
    assert torch.equal(found, weights["post_quant_conv.bias"])


def small_clip():
    torch.manual_seed(0)
    text = dict(hidden_size=16, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2)
    vision = text | dict(image_size=8, patch_size=4)
    return CLIPConfig(text_config=text | dict(vocab_size=99), vision_config=vision)


def without_defaults(folder):
    """As written by a program that leaves out what is transformers' default."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config = {k: v for k, v in config.items() if k != "max_position_embeddings"}
    path.write_text(json.dumps(config))


@torch.no_grad()
@pytest.mark.parametrize("form", ["whole CLIP", "with projection", "without defaults"])
def test_text_encoders_in_other_forms_compute_as_transformers_do(form, tmp_path):
    clip = small_clip()
    if form == "whole CLIP":
        model = CLIPModel(clip)
        wanted = model.text_model
    elif form == "with projection":
        wanted = model = CLIPTextModelWithProjection(clip.text_config)
    else:
        wanted = model = CLIPTextModel(clip.text_config)
    model.save_pretrained(tmp_path)
    if form == "without defaults":
        without_defaults(tmp_path)
    ids = torch.randint(0, 98, (2, 9))
    ids[:, -1] = 98
    expected = wanted.eval()(input_ids=ids).last_hidden_state
    torch.testing.assert_close(diffusers_format.load_text_encoder(tmp_path)(ids)[0], expected)


PARTS = [("unet", "UNet2DConditionModel"), ("vae", "AutoencoderKL"), ("text_encoder", "clip_text")]


@pytest.mark.parametrize("part, says", PARTS)
def test_the_folder_of_a_part_is_named(saved, part, says):
    with pytest.raises(
        ValueError, match=f"a part of a model .{says}.*model_index.json of the whole"
    ):
        load_pipeline(saved / part)


def test_a_lora_of_peft_is_named(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="a LoRA"):
        load_pipeline(tmp_path)


@pytest.mark.parametrize("key", ["layers_per_block", "attention_head_dim", "cross_attention_dim"])
def test_a_number_may_be_written_once_for_each_level(saved, key):
    path = saved / "unet" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {key: [config[key]] * 2}))
    load_pipeline(saved)
    path.write_text(json.dumps(config | {key: [config[key], 2 * config[key]]}))
    with pytest.raises(ValueError, match=f"{key} = .*the same on all levels"):
        load_pipeline(saved)


def test_git_checkout_is_advised_for_the_course_alone(tmp_path):
    inside = ROOT / "data" / "checkpoints" / "emoji" / "unet"
    assert f'`git checkout "{inside}"`' in tensor_files.mend(inside)
    for outside in (tmp_path, Path("/"), ROOT.parent / f"{ROOT.name}-2" / "model"):
        assert "git" not in tensor_files.mend(outside)


MESSAGES = [
    OSError("No such device (os error 19)"),  # as safetensors says it: no errno
    OSError("Invalid argument (os error 22)"),
    OSError("Operation not supported (os error 95)"),
    RuntimeError("unable to mmap 123 bytes from file </mnt/a>: No such device (19)"),  # torch
]


@pytest.fixture(params=MESSAGES, ids=str)
def unmapped(monkeypatch, request):
    """A disk whose files can't be mapped into memory."""

    def refuse(*_, **__):
        raise request.param

    monkeypatch.setattr(tensor_files, "safe_open", refuse)


def test_files_that_cannot_be_mapped_are_read_all_the_same(saved, unmapped, tmp_path):
    wanted = load_file(saved / "unet" / diffusers_format.WEIGHTS)
    pipe = load_pipeline(saved)
    assert torch.equal(pipe.unet.conv_in.weight, wanted["conv_in.weight"])
    layer = torch.nn.Linear(3, 2).to(torch.bfloat16)
    tensors.save_checkpoint(tmp_path / "a.safetensors", layer, made_by="a test")
    again = tensors.load_checkpoint(
        tmp_path / "a.safetensors", torch.nn.Linear(3, 2).to(torch.bfloat16)
    )
    assert torch.equal(again.weight, layer.weight)


def test_damage_is_found_where_files_cannot_be_mapped(unmapped, tmp_path):
    path = tmp_path / "a.safetensors"
    tensors = {"a": torch.ones(3, 2), "b": torch.ones(2, dtype=torch.float16)}
    save_file(tensors, path, {"made_by": "a test"})
    with tensor_files.opened(path) as file:
        assert file.metadata() == {"made_by": "a test"}
        assert sorted(file.keys()) == ["a", "b"]
        assert all(torch.equal(file.get_tensor(name), tensors[name]) for name in tensors)
        assert list(file.get_slice("a").get_shape()) == [3, 2]
    raw = path.read_bytes()
    for part in (raw[:-1], raw + b"0", raw[:30], raw[:3], b"", b"x" * 99, raw[:8] + b"[" * 999):
        path.write_bytes(part)
        with pytest.raises(ValueError, match="damaged or only half there"):
            tensor_files.opened(path)


def test_every_type_of_number_is_read_where_files_cannot_be_mapped(unmapped, tmp_path):
    types = [torch.bool, torch.int64, torch.uint8, torch.float8_e4m3fn, torch.bfloat16]
    tensors = {str(dtype): torch.tensor([[0.0, 1.0]]).to(dtype) for dtype in types}
    save_file(tensors | {"scalar": torch.tensor(3.0), "empty": torch.ones(0, 2)}, tmp_path / "a")
    with tensor_files.opened(tmp_path / "a") as file:
        for name, tensor in tensors.items():
            found = file.get_tensor(name)
            assert found.dtype == tensor.dtype and torch.equal(found.float(), tensor.float())
        assert file.get_tensor("scalar") == 3 and file.get_tensor("empty").shape == (0, 2)


DISK = [
    OSError(5, "Input/output error"),
    PermissionError(13, "Permission denied"),
    OSError(116, "Stale file handle"),
]


@pytest.mark.parametrize("error", DISK, ids=str)
def test_a_disk_that_does_not_answer_is_no_damage(error, monkeypatch, tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(1)}, path)

    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(tensor_files, "safe_open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    for read in (tensor_files.opened, lambda p: tensors.load_checkpoint(p, torch.nn.Linear(1, 1))):
        with pytest.raises(OSError, match="can't be read .*may be whole.*own disk") as caught:
            read(path)
        assert str(path) in str(caught.value) and "git" not in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/sys/kernel/notes"), reason="Linux has such a file")
def test_a_file_of_the_system_that_really_cannot_be_mapped():
    """It holds no weights: what counts is that it was read, and found to be something else."""
    with pytest.raises(ValueError, match="its header ends beyond the file"):
        tensor_files.opened(Path("/sys/kernel/notes"))
