"""The loss of textual inversion, LoRA and DreamBooth, in the one training loop."""

from functools import partial

import pytest
import torch
from diffusers import DDIMScheduler

from course_utils.built import caption_loss, networks, prior_preservation_loss, train
from course_utils.diffusers_format.schedules import scheduler_config
from tests.test_pipeline import seeded, small_pipeline


def batch(model, caption, seed):
    latents = torch.randn(3, 4, 4, 4, generator=seeded(seed))
    return latents, model.tokenizer.encode([caption] * 3)


@torch.no_grad()
@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
def test_it_is_the_loss_that_diffusers_own_scheduler_makes(predicts):
    model = small_pipeline(predicts)
    x0, ids = batch(model, "a red cat", 1)
    how = (model.schedule, predicts)
    found = caption_loss(networks(model), x0, ids, seeded(5), *how)
    other = DDIMScheduler.from_config(scheduler_config(*how, "trailing"))
    draws = seeded(5)
    t = torch.randint(1, 1001, (3,), generator=draws) - 1  # diffusers counts from 0
    eps = torch.randn(x0.shape, generator=draws)
    target = eps if predicts == "epsilon" else other.get_velocity(x0, eps, t)
    said = model.unet(other.add_noise(x0, eps, t), t, model.text_encoder(ids)[0])
    torch.testing.assert_close(found, torch.nn.functional.mse_loss(said, target))


@torch.no_grad()
def test_the_prior_is_a_second_loss_of_its_own_captions_with_a_weight():
    model = small_pipeline()
    own, prior = batch(model, "a small red cat", 1), batch(model, "a cat", 2)
    how = dict(schedule=model.schedule, prediction_type="v_prediction")
    whole, draws = networks(model), seeded(5)
    parts = [caption_loss(whole, *pair, draws, **how) for pair in (own, prior)]
    for weight in (0.0, 1.0, 0.3):
        found = prior_preservation_loss(whole, *own, *prior, seeded(5), **how, weight=weight)
        torch.testing.assert_close(found, parts[0] + weight * parts[1])


def test_all_weights_learn_in_the_one_training_loop():
    model = small_pipeline()
    data = (*batch(model, "a small red cat", 1), *batch(model, "a cat", 2))
    how = dict(schedule=model.schedule, prediction_type="v_prediction")
    whole = networks(model)
    before = [p.detach().clone() for p in whole.parameters()]
    losses = [*train(whole, partial(prior_preservation_loss, **how), data, 3, seeded(), 3)]
    assert len(losses) == 3
    moved = [not torch.equal(a, b) for a, b in zip(whole.parameters(), before, strict=True)]
    assert all(moved)
    assert whole["unet"] is model.unet and whole["text_encoder"] is model.text_encoder
