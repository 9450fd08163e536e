"""The text encoder against transformers' CLIPTextModel, the loss and CLIP against transformers'."""

import math

import pytest
import torch

from course_utils.built.clip import CLIP, CLIPText, CLIPVision, contrastive_loss

VOCAB, WIDTH, LAYERS, HEADS, LENGTH = 99, 32, 3, 4, 12


def published_names(layers):
    """transformers' names of a text encoder's weights by ours."""
    names = {
        f"{name}.weight": f"embeddings.{name}.weight"
        for name in ("token_embedding", "position_embedding")
    }
    parts = {"norm1": "layer_norm1", "norm2": "layer_norm2", "mlp.0": "mlp.fc1", "mlp.2": "mlp.fc2"}
    parts |= {f"self_attn.to_{part}": f"self_attn.{part}_proj" for part in ("q", "k", "v", "out")}
    for kind in ("weight", "bias"):
        names[f"final_layer_norm.{kind}"] = f"final_layer_norm.{kind}"
        for i in range(layers):
            for ours, theirs in parts.items():
                names[f"layers.{i}.{ours}.{kind}"] = f"encoder.layers.{i}.{theirs}.{kind}"
    return names


def texts(end):
    """Rows of ids as two tokenizers make them: padded with the end token, and with 0."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, end - 1, (4, LENGTH), generator=generator)
    ids[:, 0] = end - 1
    for row, position in enumerate((1, 5, 8, LENGTH - 1)):
        ids[row, position:] = end if row % 2 else 0
        ids[row, position] = end
    return ids


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("old_config", [True, False])
def test_text_encoder_equals_that_of_transformers(quick, old_config):
    import transformers

    torch.manual_seed(1)
    config = transformers.CLIPTextConfig(
        vocab_size=VOCAB,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=LENGTH,
        hidden_act="quick_gelu" if quick else "gelu",
        eos_token_id=2 if old_config else VOCAB - 1,  # 2 is what Stable Diffusion's file says
        bos_token_id=VOCAB - 2,
        pad_token_id=1,
    )
    reference = transformers.CLIPTextModel(config).eval()
    model = CLIPText(VOCAB, WIDTH, LAYERS, HEADS, LENGTH, quick)
    for parameter in reference.parameters():  # not only the small numbers of an initialisation
        torch.nn.init.normal_(parameter, std=0.3)
    weights = {k.removeprefix("text_model."): v for k, v in reference.state_dict().items()}
    names = published_names(LAYERS)
    assert {k for k in weights if "position_ids" not in k} == set(names.values())
    model.load_state_dict({ours: weights[theirs] for ours, theirs in names.items()})
    ids = texts(VOCAB - 1)
    with torch.no_grad():
        wanted = reference(ids)
        sequence, pooled = model(ids)
    assert torch.allclose(sequence, wanted.last_hidden_state, atol=1e-5)
    assert torch.allclose(pooled, wanted.pooler_output, atol=1e-5)


def test_it_has_the_shape_of_clip_vit_l_14():
    import transformers

    with torch.device("meta"):
        model = CLIPText(49408, 768, 12, 12, 77, quick=True)
        config = transformers.CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_attention_heads=12
        )
        reference = transformers.CLIPTextModel(config).state_dict()
    weights = {k.removeprefix("text_model."): v.shape for k, v in reference.items()}
    ours = {k: v.shape for k, v in model.state_dict().items()}
    assert ours == {k: weights[v] for k, v in published_names(12).items()}
    assert sum(math.prod(shape) for shape in ours.values()) == 123_060_480


def test_what_stands_after_the_end_token_is_not_seen():
    torch.manual_seed(0)
    model = CLIPText(VOCAB, WIDTH, LAYERS, HEADS, LENGTH).eval()
    ids = texts(VOCAB - 1)
    other = ids.clone()
    other[0, 2:], other[1, 6:] = 7, 3
    short = ids[:, :9][:3]
    with torch.no_grad():
        assert torch.allclose(model(ids)[1], model(other)[1], atol=1e-6)
        assert torch.allclose(model(ids)[1][:3], model(short)[1], atol=1e-6)
        other[1, 3] = (ids[1, 3] + 1) % 90  # a word before it is
        assert not torch.allclose(model(ids)[1][1], model(other)[1][1], atol=1e-4)


@pytest.mark.parametrize(
    "ids, says",
    [
        (torch.full((1, LENGTH + 1), VOCAB - 1), "up to 12"),
        (torch.full((LENGTH,), VOCAB - 1), "N x L"),
    ],
)
def test_ids_of_another_shape_are_refused(ids, says):
    with pytest.raises(ValueError, match=says):
        CLIPText(VOCAB, WIDTH, 1, HEADS, LENGTH)(ids)


def test_loss_is_that_of_open_clip_and_log_n_for_guessing():
    import open_clip

    generator = torch.Generator().manual_seed(0)
    images, words = (
        torch.nn.functional.normalize(torch.randn(7, 5, generator=generator)) for _ in range(2)
    )
    wanted = open_clip.ClipLoss()(images, words, 14.0)
    assert torch.allclose(contrastive_loss(images, words, 14.0), wanted, atol=1e-6)
    same = images[:1].expand(7, -1)
    assert math.isclose(contrastive_loss(same, same, 14.0).item(), math.log(7), rel_tol=1e-5)
    assert contrastive_loss(torch.eye(5), torch.eye(5), 100.0) < 1e-6


def test_clip_embeds_on_the_unit_sphere_and_learns_to_match():
    torch.manual_seed(0)
    text = CLIPText(VOCAB, WIDTH, 1, HEADS, LENGTH)
    model = CLIP(text, CLIPVision(16, 24), 24, 8)
    pictures, ids = torch.randn(4, 3, 16, 16), texts(VOCAB - 1)
    for codes in (model.embed_text(ids), model.embed_images(pictures)):
        assert codes.shape == (4, 8)
        assert torch.allclose(codes.norm(dim=1), torch.ones(4), atol=1e-5)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    first = model(pictures, ids).item()
    for _ in range(40):
        optimizer.zero_grad()
        loss = model(pictures, ids)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * first
    with torch.no_grad():
        model.log_scale.fill_(50.0)
        assert model(pictures, ids).isfinite()
