"""A new word: what it starts from, that it alone is trained, and words that can't be."""

from functools import partial

import pytest
import torch
from torch import nn

from course_utils.built import caption_loss, networks, train
from course_utils.built.textual_inversion import EnlargedEmbedding, add_word, vector_of
from tests.test_pipeline import CAPTIONS, seeded, small_pipeline


def weights(model):
    parts = (model.text_encoder, model.unet, model.vae)
    return [p.detach().clone() for part in parts for p in part.parameters()]


def test_it_starts_as_the_mean_of_known_words_and_others_stay_as_they_were():
    model = small_pipeline()
    before = model.encode_prompt(CAPTIONS)
    table, vocab = model.text_encoder.token_embedding.weight, model.tokenizer.vocab
    assert torch.equal(vector_of(model, "cat"), table[[vocab["cat</w>"]]])
    mean = (table[vocab["red</w>"]] + table[vocab["cat</w>"]]) / 2
    torch.testing.assert_close(vector_of(model, "Red cat"), mean[None])
    rows = add_word(model, "<Pip>", vector_of(model, "cat"))
    assert torch.equal(model.encode_prompt(CAPTIONS), before)
    # With one and the same vector the new word says what the old one says.
    assert torch.equal(model.encode_prompt("a red <pip>"), model.encode_prompt("a red cat"))
    assert model.tokenizer.split("a red <PIP>!")[-2:] == ["<pip>", "!</w>"]
    rows.data += 1
    assert torch.equal(model.encode_prompt(CAPTIONS), before)
    assert not torch.equal(model.encode_prompt("a red <pip>"), model.encode_prompt("a red cat"))


def test_a_training_changes_its_row_and_not_a_bit_else():
    model = small_pipeline()
    plain = weights(model)
    rows = add_word(model, "<pip>", vector_of(model, "cat"))
    start = rows.detach().clone()
    before = model.encode_prompt(CAPTIONS)
    ids = model.tokenizer.encode(["a red <pip>"] * 4)
    latents = torch.randn(4, 4, 4, 4, generator=seeded(1))
    loss = partial(caption_loss, schedule=model.schedule, prediction_type="v_prediction")
    losses = [*train(networks(model), loss, (latents, ids), 4, seeded(), 4, learning_rate=1e-2)]
    assert len(losses) == 4 and not torch.equal(rows, start)
    after = [p for p in weights(model) if p.shape != rows.shape]
    assert len(after) == len(plain)
    assert all(torch.equal(a, b) for a, b in zip(after, plain, strict=True))
    assert torch.equal(model.encode_prompt(CAPTIONS), before)


def test_the_rows_gradient_is_that_of_torchs_own_table():
    torch.manual_seed(0)
    table, rows = nn.Embedding(5, 3), torch.randn(2, 3)
    whole = nn.Embedding.from_pretrained(torch.cat([table.weight.data, rows]), freeze=False)
    ours = EnlargedEmbedding(table, rows)
    ids, target = torch.tensor([[0, 5, 6, 4], [5, 5, 1, 2]]), torch.randn(2, 4, 3)
    assert torch.equal(ours(ids), whole(ids))
    for embedding in (ours, whole):
        ((embedding(ids) - target) ** 2).sum().backward()
    torch.testing.assert_close(ours.rows.grad, whole.weight.grad[5:])
    assert ours.table.weight.grad is None and whole.weight.grad[:5].abs().sum() > 0
    assert (ours.num_embeddings, ours.weight.shape) == (5, (7, 3))


def test_two_words_and_a_word_of_several_vectors():
    model = small_pipeline()
    first = add_word(model, "<pip>", vector_of(model, "cat"))
    second = add_word(model, "<pop>", torch.randn(2, 32, generator=seeded(2)))
    known = len(small_pipeline().tokenizer.vocab)
    assert model.tokenizer.split("<pip><pop>") == ["<pip>", "<pop>", "<pop>_1"]
    assert model.tokenizer.encode("<pip> <pop>")[0, 1:4].tolist() == [known, known + 1, known + 2]
    vectors = model.text_encoder.token_embedding.weight[known:]
    assert torch.equal(vectors, torch.cat([first, second]))
    assert second.requires_grad and not first.requires_grad
    assert len(model.tokenizer.vocab) == known + 3


@pytest.mark.parametrize("word", ["pip", "<a b>", "<>", "", "<pip> ", "pip<a>"])
def test_a_word_that_could_be_found_elsewhere_is_refused(word):
    model = small_pipeline()
    with pytest.raises(ValueError, match="angle brackets"):
        add_word(model, word, torch.zeros(1, 32))
    assert model.unet.conv_in.weight.requires_grad  # nothing has happened yet


def test_a_word_that_is_there_and_other_vectors_are_refused():
    model = small_pipeline()
    add_word(model, "<pip>", torch.zeros(1, 32))
    with pytest.raises(ValueError, match="<PIP> is in the model's vocabulary already"):
        add_word(model, "<PIP>", torch.zeros(1, 32))
    for shape in ((32,), (1, 31), (0, 32)):
        with pytest.raises(ValueError, match="vectors are K x 32"):
            add_word(model, "<pop>", torch.zeros(shape))
