"""Six bugs in code of other habits than ours: what does the doctor find that was not tuned on them?

Each is written as such code is written elsewhere: one module that holds everything, a script with
long names, a scheduler with `add_noise` and `step`, time from 0 to 1, attention by hand.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.built.digit_unet import DigitUNet
from course_utils.built.guidance import classifier_free_guidance
from course_utils.built.schedule import NoiseSchedule, linear_betas
from course_utils.checks import doctor
from course_utils.checks.doctor import Finding

T = 1000
SCHEDULE = NoiseSchedule(linear_betas(T))


def extract(a: Tensor, t: Tensor, shape: torch.Size) -> Tensor:
    return a.gather(0, t).float().reshape(len(t), *[1] * (len(shape) - 1))


class GaussianDiffusion(nn.Module):
    """Everything in one module. The square root of one_minus_alphas_cumprod is missing."""

    def __init__(self, model: Callable):
        super().__init__()
        self.model = model
        alphas_cumprod = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T), dim=0)
        self.register_buffer("sqrt_alphas_cumprod", alphas_cumprod.sqrt())
        self.register_buffer("one_minus_alphas_cumprod", 1 - alphas_cumprod)

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        kept = extract(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
        return kept + extract(self.one_minus_alphas_cumprod, t, x_start.shape) * noise

    def forward(self, img: Tensor, classes: Tensor) -> Tensor:
        t, noise = torch.randint(0, T, (len(img),)), torch.randn_like(img)
        classes = torch.where(torch.rand(len(img)) < 0.1, 10, classes)
        return nn.functional.l1_loss(self.model(self.q_sample(img, t, noise), t, classes), noise)


class Diffusion:
    """A script: alpha_hat, noise_images, sample_timesteps. `rand_like`, and T is never drawn."""

    def __init__(self, uniform: bool = False, last: int = T):
        self.alpha_hat = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T), dim=0)
        self.uniform, self.last = uniform, last

    def noise_images(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        sqrt_alpha_hat = torch.sqrt(self.alpha_hat[t])[:, None, None, None]
        sqrt_one_minus_alpha_hat = torch.sqrt(1 - self.alpha_hat[t])[:, None, None, None]
        noise = torch.rand_like(x) if self.uniform else torch.randn_like(x)
        return sqrt_alpha_hat * x + sqrt_one_minus_alpha_hat * noise, noise

    def train_step(self, model: Callable, images: Tensor, labels: Tensor, *_: object) -> Tensor:
        t = torch.randint(low=0, high=self.last, size=(len(images),))
        x_t, noise = self.noise_images(images, t)
        labels = torch.where(torch.rand(len(labels)) < 0.1, 10, labels)
        return nn.functional.mse_loss(noise, model(x_t, t, labels))


class Scheduler:
    """`set_timesteps`, `step`. With variance beta: a line `if t > 0` is missing where asked for."""

    def __init__(self, noise_at_0: bool = False):
        self.alphas_cumprod = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T), dim=0)
        self.noise_at_0 = noise_at_0
        self.timesteps = list(range(T - T // 20, -1, -T // 20))

    def step(self, eps: Tensor, t: int, sample: Tensor, generator: torch.Generator) -> Tensor:
        alpha_prod_t, prev_t = self.alphas_cumprod[t], t - T // 20
        alpha_prod_prev = self.alphas_cumprod[prev_t] if prev_t >= 0 else torch.tensor(1.0)
        current_alpha = alpha_prod_t / alpha_prod_prev
        original = (sample - (1 - alpha_prod_t).sqrt() * eps) / alpha_prod_t.sqrt()
        original = original.clamp(-1, 1)
        weight = alpha_prod_prev.sqrt() * (1 - current_alpha) / (1 - alpha_prod_t)
        kept = current_alpha.sqrt() * (1 - alpha_prod_prev) / (1 - alpha_prod_t)
        prev_sample = weight * original + kept * sample
        if t > 0 or self.noise_at_0:
            noise = torch.randn(sample.shape, generator=generator)
            prev_sample = prev_sample + (1 - current_alpha).sqrt() * noise
        return prev_sample

    def __call__(self, model: Callable, x: Tensor, generator: torch.Generator) -> Tensor:
        for t in self.timesteps:
            labels = torch.zeros(len(x), dtype=torch.long)
            x = self.step(model(x, torch.full((len(x),), t), labels), t, x, generator)
        return x


class ContinuousTime(nn.Module):
    """A network for times of (0, 1), whose sinusoid was made for 0, 1, ..., 999."""

    def __init__(self):
        super().__init__()
        self.unet = DigitUNet(width=16, deep=32)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return self.unet(x, t, y)

    @staticmethod
    def loss(model: Callable, x: Tensor, y: Tensor, *_: object) -> Tensor:
        t = (torch.randint(0, T, (len(x),)) + 1) / T
        step = (t * T).round().long()
        mean = SCHEDULE.signal[step].float()[:, None, None, None] * x
        std = SCHEDULE.noise_std[step].float()[:, None, None, None]
        z = torch.randn_like(x)
        y = torch.where(torch.rand(len(y)) < 0.1, 10, y)
        return torch.mean((model(mean + std * z, t, y) - z) ** 2)


class SelfAttention(nn.Module):
    """Attention by hand over large numbers: in half precision they overflow, and are cut off."""

    def __init__(self):
        super().__init__()
        self.unet = DigitUNet(width=16, deep=32)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        tokens = 300 * x.flatten(2).transpose(1, 2)  # N x HW x C
        energy = (tokens @ tokens.transpose(1, 2)) / math.sqrt(tokens.shape[2])
        energy = torch.nan_to_num(energy, posinf=6e4, neginf=-6e4) / 1e4
        return self.unet(x + (energy.softmax(2) @ tokens).transpose(1, 2).view_as(x) / 300, t, y)


def _examined(model: nn.Module, loss: Callable, sampler: Callable) -> list[Finding]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(64, 1, 12, 12, generator=generator) * 2 - 1
    labels = torch.arange(64) % 10
    options = dict(schedule=SCHEDULE, guide=classifier_free_guidance, null=10)
    return doctor.diagnose(model, loss, sampler, (images, labels), **options)


def cases() -> dict[str, list[Finding]]:
    """The doctor's findings on each: first on code of these habits without a bug."""
    torch.manual_seed(0)
    unet, right = DigitUNet(width=16, deep=32), Diffusion().train_step

    def module(model: Callable, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        return GaussianDiffusion(model)(x, y)

    return {
        "none": _examined(unet, right, Scheduler()),
        "a root is missing, in a module": _examined(unet, module, Scheduler()),
        "rand_like, in a script": _examined(unet, Diffusion(True).train_step, Scheduler()),
        "noise at t = 0, in a scheduler": _examined(unet, right, Scheduler(True)),
        "t in (0, 1) in the sinusoid": _examined(
            ContinuousTime(), ContinuousTime.loss, Scheduler()
        ),
        "an overflow that is cut off": _examined(SelfAttention(), right, Scheduler()),
        "the last t is never drawn": _examined(unet, Diffusion(last=T - 1).train_step, Scheduler()),
    }
