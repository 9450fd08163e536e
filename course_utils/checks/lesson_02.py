"""The exercises of lesson 02: sizes, gradients, and the mean of what is possible."""

import torch

from course_utils.built.noise import mix_noise
from course_utils.checks.engine import Explore, Mistake, NotYet, Predict, Repair, Write
from course_utils.data import datasets

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


touched = Predict(
    right=4,
    mistakes=[
        Mistake(1, "the stamps overlap: they lie 2 apart and are 4 wide."),
        Mistake(2, "that is along one axis. There are two: rows and columns."),
        Mistake(16, "that is how many squares one stamp touches. How many stamps touch a square?"),
        Mistake(8, "2 along the rows and 2 along the columns multiply."),
        Mistake(9, "along one axis stamps lie 2 apart and are 4 wide, so 2 of them cover a place."),
        Mistake(49, "that is the number of all stamps. Each is 4 wide, so it reaches few squares."),
    ],
    hints=[
        "Look along one row only. Stamps begin at 0, 2, 4, ... and are 4 wide. How many cover 5?",
        "In one dimension it is 4 / 2. In two dimensions the same holds for rows and columns.",
    ],
    praise="4 / 2 along each axis, so 2 x 2, everywhere. That is why 4 is a multiple of 2.",
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


little_noise = Predict(
    right="leave it",
    choices=("network", "leave it", "equal"),
    mistakes=[
        Mistake(
            "network",
            "it does win in the middle. But whatever goes in passes through 64 numbers, and the "
            "detail that they lose is lost at every amount.",
        ),
        Mistake(
            "equal",
            "at amount 0.05 the noise is nearly nothing, and the error of a copy from 64 numbers "
            "is what it always is.",
        ),
    ],
    hints=[
        "What error does the network make where there is no noise at all?",
        "Look at the digits redrawn from 32 and 128 numbers, and at their errors: 0.05 or so. "
        "Leaving the picture alone at amount 0.1 cost 0.019.",
    ],
    praise="What the waist loses is lost without noise, too: an error of 0.02 or more.",
)


def _blank_noise(model, x0, generator):
    """The broken loss: its noise is only ever bright."""
    amount = torch.rand(len(x0), generator=generator)
    noise = torch.rand(x0.shape, generator=generator)
    guess = model(mix_noise(x0, noise, amount))
    return torch.nn.functional.mse_loss(guess, x0)


def _loss_with(amount=torch.rand, noise=torch.randn, target=0):
    """A denoising loss; target 0: the clean picture, 1: the noise, 2: the noisy picture."""

    def loss(model, x0, generator):
        a = amount(len(x0), generator=generator)
        eps = noise(x0.shape, generator=generator)
        xt = mix_noise(x0, eps, a)
        return (model(xt) - (x0, eps, xt)[target]).square().mean()

    return loss


def _measured_loss(answer, seed: int):
    """What a denoising loss does with its noise and its target, as yes (1) and no (0)."""
    seen = []

    def model(x):
        seen.append(x)
        return 0.5 * x

    # a picture so strong that its share in the mix can be read off
    x0 = 10 * torch.ones(64, 1, 28, 28)
    x0[..., ::2] *= -1
    loss = answer(model, x0, torch.Generator().manual_seed(seed))
    if loss is None or loss is ...:
        return loss
    if not seen or seen[0].shape != x0.shape:
        raise NotYet("the model should be asked once, for the whole batch.")
    xt = seen[0]
    amount = 1 - (xt * x0).mean((1, 2, 3)) / 100
    noise = (xt - mix_noise(x0, torch.zeros_like(x0), amount)) / amount.view(-1, 1, 1, 1)
    noise = noise[amount > 0.05]
    answer(model, x0, torch.Generator().manual_seed(seed))
    return torch.tensor(
        [
            noise.mean().abs() < 0.03,
            (noise.std() - 1).abs() < 0.03,
            (noise.std() ** -4 * (noise - noise.mean()).pow(4).mean() - 3).abs() < 0.3,
            (noise[0] * noise[1]).mean().abs() < 0.3,
            amount.std() > 0.2,
            -0.01 < amount.min() and amount.max() < 1.01,
            torch.equal(seen[0], seen[-1]),
            abs(float(loss) / (0.5 * xt - x0).square().mean().item() - 1) < 1e-3,
            abs(float(loss) / (0.5 * xt - xt).square().mean().item() - 1) > 1e-3,
        ]
    ).float()


mended_loss = Repair(
    broken=_blank_noise,
    symptom="The guesses have thin, broken strokes, although the loss is low.",
    right=_loss_with(),
    cases=lambda: [(1,), (2,)],
    outcome=_measured_loss,
    measured=True,
    mistakes=[
        Mistake(
            _loss_with(
                noise=lambda shape, generator: 2 * torch.rand(shape, generator=generator) - 1
            ),
            "the noise has the mean 0 now, and it is still uniform, with a standard deviation of "
            "0.58. The test pictures hold Gaussian noise.",
        ),
        Mistake(
            _loss_with(
                noise=lambda shape, generator: (
                    (torch.rand(shape, generator=generator) - 0.5) * 12**0.5
                )
            ),
            "mean and standard deviation are right, and the noise is still uniform: it never "
            "exceeds 1.7. The test pictures hold Gaussian noise.",
        ),
        Mistake(
            _loss_with(noise=lambda shape, generator: torch.randn(shape)),
            "this noise does not come from `generator`: a second run draws another.",
        ),
        Mistake(
            _loss_with(amount=lambda n, generator: torch.randn(n, generator=generator)),
            "the amounts are to lie evenly in [0, 1]: they were right. Look at the noise.",
        ),
        Mistake(
            _loss_with(amount=lambda n, generator: torch.rand(1, generator=generator).expand(n)),
            "the noise is right, but all pictures of the batch have the same amount now.",
        ),
        Mistake(
            _loss_with(
                noise=lambda shape, generator: torch.randn(shape[1:], generator=generator).expand(
                    shape
                )
            ),
            "it is Gaussian now, but every picture of the batch gets the same noise.",
        ),
        Mistake(
            _loss_with(target=1),
            "you compare with the noise. That comes in lesson 06; here the model guesses x0.",
        ),
        Mistake(
            _loss_with(target=2),
            "you compare with the noisy picture; the target is the clean one.",
        ),
    ],
    hints=[
        "Which noise is in the pictures that the network is tried on? And in those it learns from?",
        "A network that only ever saw noise brighten a picture makes everything darker. Print the "
        "mean of the noise.",
        "There are two ways to draw random numbers in torch, which differ by one letter.",
    ],
    praise="`rand` is uniform in [0, 1), `randn` Gaussian. A low loss says little if the task in "
    "training is not the task in use.",
)


four_or_nine = Predict(
    right="average",
    choices=("4", "9", "average"),
    mistakes=[
        Mistake(
            "4",
            "half of the time it is exactly right, and half of the time it is all wrong. And the "
            "error is squared: one large error costs more than two of half its size.",
        ),
        Mistake(
            "9",
            "half of the time it is exactly right, and half of the time it is all wrong. And the "
            "error is squared: one large error costs more than two of half its size.",
        ),
    ],
    hints=[
        "Take one pixel that is -1 in the 4 and 1 in the 9. What does a guess of -1 cost on "
        "average, and what a guess of 0?",
        "A guess of -1 costs 0 or 4, so 2 on average. A guess of 0 costs 1 in both cases.",
    ],
    praise="Where both digits are equal it costs nothing, and elsewhere half as much as either.",
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
        "Dividing two tiny densities ends in 0 / 0; `torch.softmax` of their logarithms does not.",
    ],
    praise="With 60,000 pictures in place of two this is conditional_mean.",
)


