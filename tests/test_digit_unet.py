"""The parts of lesson 06 against diffusers and against closed forms."""

import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from course_utils.built.diffusion import diffusion_loss, loss_weight, predict
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.ema import EMA
from course_utils.built.forward import forward_jump
from course_utils.built.parameterization import from_x0, to_x0
from course_utils.built.resblock import ResBlock
from course_utils.built.schedule import NoiseSchedule, cosine_betas, linear_betas
from course_utils.built.timestep_embedding import timestep_embedding

schedule = NoiseSchedule(linear_betas(10))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("width, period", [(32, 10_000), (320, 10_000), (6, 100)])
def test_timestep_embedding_is_diffusers(width, period):
    t = torch.tensor([0, 1, 17, 999])
    theirs = get_timestep_embedding(
        t, width, flip_sin_to_cos=True, downscale_freq_shift=0, max_period=period
    )
    torch.testing.assert_close(timestep_embedding(t, width, period), theirs)


@pytest.mark.parametrize("t, width", [(torch.arange(3), 7), (torch.tensor(3), 8)])
def test_timestep_embedding_refuses_odd_widths_and_other_shapes(t, width):
    with pytest.raises(ValueError, match="width is even"):
        timestep_embedding(t, width)


@pytest.mark.parametrize("time_width", [None, 24])
@pytest.mark.parametrize("scale_shift", [False, True])
@pytest.mark.parametrize("inputs, outputs", [(32, 32), (32, 64)])
def test_resblock_is_diffusers_block_with_the_same_weights(
    inputs, outputs, scale_shift, time_width
):
    torch.manual_seed(0)
    theirs = ResnetBlock2D(
        in_channels=inputs,
        out_channels=outputs,
        temb_channels=time_width,
        groups=8,
        eps=1e-6,
        time_embedding_norm="scale_shift" if scale_shift and time_width else "default",
    )
    ours = ResBlock(inputs, outputs, time_width, groups=8, eps=1e-6, scale_shift=scale_shift)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, inputs, 7, 7, generator=seeded())
    time = None if time_width is None else torch.randn(3, time_width, generator=seeded(1))
    torch.testing.assert_close(ours(x, time), theirs(x, time), rtol=1e-5, atol=1e-5)


def test_digit_unet_keeps_the_shape_and_depends_on_time_and_label():
    torch.manual_seed(0)
    model = DigitUNet().eval()
    x = torch.randn(2, 1, 28, 28, generator=seeded())
    t, labels = torch.tensor([3, 500]), torch.tensor([1, 2])
    out = model(x, t, labels)
    assert out.shape == x.shape
    assert (out - model(x, t + 1, labels)).abs().max() > 0
    assert (out - model(x, t, labels + 1)).abs().max() > 0
    uncond = model(x, t)
    assert torch.equal(uncond, model(x, t, torch.tensor([10, 10])))
    assert torch.equal(out, model(x, t, model.embed(labels, 2)))
    for i in range(2):  # no picture of a batch sees another
        torch.testing.assert_close(
            out[i : i + 1], model(x[i : i + 1], t[i : i + 1], labels[i : i + 1]), rtol=0, atol=1e-5
        )
    assert DigitUNet(channels=3)(torch.zeros(1, 3, 16, 16), t[:1]).shape == (1, 3, 16, 16)


def test_every_weight_of_digit_unet_learns():
    model = DigitUNet()
    x = torch.randn(11, 1, 28, 28, generator=seeded())
    model(x, torch.arange(11), torch.arange(11)).square().sum().backward()
    assert [n for n, p in model.named_parameters() if not p.grad.abs().sum() > 0] == []


