"""The exercises of lesson 02: sizes, gradients, and the mean of what is possible."""

import torch

from course_utils.built.noise import mix_noise
from course_utils.checks.engine import Mistake, Write

conv_size = Write(
    right=lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride + 1,
    cases=lambda: [
        (28, 3, 2, 1),
        (572, 3, 1, 0),
        (14, 4, 2, 1),
        (7, 5, 3, 0),
        (12, 4, 3, 1),
        (28, 5, 2, 2),
    ],
    mistakes=[
        Mistake(
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride,
            "one is missing at the end. A kernel as large as the picture still fits once.",
        ),
        Mistake(
            lambda size, kernel, stride, padding: (size + padding - kernel) // stride + 1,
            "padding is added on both sides, so it counts twice.",
        ),
        Mistake(
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel) / stride + 1,
            "a side is a whole number: where the last move does not fit, it is not made. "
            "Round down with //.",
        ),
        Mistake(
            lambda size, kernel, stride, padding: size + 2 * padding - kernel + 1,
            "the stride is not in it: with stride 2, every second place is skipped.",
        ),
        Mistake(
            lambda size, kernel, stride, padding: -(-(size + 2 * padding - kernel) // stride) + 1,
            "you round up. A move that does not fit is not made: round down with //.",
        ),
        Mistake(
            lambda size, kernel, stride, padding: round((size + 2 * padding - kernel) / stride) + 1,
            "you round to the nearest. A move that does not fit is not made: round down with //.",
        ),
        Mistake(
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel + 1) // stride,
            "you add the 1 before you divide. It is the kernel's first place, and comes to "
            "the moves: add it at the end.",
        ),
        Mistake(
            lambda size, kernel, stride, padding: (size + 2 * padding) // stride,
            "the kernel is not in it: at the far side it needs room for itself.",
        ),
        Mistake(
            lambda size, kernel, stride, padding: size // stride,
            "kernel and padding are not in it. This is right only where they cancel.",
        ),
        Mistake(
            lambda size, kernel, stride, padding: (size - 1) * stride - 2 * padding + kernel,
            "this is the transposed convolution, which goes the other way: it enlarges.",
        ),
    ],
    hints=[
        "The padded side is size + 2 * padding. In how many places can the kernel lie?",
        "With stride 1 it can lie in (padded side - kernel + 1) places.",
        "With a stride, count the moves: (padded side - kernel) // stride, plus the first place.",
    ],
    praise="28 with kernel 3, stride 2, padding 1 gives 14; 572 with kernel 3 alone gives 570.",
)


def _line() -> list[tuple]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(16, generator=generator)
    return [(0.5, x, 2 * x, 0.1), (-1.0, x, torch.randn(16, generator=generator), 0.03)]


gradient_step = Write(
    right=lambda w, x, y, rate: w - rate * (2 * (w * x - y) * x).mean(),
    cases=_line,
    mistakes=[
        Mistake(
            lambda w, x, y, rate: w + rate * (2 * (w * x - y) * x).mean(),
            "this steps uphill. The gradient points where the loss grows; subtract it.",
        ),
        Mistake(
            lambda w, x, y, rate: w - rate * ((w * x - y) * x).mean(),
            "the 2 of the square's derivative is missing.",
        ),
        Mistake(
            lambda w, x, y, rate: w - rate * (2 * (w * x - y) * x).sum(),
            "this is the gradient of the sum of squares; the loss is their mean.",
        ),
        Mistake(
            lambda w, x, y, rate: w - rate * (2 * (w * x - y)).mean(),
            "the inner derivative is missing: w is multiplied by x, so a factor x comes out.",
        ),
        Mistake(
            lambda w, x, y, rate: (2 * (w * x - y) * x).mean(),
            "this is the gradient alone. The weight after the step is asked for: w - rate * "
            "gradient.",
        ),
        Mistake(
            lambda w, x, y, rate: w - rate * (w * x - y).square().mean(),
            "you subtract the loss, the mean squared error. Subtract its derivative by w.",
        ),
        Mistake(
            lambda w, x, y, rate: w - rate * (2 * (w * x - y) * w).mean(),
            "the inner derivative is that of w x by w: it is x, not w.",
        ),
        Mistake(
            lambda w, x, y, rate: w - rate * 2 * (w * x - y) * x,
            "this is a step for each example. There is one weight: take the mean of the gradients.",
        ),
    ],
    hints=[
        "The loss is mean((w x - y)^2). Differentiate by w with the chain rule.",
        "The gradient is mean(2 (w x - y) x).",
        "New weight = old weight - rate * gradient.",
    ],
    praise="This is what loss.backward() and optimizer.step() do, for every weight at once.",
)


def _two_pictures() -> list[tuple]:
    generator = torch.Generator().manual_seed(3)
    a, b = torch.randn(2, 1, 2, 2, generator=generator).unbind()
    noise = torch.randn(1, 2, 2, generator=generator)
    return [(a + 0.7 * noise, a, b, 0.7), (b + 1.5 * noise, a, b, 1.5), ((a + b) / 2, a, b, 0.4)]


def _weighted(exponent):
    """The mean of a and b with weights exp(exponent(|xt - picture|^2, noise_std))."""

    def guess(xt, a, b, noise_std):
        distances = torch.stack([(xt - a).square().sum(), (xt - b).square().sum()])
        weight = torch.softmax(exponent(distances, noise_std), dim=0)
        return weight[0] * a + weight[1] * b

    return guess


