"""Lesson 08's parts against diffusers, closed forms, and what bad input is told."""

import pytest
import torch
from diffusers.guiders import ClassifierFreeGuidance
from diffusers.models.normalization import AdaGroupNorm
from torch import nn

from course_utils.built.context import ContextEmbedding, ContextUNet, modulate
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.guidance import context_loss, drop_context, guide, guided
from course_utils.built.reverse import from_x0, to_x0
from course_utils.built.sample import sample
from course_utils.built.schedule import NoiseSchedule, linear_betas

schedule = NoiseSchedule(linear_betas(1000))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed))


class Echo(nn.Module):
    """Predicts x plus its context, a number a picture (None: 0), and counts its calls."""

    calls = 0

    def forward(self, x, t, context=None):
        self.calls += 1
        self.heard = context
        return x + (0.0 if context is None else context.reshape(-1, 1, 1, 1).to(x))


@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 3.0, 7.5])
@pytest.mark.parametrize("told_at", [0, 1])
def test_guide_is_diffusers_guider_in_both_conventions(w, told_at):
    untold, told = noise(2, 1, 4, 4), noise(2, 1, 4, 4, seed=1)
    guider = ClassifierFreeGuidance(w, use_original_formulation=told_at == 0)
    if not guider._is_cfg_enabled():  # it then expects to be given the told prediction alone
        assert w == told_at
    theirs = guider.forward(told, untold).pred
    torch.testing.assert_close(guide(untold, told, w, told_at), theirs)


@pytest.mark.parametrize("w", [-0.5, 0.0, 2.0, 6.5])
def test_the_two_conventions_differ_by_one(w):
    untold, told = noise(3, 1, 2, 2), noise(3, 1, 2, 2, seed=1)
    torch.testing.assert_close(guide(untold, told, w, told_at=0), guide(untold, told, w + 1))
    torch.testing.assert_close(guide(untold, told, w, told_at=0), (1 + w) * told - w * untold)


@pytest.mark.parametrize("told_at", [2, -1, 0.5, "paper"])
def test_another_convention_is_refused(told_at):
    with pytest.raises(ValueError, match="told_at is 1 .* or 0"):
        guide(noise(1, 1, 2, 2), noise(1, 1, 2, 2), 2.0, told_at)


@pytest.mark.parametrize("kind", ["eps", "v", "score", "mean"])
def test_guidance_is_the_same_in_every_kind_of_prediction(kind):
    xt, untold, told = (noise(2, 1, 3, 3, seed=i).double() for i in range(3))
    in_x0 = guide(untold, told, 3.0)
    parts = [from_x0(kind, x0, xt, 400, schedule) for x0 in (untold, told)]
    torch.testing.assert_close(to_x0(kind, guide(*parts, 3.0), xt, 400, schedule), in_x0)


@pytest.mark.parametrize("told_at", [0, 1])
def test_guided_calls_once_where_once_is_enough(told_at):
    x, context = noise(2, 1, 3, 3), torch.tensor([1.0, 2.0])
    for w, calls, expected in ((0, 1, 0.0), (1, 1, 1.0), (0.5, 2, 0.5), (3, 2, 3.0)):
        model = Echo()
        found = guided(model, context, w - 1 + told_at, told_at=told_at)(x, 5)
        assert model.calls == calls
        torch.testing.assert_close(found, x + expected * context.view(2, 1, 1, 1))


def test_guided_takes_a_null_context_of_its_own():
    x, model = noise(2, 1, 3, 3), Echo()
    found = guided(model, torch.tensor([1.0, 2.0]), 2.0, null=torch.tensor([-1.0, -1.0]))(x, 5)
    assert model.calls == 1  # both at once
    torch.testing.assert_close(found, x + torch.tensor([3.0, 5.0]).view(2, 1, 1, 1))


def test_guided_wants_one_context_for_each_picture():
    with pytest.raises(ValueError, match="2 pictures and 3 contexts"):
        guided(Echo(), torch.zeros(3))(noise(2, 1, 3, 3), 5)


@pytest.mark.parametrize("w", [float("nan"), float("inf"), None, "3"])
def test_a_guidance_that_is_no_number_is_refused(w):
    with pytest.raises(ValueError, match="finite number, such as 3.0"):
        guided(Echo(), torch.zeros(2), w)


def test_labels_out_of_range_are_refused_with_the_range():
    model = DigitUNet()
    for label in (-1, 11):
        with pytest.raises(ValueError, match="0 to 9"):
            guided(model, torch.tensor([label]), 2.0)(noise(1, 1, 28, 28), 5)


