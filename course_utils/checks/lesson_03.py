"""The exercises of lesson 03: the U-Net's arithmetic, skips, and moving part of the way."""

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from course_utils.built.noise import mix_noise
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write

relu_at_the_end = Predict(
    right="most",
    choices=("none", "few", "most"),
    mistakes=[
        Mistake("none", "a ReLU gives 0 or more, and these pictures go down to -1."),
        Mistake("few", "ink is +1 and background -1: which of them fills more of a digit?"),
    ],
    hints=[
        "A ReLU never gives a number below 0. What is a background pixel here?",
        "Pictures lie in [-1, 1], and most of a digit is background.",
    ],
    praise="The background is -1, and a ReLU ends at 0: the best it could do there is grey.",
)

skips_cut = Predict(
    right="a blur",
    choices=("the same digits", "a blur", "the noise"),
    mistakes=[
        Mistake(
            "the same digits",
            "the layers above get less to work with: half of their channels are zero now.",
        ),
        Mistake(
            "the noise",
            "noise comes in with the picture, at full detail, and that way is cut.",
        ),
    ],
    hints=[
        "What is left comes from 7 x 7 positions. How fine can it be?",
        "Where a stroke runs is told by the skips; whether there is a digit, from below.",
    ],
    praise="The coarse layers know that there is a digit, not where its lines run.",
)


def _unet_output(lost_down=4, lost_bottom=4, lost_up=4):
    """The output's side when each level loses so many pixels on its way down, at the bottom, up."""

    def output(size, levels):
        for _ in range(levels - 1):
            size = (size - lost_down) // 2
        size -= lost_bottom
        for _ in range(levels - 1):
            size = size * 2 - lost_up
        return size

    return output


def _halved_first(size, levels):
    for _ in range(levels - 1):
        size = size // 2 - 4
    size -= 4
    for _ in range(levels - 1):
        size = size * 2 - 4
    return size


unet_output = Write(
    right=_unet_output(),
    cases=lambda: [(572, 5), (188, 4), (44, 2), (700, 5)],
    mistakes=[
        Mistake(
            _unet_output(2, 2, 2),
            "one convolution takes 2 off a side, and each level has two of them.",
        ),
        Mistake(
            _unet_output(lost_up=0),
            "the blocks on the way up have convolutions too, and they take 4 off as well.",
        ),
        Mistake(
            _unet_output(lost_bottom=0),
            "the lowest level has a block of its own: two convolutions at the coarsest resolution.",
        ),
        Mistake(
            lambda size, levels: _unet_output()(size, levels + 1),
            "you halve once too often: with 5 levels there are 4 steps down.",
        ),
        Mistake(
            lambda size, levels: size,
            "without padding every convolution takes 2 off a side, so the output is smaller.",
        ),
        Mistake(
            _unet_output(lost_down=0),
            "the blocks on the way down have convolutions too, and they take 4 off as well.",
        ),
        Mistake(
            lambda size, levels: _unet_output(lost_up=0)(size, levels) // 2 ** (levels - 1),
            "this is the side at the bottom. The way up doubles it, once for each step down.",
        ),
        Mistake(
            _halved_first,
            "you halve first. At each level the block comes before the halving.",
        ),
        Mistake(
            lambda size, levels: size - 4 * (2 * levels - 1),
            "4 pixels of a coarse level are 8, 16, ... of the input's: follow the size, level"
            " by level.",
        ),
    ],
    hints=[
        "Follow the figure: 572 - 4 = 568, half of it 284, minus 4 ...",
        "levels - 1 times: size = (size - 4) // 2. Then size - 4 at the bottom.",
        "levels - 1 times on the way up: size = 2 * size - 4.",
    ],
    praise="And 572 is no accident: the side must be even before every halving.",
)


def _skip_cases() -> list[tuple]:
    generator = torch.Generator().manual_seed(5)
    return [
        (
            torch.randn(2, 3, 4, 4, generator=generator),
            torch.randn(2, 5, 8, 8, generator=generator),
        ),
        (
            torch.randn(1, 4, 2, 3, generator=generator),
            torch.randn(1, 4, 4, 6, generator=generator),
        ),
    ]