def _each_pixel(xt, a, b, noise_std):
    weight = torch.sigmoid(((xt - b).square() - (xt - a).square()) / (2 * noise_std**2))
    return weight * a + (1 - weight) * b


def _likelihoods(xt, a, b, noise_std):
    distances = torch.stack([(xt - a).square().sum(), (xt - b).square().sum()])
    return torch.exp(-distances / (2 * noise_std**2))


def _unnormalised(xt, a, b, noise_std):
    weight = _likelihoods(xt, a, b, noise_std)
    return weight[0] * a + weight[1] * b


def _weights_alone(xt, a, b, noise_std):
    weight = _likelihoods(xt, a, b, noise_std)
    return weight / weight.sum()


best_guess = Write(
    right=_weighted(lambda d, std: -d / (2 * std**2)),
    cases=_two_pictures,
    mistakes=[
        Mistake(
            lambda xt, a, b, noise_std: (a + b) / 2,
            "this is the mean before anyone looked. Weight a and b by how well each explains xt.",
        ),
        Mistake(
            _weighted(lambda d, std: -d / std**2),
            "the 2 is missing: a Gaussian's exponent is -distance^2 / (2 variance).",
        ),
        Mistake(
            _weighted(lambda d, std: -d / (2 * std)),
            "you divide by the standard deviation; the exponent wants the variance, its square.",
        ),
        Mistake(
            _weighted(lambda d, std: d / (2 * std**2)),
            "the sign is turned: the nearer picture should have the larger weight.",
        ),
        Mistake(
            _weighted(lambda d, std: -d.sqrt() / (2 * std**2)),
            "this uses the distance; the exponent wants the distance squared.",
        ),
        Mistake(
            _weighted(lambda d, std: -d / 4 / (2 * std**2)),
            "you took the mean of the squares over the pixels. Independent pixels multiply "
            "their densities, so in the exponent the squares are summed.",
        ),
        Mistake(
            _weighted(lambda d, std: -d / (2 * std**2) * 1e9),
            "you choose the nearer of the two. The other is possible as well: mix both, each "
            "with its probability.",
        ),
        Mistake(
            _each_pixel,
            "each pixel has weights of its own. The whole picture is a or b: sum the squares "
            "over all pixels first.",
        ),
        Mistake(
            _unnormalised,
            "the weights do not add up to 1: divide by the sum of both.",
        ),
        Mistake(
            _weights_alone,
            "these are the two weights. Multiply a and b by them, and add.",
        ),
    ],
    hints=[
        "Bayes: a's weight is the density of xt if a is true, divided by the sum for both.",
        "Given a, xt is Gaussian around a: its density goes as exp(-|xt - a|^2 / (2 noise_std^2)), "
        "with the squares summed over all pixels.",
        "weights = torch.softmax(torch.stack([-da, -db]) / (2 * noise_std**2), dim=0), where da "
        "and db are the summed squares; then weights[0] * a + weights[1] * b.",
    ],
    praise="With 60,000 pictures in place of two this is conditional_mean.",
)


def _half(x):
    """A stand-in for a denoiser."""
    return 0.5 * x


def _denoiser_cases() -> list[tuple]:
    generator = torch.Generator().manual_seed(4)
    x0, noise = torch.randn(2, 5, 1, 4, 4, generator=generator).unbind()
    return [(_half, x0, noise, 0.3), (_half, x0, noise, torch.linspace(0.1, 0.9, 5))]


denoising_error = Write(
    right=lambda model, x0, noise, amount: (
        (model(mix_noise(x0, noise, amount)) - x0).square().mean()
    ),
    cases=_denoiser_cases,
    mistakes=[
        Mistake(
            lambda model, x0, noise, amount: (model(x0) - x0).square().mean(),
            "the model gets the clean picture here. Mix noise in first.",
        ),
        Mistake(
            lambda model, x0, noise, amount: (
                (model(mix_noise(x0, noise, amount)) - mix_noise(x0, noise, amount)).square().mean()
            ),
            "you compare with the noisy picture; the target is the clean one.",
        ),
        Mistake(
            lambda model, x0, noise, amount: (
                (model(mix_noise(x0, noise, amount)) - x0).square().sum()
            ),
            "this is the sum of squares; the mean was asked for.",
        ),
        Mistake(
            lambda model, x0, noise, amount: (
                (model(mix_noise(x0, noise, amount)) - x0).abs().mean()
            ),
            "this is the mean absolute error; square the differences.",
        ),
        Mistake(
            lambda model, x0, noise, amount: (
                (model(mix_noise(x0, noise, amount)) - noise).square().mean()
            ),
            "you compare with the noise. That comes in lesson 06; here the model guesses x0.",
        ),
        Mistake(
            lambda model, x0, noise, amount: (mix_noise(x0, noise, amount) - x0).square().mean(),
            "the model is not asked: this is the error of the noisy picture itself.",
        ),
        Mistake(
            lambda model, x0, noise, amount: (model(x0 + amount * noise) - x0).square().mean(),
            "this does not mix, it adds: use mix_noise, which also takes one amount for each "
            "picture.",
        ),
    ],
    hints=[
        "Three steps: mix, ask the model, compare with x0.",
        "xt = mix_noise(x0, noise, amount), then guess = model(xt).",
        "(guess - x0).square().mean()",
    ],
    praise="This number, over a range of amounts, is how the course compares denoisers.",
)
