"""Code that works, with the bugs of real implementations as switches: all in one place."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils.built.digit_unet import DigitUNet
from course_utils.built.posterior import posterior
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.built.timesteps import trailing_timesteps


@dataclass(frozen=True)
class Bugs:
    """Which bugs the code has. The first twelve are those that `doctor` looks for."""

    root_forgotten: bool = False  # alpha_bar in the place of its root
    uniform_noise: bool = False  # rand in the place of randn
    data_in_0_1: bool = False
    t_off_by_one: bool = False  # the network is told another t than that of its noise
    t_in_0_1: bool = False  # in the sinusoid
    activation_last: bool = False
    layer_made_anew: bool = False  # inside forward
    noise_in_last_step: bool = False
    guidance_sign: bool = False
    ema_not_updated: bool = False
    null_not_trained: bool = False
    nan_in_half: bool = False
    # What no test of the doctor sees:
    x0_not_clamped: bool = False
    latents_not_scaled: bool = False
    signal_left_at_T: bool = False
    channels_swapped: bool = False  # BGR


class Network(nn.Module):
    """A `DigitUNet` that predicts the noise, or one that is broken."""

    def __init__(self, bugs: Bugs, unet: DigitUNet):
        super().__init__()
        self.bugs, self.unet = bugs, unet

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        t = t / 1000 if self.bugs.t_in_0_1 else t
        if self.bugs.nan_in_half:
            weights = (4 * x).exp()  # a softmax by hand: without the maximum taken off first
            weights = weights / weights.sum((1, 2, 3), keepdim=True)
            x = x + 0.1 * (weights * x).sum((1, 2, 3), keepdim=True)
        out = self.unet(x, t, cond)
        if self.bugs.layer_made_anew:
            out = nn.Conv2d(out.shape[1], out.shape[1], 1)(out.float())
        return out.relu() if self.bugs.activation_last else out


def schedule_of(bugs: Bugs) -> NoiseSchedule:
    """A thousand steps; with the bug a tenth of them, which leave most of the signal at T."""
    return NoiseSchedule(linear_betas(1000, end=0.002 if bugs.signal_left_at_T else 0.02))


def prepare(bugs: Bugs, images: Tensor, factor: float = 1.0) -> Tensor:
    """Pictures in [-1, 1], or latents times their factor, as the network gets them."""
    images = images / 2 + 0.5 if bugs.data_in_0_1 else images
    images = images.flip(1) if bugs.channels_swapped else images
    return images if bugs.latents_not_scaled else images * factor


def loss_of(bugs: Bugs, schedule: NoiseSchedule, null: int = 10) -> Callable[..., Tensor]:
    """The loss, as `train` calls it: loss(model, x0, labels, generator); t is drawn, or given."""

    def loss(
        model: nn.Module,
        x0: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        t: Tensor | None = None,
    ) -> Tensor:
        if t is None:
            t = torch.randint(1, schedule.T + 1, (len(x0),), generator=generator)
        draw = torch.rand if bugs.uniform_noise else torch.randn
        eps = draw(x0.shape, generator=generator)
        dropped = torch.rand(len(x0), generator=generator) < (0 if bugs.null_not_trained else 0.1)
        labels = labels.masked_fill(dropped, null)
        signal, std = schedule.signal[t].float(), schedule.noise_std[t].float()
        if bugs.root_forgotten:
            signal, std = signal**2, std**2
        xt = signal.reshape(-1, 1, 1, 1) * x0 + std.reshape(-1, 1, 1, 1) * eps
        told = t if bugs.t_off_by_one else t - 1
        return ((model(xt, told, labels) - eps) ** 2).mean()

    return loss


def guide_of(bugs: Bugs) -> Callable[[Tensor, Tensor, float], Tensor]:
    """The guidance: guide(uncond, cond, w)."""

    def guide(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
        return uncond + (-w if bugs.guidance_sign else w) * (cond - uncond)

    return guide


def sampler_of(
    bugs: Bugs,
    schedule: NoiseSchedule,
    labels: Tensor,
    w: float = 2.0,
    steps: int | None = None,
    limit: float = 1.0,
) -> Callable[[Callable, Tensor, torch.Generator], Tensor]:
    """DDPM's sampler: sampler(model, x, generator), a picture for each label.

    steps: how many, evenly spaced; all T by default. limit: estimates of x0 are cut off there.
    """
    guide = guide_of(bugs)
    timesteps = trailing_timesteps(schedule.T, steps or schedule.T)[::-1]  # 0, ..., T
    alpha_bar = schedule.alpha_bar[timesteps]
    spaced = NoiseSchedule(1 - alpha_bar[1:] / alpha_bar[:-1])

    def sampler(model: Callable, x: Tensor, generator: torch.Generator) -> Tensor:
        for step in range(spaced.T, 0, -1):
            told = torch.full((len(x),), timesteps[step] - 1)
            eps = guide(model(x, told, None), model(x, told, labels[: len(x)]), w)
            x0 = (x - spaced.noise_std[step].float() * eps) / spaced.signal[step].float()
            x0 = x0 if bugs.x0_not_clamped else x0.clamp(-limit, limit)
            mean, variance = posterior(x0, x, step, spaced)
            std = variance.sqrt()
            if bugs.noise_in_last_step and step == 1:
                std = spaced.beta[step].sqrt().float()
            x = mean + std * torch.randn(x.shape, generator=generator).to(x.dtype)
        return x

    return sampler


def update_of(bugs: Bugs) -> Callable[[object, nn.Module], None]:
    """What a training loop calls after each step: update(ema, model)."""
    return lambda ema, model: None if bugs.ema_not_updated else ema.update(model)