def _enlarged(x):
    return functional.interpolate(x, scale_factor=2)


def _tiled_join(x, skip):
    return torch.cat([x.repeat(1, 1, 2, 2), skip], dim=1)


def _zeros_between(x, skip):
    spread = torch.zeros(*x.shape[:2], *skip.shape[2:])
    spread[:, :, ::2, ::2] = x
    return torch.cat([spread, skip], dim=1)


join = Write(
    right=lambda x, skip: torch.cat([_enlarged(x), skip], dim=1),
    cases=_skip_cases,
    mistakes=[
        Mistake(
            lambda x, skip: torch.cat([skip, _enlarged(x)], dim=1),
            "the order is turned: here the enlarged x comes first, then the skip.",
        ),
        Mistake(
            _tiled_join,
            "repeat lays four copies side by side; each pixel should become a 2 x 2 block.",
        ),
        Mistake(
            lambda x, skip: torch.cat(
                [functional.interpolate(x, scale_factor=2, mode="bilinear"), skip], dim=1
            ),
            "this interpolates between pixels; repeat them (nearest neighbour).",
        ),
        Mistake(
            lambda x, skip: torch.cat([x, functional.max_pool2d(skip, 2)], dim=1),
            "you shrink the skip to fit. Then its detail is gone, and that is what it was for.",
        ),
        Mistake(
            lambda x, skip: _enlarged(x),
            "the skip is not in it.",
        ),
        Mistake(
            lambda x, skip: torch.cat(
                [functional.interpolate(x, scale_factor=2, mode="bicubic"), skip], 1
            ),
            "this interpolates between pixels; repeat them (nearest neighbour).",
        ),
        Mistake(
            lambda x, skip: torch.cat([x, functional.avg_pool2d(skip, 2)], dim=1),
            "you shrink the skip to fit, by averaging. Then its detail is gone: enlarge x.",
        ),
        Mistake(
            lambda x, skip: torch.cat([x, skip[:, :, ::2, ::2]], dim=1),
            "you shrink the skip to fit, and lose three pixels of four: enlarge x.",
        ),
        Mistake(
            lambda x, skip: torch.cat([_enlarged(x), skip], dim=0),
            "dim=0 joins the batches. The channels are dimension 1.",
        ),
        Mistake(
            lambda x, skip: torch.cat([x, skip], dim=1),
            "x is only half as high and wide as skip: make x as large first.",
        ),
        Mistake(
            lambda x, skip: _enlarged(x) + skip,
            "the two are added. A U-Net puts them side by side, so that they may have "
            "different channels: torch.cat.",
        ),
        Mistake(
            _zeros_between,
            "you put zeros between the pixels. Repeat each pixel: a 2 x 2 block of equal ones.",
        ),
    ],
    hints=[
        "Two steps: make x as large as skip, then put the two together.",
        "torch.nn.functional.interpolate(x, scale_factor=2) repeats pixels.",
        "torch.cat([...], dim=1) joins along the channels, the second dimension.",
    ],
    praise="This line is the whole difference between an hourglass and a U-Net.",
)