def _error_at_half(denoiser):
    """The mean squared error of a denoiser on 1,000 test digits with amount 0.5 of noise."""
    clean = datasets.mnist(train=False)[0][-1000:]
    generator = torch.Generator().manual_seed(21)
    noise = torch.randn(clean.shape, generator=generator)
    guess = denoiser(mix_noise(clean, noise, 0.5))
    if not isinstance(guess, torch.Tensor) or guess.shape != clean.shape:
        raise ValueError("a guess for each picture is wanted, as a tensor of the same shape.")
    return (guess.float().cpu() - clean).square().mean()


best_denoiser = Explore(
    score=_error_at_half,
    board={
        "leaving it as it is": 0.481,
        "the mean digit": 0.277,
        "doubled, blurred by 3 x 3 and clipped": 0.134,
        "the conditional mean of the training digits": 0.0986,
        "the best linear map": 0.0804,
        "EncoderDecoder after 600 steps": 0.0546,
    },
    higher=False,
    hints=[
        "At amount 0.5 twice the noisy picture is the digit plus noise. Which neighbours help to "
        "guess a pixel, and what do you do with values beyond -1 and 1?",
        "The best linear map needs only the mean and the covariance of the training digits (a "
        "matrix of 784 x 784).",
        "A network may train on amount 0.5 alone, longer, or with a wider waist: what does each "
        "bring?",
    ],
    praise="New test digits are not among the training digits: that is why their conditional mean "
    "is not first here.",
)
