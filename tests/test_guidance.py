"""Lesson 08's parts against diffusers, closed forms, and its answers to bad input."""

import pytest
import torch
from diffusers.guiders import ClassifierFreeGuidance
from diffusers.models.normalization import AdaGroupNorm
from torch import nn

from course_utils.built.context import ContextEmbedding, ContextUNet
from course_utils.built.diffusion import diffusion_loss
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.guidance import cfg_denoiser, classifier_free_guidance, drop_cond
from course_utils.built.parameterization import from_x0, to_x0
from course_utils.built.resblock import modulate
from course_utils.built.sample import sample
from course_utils.built.schedule import NoiseSchedule, linear_betas

schedule = NoiseSchedule(linear_betas(1000))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed))


class Echo(nn.Module):
    """Predicts x plus its conditioning, a number a picture (None: 0), and counts its NFE."""

    nfe = 0

    def forward(self, x, t, cond=None):
        self.nfe += 1
        return x + (0.0 if cond is None else cond.reshape(-1, 1, 1, 1).to(x))


@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 3.0, 7.5])
@pytest.mark.parametrize("papers", [False, True])
def test_guidance_is_diffusers_guider_and_the_papers_scale_is_one_less(w, papers):
    uncond, cond = noise(2, 1, 4, 4), noise(2, 1, 4, 4, seed=1)
    guider = ClassifierFreeGuidance(w - papers, use_original_formulation=papers)
    if not guider._is_cfg_enabled():  # it then expects to be given one prediction alone
        assert w == 1
    theirs = guider.forward(cond, uncond).pred
    torch.testing.assert_close(classifier_free_guidance(uncond, cond, w), theirs)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "score", "mean"])
def test_guidance_is_the_same_in_every_prediction_type(prediction_type):
    xt, uncond, cond = (noise(2, 1, 3, 3, seed=i).double() for i in range(3))
    in_x0 = classifier_free_guidance(uncond, cond, 3.0)
    parts = [from_x0(prediction_type, x0, xt, 400, schedule) for x0 in (uncond, cond)]
    torch.testing.assert_close(
        to_x0(prediction_type, classifier_free_guidance(*parts, 3.0), xt, 400, schedule), in_x0
    )


def test_one_nfe_where_one_is_enough():
    x, cond = noise(2, 1, 3, 3), torch.tensor([1.0, 2.0])
    for w, nfe in ((0, 1), (1, 1), (0.5, 2), (3, 2)):
        model = Echo()
        found = cfg_denoiser(model, cond, w)(x, 5)
        assert model.nfe == nfe
        torch.testing.assert_close(found, x + w * cond.view(2, 1, 1, 1))


@pytest.mark.parametrize("uncond", [[-1.0, -1.0], [-1.0]])  # one for each picture, or for all
def test_a_null_conditioning_of_its_own_makes_both_predictions_at_once(uncond):
    x, cond = noise(2, 1, 3, 3), torch.tensor([1.0, 2.0])
    for w, expected in ((2.0, [3.0, 5.0]), (1.0, [1.0, 2.0]), (0.0, [-1.0, -1.0])):
        model = Echo()
        found = cfg_denoiser(model, cond, w, torch.tensor(uncond))(x, 5)
        assert model.nfe == 1
        torch.testing.assert_close(found, x + torch.tensor(expected).view(2, 1, 1, 1))


def test_outside_its_interval_the_prediction_is_conditional():
    x, cond = noise(2, 1, 3, 3), torch.tensor([1.0, 2.0])
    denoise = cfg_denoiser(Echo(), cond, 3.0, interval=(200, 800))
    for t, w in ((199, 1), (200, 3), (800, 3), (801, 1)):
        torch.testing.assert_close(denoise(x, t), x + w * cond.view(2, 1, 1, 1))
    with pytest.raises(ValueError, match="upside down"):
        cfg_denoiser(Echo(), cond, 3.0, interval=(800, 200))


def test_precision_is_the_context_of_every_call():
    class Typed(Echo):
        def forward(self, x, t, cond=None):
            assert torch.is_autocast_enabled("cpu")
            return super().forward(x, t, cond)

    x, cond = noise(2, 1, 3, 3), torch.tensor([1.0, 2.0])
    precision = torch.autocast("cpu", dtype=torch.bfloat16)
    for w in (0.0, 1.0, 3.0):
        assert cfg_denoiser(Typed(), cond, w, precision=precision)(x, 5).dtype == x.dtype
    assert not torch.is_autocast_enabled("cpu")


def test_one_conditioning_for_each_picture():
    with pytest.raises(ValueError, match="2 pictures and 3 conditionings"):
        cfg_denoiser(Echo(), torch.zeros(3))(noise(2, 1, 3, 3), 5)