block_parameters = Write(
    right=lambda c_in, c_out: 9 * c_in * c_out + c_out + 9 * c_out * c_out + c_out,
    cases=lambda: [(1, 16), (48, 16), (32, 16), (64, 128)],
    mistakes=[
        Mistake(
            lambda c_in, c_out: 9 * c_in * c_out + 9 * c_out * c_out,
            "the biases are missing: one for each output channel, in both convolutions.",
        ),
        Mistake(
            lambda c_in, c_out: 2 * (9 * c_in * c_out + c_out),
            "the second convolution takes c_out channels in, not c_in.",
        ),
        Mistake(
            lambda c_in, c_out: 9 * c_in * c_out + c_out,
            "this is one convolution; the block has two.",
        ),
        Mistake(
            lambda c_in, c_out: 3 * c_in * c_out + c_out + 3 * c_out * c_out + c_out,
            "a 3 x 3 kernel has 9 weights, not 3.",
        ),
        Mistake(
            lambda c_in, c_out: 9 * c_in + c_out + 9 * c_out + c_out,
            "every output channel has a kernel of its own for every input channel: multiply.",
        ),
        Mistake(
            lambda c_in, c_out: 9 * c_in * c_out + c_in + 9 * c_out * c_out + c_out,
            "a bias belongs to an output channel: the first convolution has c_out of them as well.",
        ),
        Mistake(
            lambda c_in, c_out: 9 * c_in * c_out + 9 * c_out * c_out + 2,
            "a convolution has one bias for each output channel, not one for all.",
        ),
        Mistake(
            lambda c_in, c_out: 10 * c_in * c_out + 10 * c_out * c_out,
            "you gave a bias to each pair of channels. There is one for each output channel.",
        ),
        Mistake(
            lambda c_in, c_out: 9 * c_in * c_in + c_in + 9 * c_in * c_out + c_out,
            "the first convolution changes the channels from c_in to c_out; yours keeps c_in "
            "until the second.",
        ),
    ],
    hints=[
        "One convolution has a 3 x 3 kernel for each pair of an input and an output channel.",
        "That makes 9 * c_in * c_out weights and c_out biases. The block has two convolutions.",
        "The second goes from c_out to c_out.",
    ],
    praise="The finest skip costs 9 * 16 * 16 = 2,304 weights, and little else buys so much.",
)


def _move_cases() -> list[tuple]:
    generator = torch.Generator().manual_seed(6)
    x0, noise = torch.randn(2, 2, 1, 4, 4, generator=generator).unbind()
    return [
        (mix_noise(x0, noise, a), x0 + 0.1, a, b) for a, b in ((1.0, 0.9), (0.6, 0.2), (0.3, 0.0))
    ]


move = Write(
    right=lambda x, guess, a, b: x + (a - b) / a * (guess - x),
    cases=_move_cases,
    mistakes=[
        Mistake(
            lambda x, guess, a, b: x + (a - b) * (guess - x),
            "you move a - b of the way. From amount a to 0 is the whole way, so divide by a.",
        ),
        Mistake(
            lambda x, guess, a, b: x + b / a * (guess - x),
            "b / a is the part that remains; you want the part that is done, 1 - b / a.",
        ),
        Mistake(
            lambda x, guess, a, b: guess,
            "you jump to the guess. Go only as far as amount b.",
        ),
        Mistake(
            lambda x, guess, a, b: x - (a - b) / a * (guess - x),
            "this moves away from the guess: the sign is turned.",
        ),
        Mistake(
            lambda x, guess, a, b: mix_noise(guess, x, b),
            "x is taken for pure noise here, but it holds a part of the picture already.",
        ),
        Mistake(
            lambda x, guess, a, b: x + (a - b) / b * (guess - x) if b else guess,
            "you divide by b. The whole way leads from a to 0, so divide by a.",
        ),
        Mistake(
            lambda x, guess, a, b: (x + guess) / 2,
            "you go half of the way, whatever a and b are: go the fraction (a - b) / a.",
        ),
        Mistake(
            lambda x, guess, a, b: (1 - b) * guess + b * (x - guess),
            "x - guess is not the noise: from x the share (1 - a) of the picture must be "
            "taken, and the rest be divided by a.",
        ),
        Mistake(
            lambda x, guess, a, b: (1 - b) * guess + b * (x - (1 - a) * guess),
            "x - (1 - a) guess is a times the noise: divide it by a.",
        ),
    ],
    hints=[
        "Going from amount a to amount 0 is the whole way to the guess.",
        "From a to b is the fraction (a - b) / a of it.",
        "Where is x after a fraction f of the way to the guess?",
    ],
    praise="Written with the noise instead of the guess, this is one step of DDIM (lesson 07).",
)


def _moved(fraction, again=True):
    """`generate` with another fraction of the way; or with the first guess kept."""

    def generate(model, x, steps):
        guess = model(x)
        for left in range(steps, 0, -1):
            guess = model(x) if again else guess
            x = x + fraction(left, steps) * (guess - x)
        return x

    return generate


def _toy(x: Tensor) -> Tensor:
    """A denoiser of a data set that holds -1 and 1: its best guess lies between."""
    return torch.tanh(2 * x)