def test_under_autocast_no_float32_slips_into_the_convolutions():
    model, found = DigitUNet(), []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.GroupNorm) and not name.startswith("conv_in"):
            module.register_forward_pre_hook(lambda _, given: found.append(given[0].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(torch.zeros(2, 1, 28, 28), torch.arange(2))
    assert len(found) > 10 and set(found) == {torch.bfloat16}


@pytest.mark.parametrize("label", [-1, 11])
def test_a_label_that_does_not_exist_is_refused(label):
    with pytest.raises(ValueError, match="Labels run from 0 to 9"):
        DigitUNet()(torch.zeros(1, 1, 28, 28), torch.tensor([0]), torch.tensor([label]))


class Recorder(nn.Module):
    """Predicts zeros and keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.times, self.conds = [], []

    def forward(self, x, t, cond):
        self.times.append(t)
        self.conds.append(cond)
        return torch.zeros_like(x)


def test_predict_gives_the_network_t_minus_1():
    model, x = Recorder(), torch.zeros(3, 1, 4, 4, dtype=torch.float64)
    assert predict(model, x, 1).dtype == x.dtype
    predict(model, x, torch.tensor([1, 5, 10]))
    assert [t.tolist() for t in model.times] == [[0, 0, 0], [0, 4, 9]]
    for t in (0, torch.tensor([1, 0, 2]), 0.5):
        with pytest.raises(ValueError, match="t counts the steps"):
            predict(model, x, t)


def test_the_loss_draws_every_timestep_and_hands_the_labels_over():
    model, n = Recorder(), 20_000
    labels = torch.arange(n) % 10
    loss = diffusion_loss(model, torch.zeros(n, 1, 1, 1), labels, seeded(), schedule)
    assert torch.equal(model.conds[0], labels)
    drawn = torch.bincount(model.times[0], minlength=10)
    assert len(drawn) == 10 and ((drawn - n / 10).abs() < 5 * (n / 10) ** 0.5).all()
    assert abs(loss - 1) < 5 * (2 / n) ** 0.5  # the mean square of the noise itself


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_a_network_that_knows_the_answer_has_no_loss(prediction_type):
    class Oracle(Recorder):
        def forward(self, xt, t, cond):
            return from_x0(prediction_type, x0, xt, t + 1, schedule)

    x0 = torch.rand(8, 1, 4, 4, generator=seeded(), dtype=torch.float64) * 2 - 1
    loss = diffusion_loss(Oracle(), x0, None, seeded(), schedule, prediction_type)
    assert loss < 1e-10


def test_min_snr_weights_make_the_prediction_types_one_loss():
    """An error in x0 costs the same, whichever type the network's prediction is."""
    s = NoiseSchedule(cosine_betas(100))
    t = torch.tensor([1, 20, 60, 100])
    x0, eps, wrong = (torch.randn(4, 1, 3, 3, generator=seeded(i)).double() for i in range(3))
    xt = forward_jump(x0, eps, t, s)
    costs = []
    for prediction_type in ("sample", "epsilon", "v_prediction"):
        truth = from_x0(prediction_type, x0, xt, t, s)
        value = from_x0(prediction_type, x0 + 0.01 * wrong, xt, t, s)
        torch.testing.assert_close(to_x0(prediction_type, value, xt, t, s), x0 + 0.01 * wrong)
        costs.append((value - truth) ** 2 * loss_weight(prediction_type, t, x0, s, 5.0))
    torch.testing.assert_close(costs[0], costs[1], rtol=1e-6, atol=0)
    torch.testing.assert_close(costs[0], costs[2], rtol=1e-6, atol=0)
    snr = (s.alpha_bar / (1 - s.alpha_bar))[t]
    weight = loss_weight("epsilon", t, x0, s, 5.0).flatten()
    torch.testing.assert_close(weight, snr.clamp(max=5) / snr)
    with pytest.raises(ValueError, match="sample, epsilon, v_prediction; this one is 'score'"):
        loss_weight("score", t, x0, s, 5.0)


def test_ema_is_the_closed_form():
    model = nn.Linear(1, 1, bias=False)
    values = torch.randn(31, generator=seeded()).tolist()
    model.weight.data.fill_(values[0])
    ema = EMA(model, decay=0.8)
    shares = [1.0]  # of each weight that the average has seen
    for n, value in enumerate(values[1:], 1):
        model.weight.data.fill_(value)
        ema.update(model)
        d = min(0.8, (1 + n) / (10 + n))
        shares = [d * share for share in shares] + [1 - d]
    wanted = sum(share * value for share, value in zip(shares, values, strict=True))
    assert abs(ema.model.weight.item() - wanted) < 1e-5
    assert ema.model.weight is not model.weight and not ema.model.weight.requires_grad
    with pytest.raises(ValueError, match="decay lies in"):
        EMA(model, 1.0)


def test_one_picture_can_be_learned_by_heart():
    """The objective, the network and the times fit together: the loss falls far below 1."""
    torch.manual_seed(0)
    model = DigitUNet(width=16, deep=32)
    x0 = torch.rand(1, 1, 8, 8, generator=seeded()).expand(64, -1, -1, -1) * 2 - 1
    optimizer, generator = torch.optim.Adam(model.parameters(), 3e-3), seeded(1)
    s = NoiseSchedule(linear_betas(1000))
    losses = []
    for _ in range(80):
        loss = diffusion_loss(model, x0, None, generator, s, prediction_type="v_prediction")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.4 * sum(losses[:3]) * 10 / 3