@pytest.mark.parametrize("w", [float("nan"), float("inf"), None, "3"])
def test_a_guidance_that_is_no_number_is_refused(w):
    with pytest.raises(ValueError, match="finite number, such as 3.0"):
        cfg_denoiser(Echo(), torch.zeros(2), w)


def test_labels_out_of_range_are_refused_with_the_range():
    model = DigitUNet()
    for label in (-1, 11):
        with pytest.raises(ValueError, match="0 to 9"):
            cfg_denoiser(model, torch.tensor([label]), 2.0)(noise(1, 1, 28, 28), 5)


def test_guided_sampling_from_one_normal_ends_where_the_ode_says():
    """Data N(0, 1), conditional N(c, s^2). The guided ODE is linear: its solution is known."""
    c, s2, w = 0.3, 0.2, 3.0

    class Exact(nn.Module):
        def forward(self, x, t, cond=None):
            alpha_bar = schedule.alpha_bar[int(t[0]) + 1]
            mean, variance = (0.0, 1.0) if cond is None else (c, s2)
            gain = alpha_bar.sqrt() * variance / (alpha_bar * variance + 1 - alpha_bar)
            return mean + gain * (x - alpha_bar.sqrt() * mean)

    start = torch.tensor([-1.0, 0.0, 1.0]).double().view(3, 1, 1, 1)
    denoise = cfg_denoiser(Exact(), torch.zeros(3), w)
    ends = sample(denoise, start, schedule, range(1000, -1, -1), "ddim", "sample").flatten()
    # In y = x / signal: dy/dsigma = w sigma (y - c) / (s2 + sigma^2) + (1 - w) sigma y / (1 + ..),
    # so y' = a y + b; its solution by fine integration in float64 with scipy.
    from scipy.integrate import solve_ivp

    sigma = (schedule.noise_std / schedule.signal)[-1].item()

    def slope(sigma, y):
        return w * sigma * (y - c) / (s2 + sigma**2) + (1 - w) * sigma * y / (1 + sigma**2)

    begin = (start.flatten() / schedule.signal[-1]).numpy()
    theirs = solve_ivp(slope, (sigma, 0), begin, rtol=1e-9, atol=1e-9).y[:, -1]
    torch.testing.assert_close(ends, torch.tensor(theirs), rtol=0, atol=0.02)
    # Sharper than without guidance: the spread of the ends against that of N(c, s2).
    assert (ends[2] - ends[0]) / 2 < 0.8 * s2**0.5


@pytest.mark.parametrize(
    "cond, null",
    [
        (torch.arange(10).repeat(400), 10),
        (torch.ones(4000, 3), 0.0),
        (torch.ones(4000, 2, 3), torch.zeros(2, 3)),
    ],
)
def test_whole_conditionings_are_dropped_as_often_as_asked(cond, null):
    found = drop_cond(cond, null, 0.25, seeded())
    assert found.dtype == cond.dtype and found.shape == cond.shape
    changed = (found != cond).reshape(4000, -1)
    assert torch.equal(changed.any(1), changed.all(1))  # wholly or not at all
    assert (found[changed.any(1)] == null).all()
    assert abs(changed.any(1).double().mean() - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    assert torch.equal(drop_cond(cond, null, 0.0, seeded()), cond)
    assert (drop_cond(cond, null, 1.0, seeded()) == null).all()


@pytest.mark.parametrize("chance", [-0.1, 1.5])
def test_a_chance_that_is_none_is_refused(chance):
    with pytest.raises(ValueError, match="probability"):
        drop_cond(torch.zeros(2), 1, chance, seeded())


def test_the_loss_conditions_the_network_on_what_was_not_dropped():
    model, x0, cond = Echo(), torch.zeros(40_000, 1, 1, 1), torch.full((40_000,), 2.0)
    for chance in (0.0, 0.5, 1.0):
        generator = seeded()
        kept = drop_cond(cond, 0.0, chance, generator)
        loss = diffusion_loss(model, x0, kept, generator, schedule)
        # error = xt - eps + cond, and xt = noise_std eps, where eps is as often above as below 0
        expected = (1 - chance) * 4 + (1 - schedule.noise_std[1:]).square().mean()
        assert abs(loss.item() - expected) < 0.1


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


def test_context_unet_uses_its_context_and_none_is_zeros():
    torch.manual_seed(0)
    model, x, t = ContextUNet(5).eval(), noise(2, 3, 16, 16), torch.tensor([3, 700])
    context = torch.eye(5)[:2]
    out = model(x, t, context)
    assert out.shape == x.shape
    assert torch.equal(model(x, t), model(x, t, torch.zeros(2, 5)))
    assert (out - model(x, t)).abs().max() > 0 and (out - model(x, t, context.flip(0))).any()
    whole = model.unet(x, t, model.embed(context))
    assert torch.equal(out, whole)