mend_generate = Repair(
    right=_moved(lambda left, steps: 1 / left),
    broken=_moved(lambda left, steps: 1 / steps),
    symptom="Its last pictures are grey and still noisy: a third of the noise is left.",
    cases=lambda: [
        (_toy, torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(8)), n)
        for n in (4, 10)
    ],
    mistakes=[
        Mistake(
            _moved(lambda left, steps: 1 / left, again=False),
            "the network is asked once, before the loop: so all moves go to the first blur.",
        ),
        Mistake(
            _moved(lambda left, steps: 1.0),
            "now it jumps to the guess at once, and what follows changes nothing.",
        ),
        Mistake(
            _moved(lambda left, steps: -1 / left),
            "it moves away from the guess: a sign is turned.",
        ),
        Mistake(
            _moved(lambda left, steps: left / steps),
            "the first move is the whole way now, and the last one hardly any: turn it round.",
        ),
        Mistake(
            _moved(lambda left, steps: 1 / (left + 1)),
            "the last move goes half of the way only, so some noise is left.",
        ),
    ],
    hints=[
        "How much of the first noise is left after each move, if each is 1 / steps of the way?",
        "The last move must be the whole way. What part of what is left is each one before?",
        "With `left` moves to go, one part in `left`.",
    ],
    praise="One N-th, one (N - 1)-th, ..., one: equal steps of the amount, and none is left over.",
)

MEANS, STD = torch.tensor([-1.0, 0.4, 1.0], dtype=torch.float64), 0.1
"""A data set of numbers: three kinds, equally frequent, each a narrow Gaussian."""


def best_guess(x: Tensor, amount: float) -> Tensor:
    """The mean of the data under x = (1 - amount) data + amount noise, by Bayes' rule."""
    variance = (1 - amount) ** 2 * STD**2 + amount**2
    off = x[:, None] - (1 - amount) * MEANS
    weights = torch.softmax(-(off**2) / (2 * variance), 1)
    return (weights * (MEANS + (1 - amount) * STD**2 / variance * off)).sum(1)


def _off_the_mark(generate) -> float:
    """How far 2,000 numbers, made with at most six guesses, are from those that they should be.

    In one dimension the exact way keeps the order: each quantile of the noise goes to that of the
    data.
    """
    share = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    noise = 2**0.5 * torch.erfinv(2 * share - 1)
    asked = []

    def guess(x: Tensor, amount: float) -> Tensor:
        asked.append(amount)
        if len(asked) > 6:
            raise ValueError("it asks for a seventh guess; six are all that there are.")
        if not 0 < amount <= 1:
            raise ValueError(f"it asks for a guess at amount {amount:g}; ask above 0, up to 1.")
        return best_guess(x, amount)

    made = generate(guess, noise)
    if not isinstance(made, Tensor) or made.shape != noise.shape:
        raise ValueError("give back the numbers after the last move, as many as x.")
    grid = torch.linspace(-2, 2, 8001, dtype=torch.float64)
    below = torch.special.ndtr((grid[:, None] - MEANS) / STD).mean(1)
    i = torch.searchsorted(below, share).clamp(1, 8000)
    part = (share - below[i - 1]) / (below[i] - below[i - 1])
    return (made - torch.lerp(grid[i - 1], grid[i], part)).abs().mean().item()


def equal_moves(guess, x, steps=6):
    """The lesson's way: equal steps of the amount, each straight to the guess."""
    amounts = [1 - i / steps for i in range(steps + 1)]
    for a, b in pairwise(amounts):
        x = x + (a - b) / a * (guess(x, a) - x)
    return x


six_guesses = Explore(
    score=_off_the_mark,
    board={
        "six equal moves": 0.09552,
        "Adams's and Bashforth's method": 0.06099,
        "twelve equal moves": 0.04861,
    },
    higher=False,
    hints=[
        "The line is only nearly straight: the direction (x - guess) / a changes on the way.",
        "You know the last two directions. Where will the next one point, if it goes on turning?",
        "And the amounts need not be equal: look where the guesses change most.",
    ],
    praise="Lesson 07 is about nothing else: better ways for the same number of guesses.",
)