def test_guided_sampling_from_one_normal_ends_where_the_ode_says():
    """Data N(0, 1), told N(c, s^2). The guided ODE is linear: its solution is known."""
    c, s2, w = 0.3, 0.2, 3.0

    class Exact(nn.Module):
        def forward(self, x, t, context=None):
            alpha_bar = schedule.alpha_bar[int(t[0]) + 1]
            mean, variance = (0.0, 1.0) if context is None else (c, s2)
            gain = alpha_bar.sqrt() * variance / (alpha_bar * variance + 1 - alpha_bar)
            return mean + gain * (x - alpha_bar.sqrt() * mean)

    start = torch.tensor([-1.0, 0.0, 1.0]).double().view(3, 1, 1, 1)
    denoise = guided(Exact(), torch.zeros(3), w)
    ends = sample(denoise, start, schedule, range(1000, -1, -1), "ddim", "x0").flatten()
    # In y = x / signal: dy/dsigma = w sigma (y - c) / (s2 + sigma^2) + (1 - w) sigma y / (1 + ..),
    # so y' = a y + b; its solution by fine integration in float64 with scipy.
    from scipy.integrate import solve_ivp

    sigma = (schedule.noise_std / schedule.signal)[-1].item()

    def slope(sigma, y):
        return w * sigma * (y - c) / (s2 + sigma**2) + (1 - w) * sigma * y / (1 + sigma**2)

    begin = (start.flatten() / schedule.signal[-1]).numpy()
    theirs = solve_ivp(slope, (sigma, 0), begin, rtol=1e-9, atol=1e-9).y[:, -1]
    torch.testing.assert_close(ends, torch.tensor(theirs), rtol=0, atol=0.02)
    # Sharper than told alone: the spread of the ends, against that of N(c, s2) from the same start.
    assert (ends[2] - ends[0]) / 2 < 0.8 * s2**0.5


@pytest.mark.parametrize(
    "context, null",
    [
        (torch.arange(10).repeat(400), 10),
        (torch.ones(4000, 3), 0.0),
        (torch.ones(4000, 2, 3), torch.zeros(2, 3)),
    ],
)
def test_whole_contexts_are_dropped_as_often_as_asked(context, null):
    found = drop_context(context, null, 0.25, seeded())
    assert found.dtype == context.dtype and found.shape == context.shape
    changed = (found != context).reshape(4000, -1)
    assert torch.equal(changed.any(1), changed.all(1))  # wholly or not at all
    assert (found[changed.any(1)] == null).all()
    assert abs(changed.any(1).double().mean() - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    assert torch.equal(drop_context(context, null, 0.0, seeded()), context)
    assert (drop_context(context, null, 1.0, seeded()) == null).all()


@pytest.mark.parametrize("chance", [-0.1, 1.5])
def test_a_chance_that_is_none_is_refused(chance):
    with pytest.raises(ValueError, match="probability"):
        drop_context(torch.zeros(2), 1, chance, seeded())


def test_context_loss_tells_the_network_what_was_not_dropped():
    model, x0, context = Echo(), torch.zeros(4000, 1, 1, 1), torch.full((4000,), 2.0)
    for chance, expected in ((0.0, 4.0), (1.0, 0.0)):  # what the network adds
        loss = context_loss(model, x0, context, seeded(), schedule, "eps", chance=chance)
        # eps: error = xt - eps + context, and xt = noise_std eps.
        spread = (1 - schedule.noise_std[1:]).square().mean()
        assert abs(loss.item() - (expected + spread)) < 0.1
        assert (model.heard == (0.0 if chance else 2.0)).all()


def test_modulate_is_diffusers_adaptive_group_norm():
    torch.manual_seed(0)
    theirs = AdaGroupNorm(embedding_dim=6, out_dim=8, num_groups=2)
    h, embedding = noise(3, 8, 5, 5), noise(3, 6, seed=1)
    scale, shift = theirs.linear(embedding).chunk(2, dim=1)
    ours = modulate(nn.functional.group_norm(h, 2, eps=theirs.eps), scale, shift)
    torch.testing.assert_close(ours, theirs(h, embedding))


def test_added_and_multiply_and_add_are_special_cases_of_scale_and_shift():
    h, context, time = noise(3, 8, 5, 5), noise(3, 8, seed=1), noise(3, 8, seed=2)
    each = (..., None, None)
    torch.testing.assert_close(modulate(h, shift=time), h + time[each])
    torch.testing.assert_close(modulate(h, context - 1, time), h * context[each] + time[each])
    assert torch.equal(modulate(h), h)


def test_context_embedding_of_one_hot_vectors_is_a_table_of_labels():
    torch.manual_seed(0)
    embed = ContextEmbedding(5, 8)
    table = nn.Embedding.from_pretrained(embed.rows)
    labels = torch.tensor([3, 0, 3])
    torch.testing.assert_close(embed(nn.functional.one_hot(labels, 5).float()), table(labels))
    half = torch.tensor([[0.5, 0.0, 0.0, 0.5, 0.0]])
    torch.testing.assert_close(embed(half)[0], (table.weight[0] + table.weight[3]) / 2)
    assert not embed(torch.zeros(1, 5)).any()


@pytest.mark.parametrize("shape", [(2, 4), (2, 6), (5,), (2, 5, 1)])
def test_contexts_of_another_length_are_refused_with_the_right_one(shape):
    model = ContextUNet(5)
    with pytest.raises(ValueError, match="N x 5"):
        model(noise(2, 3, 16, 16), torch.tensor([0, 1]), torch.zeros(shape))
    with pytest.raises(ValueError, match="floats"):
        model(noise(2, 3, 16, 16), torch.tensor([0, 1]), torch.zeros(2, 5, dtype=torch.int64))


def test_context_unet_hears_its_context_and_none_is_zeros():
    torch.manual_seed(0)
    model, x, t = ContextUNet(5).eval(), noise(2, 3, 16, 16), torch.tensor([3, 700])
    context = torch.eye(5)[:2]
    out = model(x, t, context)
    assert out.shape == x.shape
    assert torch.equal(model(x, t), model(x, t, torch.zeros(2, 5)))
    assert (out - model(x, t)).abs().max() > 0 and (out - model(x, t, context.flip(0))).any()
    whole = model.unet(x, t, model.embed(context))
    assert torch.equal(out, whole)
