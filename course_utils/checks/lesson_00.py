"""The exercises of lesson 00: shapes, pictures in and out, seeds, and a first generator."""

import numpy as np
import torch
from torch import Tensor

from course_utils.checks.engine import Explore, Mistake, NotYet, Predict, Repair, Write
from course_utils.evaluation import scores

same_noise = Predict(
    right="equal",
    choices=("equal", "alike", "different"),
    mistakes=[
        Mistake(
            "alike",
            "that would be so if something in between were left to chance. This sampler draws no "
            "random numbers on the way.",
        ),
        Mistake(
            "different",
            "where would the difference come from? The network is a function: the same input, the "
            "same output.",
        ),
    ],
    hints=[
        "Which random numbers are drawn, and when?",
        "Only the first noise is random. All ten steps after it are arithmetic.",
    ],
    praise="All chance is in the noise at the start. So a seed names a picture.",
)


def _typed(result, kind: torch.dtype):
    """The result as a tensor where its type is `kind`; raises NotYet where it is not."""
    if result is None or result is ...:
        return result
    if isinstance(result, np.ndarray) and kind == torch.uint8:
        result = torch.from_numpy(np.ascontiguousarray(result))
    if not isinstance(result, Tensor):
        raise NotYet(f"the result should be a Tensor, and yours is a {type(result).__name__}.")
    if result.dtype != kind:
        raise NotYet(f"the numbers should be {kind}, and yours are {result.dtype}.")
    return result


def _behaviour(answer, seed: int):
    """What is asked of seeded noise, as yes (1) and no (0)."""
    torch.manual_seed(123)
    expected = torch.rand(1)
    torch.manual_seed(123)
    first = answer((64, 64), seed)
    if not isinstance(_typed(first, torch.float32), Tensor):
        return first
    if first.shape != (64, 64):
        raise NotYet(f"the shape (64, 64) was asked for, and yours is {tuple(first.shape)}.")
    undisturbed = torch.equal(torch.rand(1), expected)
    again, other = answer((64, 64), seed), answer((64, 64), seed + 1)
    return torch.tensor(
        [
            torch.equal(first, again),
            not torch.equal(first, other),
            abs(first.mean().item()) < 0.1,
            abs(first.std().item() - 1) < 0.1,
            first.abs().max().item() > 1,
            undisturbed,
        ]
    ).float()


def _seeded(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _seeded_for_all(shape, seed):
    torch.manual_seed(seed)
    return torch.randn(shape)


def _source(seed):
    return torch.Generator().manual_seed(seed)


seeded_noise = Write(
    right=_seeded,
    cases=lambda: [(7,), (41,)],
    outcome=_behaviour,
    measured=True,
    mistakes=[
        Mistake(
            lambda shape, seed: torch.randn(shape),
            "two calls with the same seed give different noise: the seed is not used.",
        ),
        Mistake(
            lambda shape, seed: torch.randn(shape, generator=torch.Generator().manual_seed(0)),
            "every seed gives the same noise: use the seed that you are given.",
        ),
        Mistake(
            _seeded_for_all,
            "`torch.manual_seed` sets the seed of the whole program: whoever draws after you gets "
            "other numbers. Make a `torch.Generator` of your own.",
        ),
        Mistake(
            lambda shape, seed: torch.rand(shape, generator=torch.Generator().manual_seed(seed)),
            "`rand` is uniform in [0, 1). Gaussian noise is `randn`, with an n for normal.",
        ),
        Mistake(
            lambda shape, seed: 2 * torch.rand(shape, generator=_source(seed)) - 1,
            "`rand` is uniform, stretched to [-1, 1] too. Gaussian noise is `randn`, with an "
            "n for normal.",
        ),
        Mistake(
            lambda shape, seed: 0.5 * _seeded(shape, seed),
            "standard normal noise has the standard deviation 1: leave it as `randn` draws it.",
        ),
        Mistake(
            lambda shape, seed: 5 + _seeded(shape, seed),
            "standard normal noise has the mean 0: add nothing to it.",
        ),
    ],
    hints=[
        "`torch.Generator().manual_seed(seed)` is a source of numbers that is yours alone.",
        "Pass it on: `torch.randn(shape, generator=...)`.",
    ],
    praise="The same seed gives the same noise, and nobody else is disturbed.",
)


numbers_in_a_batch = Predict(
    right=32 * 1 * 28 * 28,
    mistakes=[
        Mistake(28 * 28, "that is one picture; a batch has 32 of them."),
        Mistake(32 * 32 * 32, "MNIST's pictures are 28 x 28, not 32 x 32."),
        Mistake(32 * 3 * 28 * 28, "MNIST is grey: 1 channel, not 3."),
        Mistake(32 * 28, "that counts one row of each picture: a picture has 28 of them."),
        Mistake(
            32 + 1 + 28 + 28,
            "you added the four sizes. Rows of columns of pictures: multiply them.",
        ),
        Mistake(
            4,
            "that is the number of dimensions. Multiply their sizes.",
        ),
        Mistake(
            32,
            "that is the number of pictures. Each has 28 x 28 numbers.",
        ),
        Mistake(
            "25088",
            "this is a text. Take the quotation marks away, and it is the right number.",
        ),
    ],
    hints=[
        "A batch is N x C x H x W: multiply the four numbers.",
        "N = 32 pictures, C = 1 channel (grey), H = W = 28.",
    ],
    praise="32 x 1 x 28 x 28 = 25,088 numbers.",
)


seeking_fit = Predict(
    right="on one bump",
    choices=("between", "on one bump"),
    mistakes=[
        Mistake(
            "between",
            "between the bumps p is nearly 0, so log(q / p) is huge there. And q itself is the "
            "weight: whoever puts samples there pays for each.",
        ),
        Mistake("Between ", "between the bumps p is nearly 0, so log(q / p) is huge there."),
    ],
    hints=[
        "KL(q || p) is the mean of log(q / p) over samples of q. Which samples are expensive?",
        "Those where p is nearly 0. Can one Gaussian avoid all such places, and still have p's "
        "two bumps?",
    ],
    praise="It avoids what is improbable under p, and pays little for leaving out a bump.",
)


alpha_bar_of_sigma = Write(
    right=lambda sigma: 1 / (1 + sigma**2),
    cases=lambda: [(torch.tensor([0.002, 0.1, 0.5, 1.0, 3.0, 80.0]),), (torch.tensor([0.7, 2.0]),)],
    mistakes=[
        Mistake(
            lambda sigma: 1 / (1 + sigma**2).sqrt(),
            "this is the amplitude of the signal, the square root of alpha_bar.",
        ),
        Mistake(
            lambda sigma: sigma**2 / (1 + sigma**2),
            "this is the share of the noise, 1 - alpha_bar.",
        ),
        Mistake(
            lambda sigma: 1 / (1 + sigma),
            "sigma is a standard deviation; variances add up, so square it.",
        ),
        Mistake(
            lambda sigma: 1 - sigma**2,
            "this would hold if sigma^2 were 1 - alpha_bar. EDM divides the picture's amplitude "
            "out: sigma^2 = (1 - alpha_bar) / alpha_bar.",
        ),
        Mistake(
            lambda sigma: 1 / (1 + sigma) ** 2,
            "square sigma alone, not the sum: 1 + sigma^2.",
        ),
        Mistake(
            lambda sigma: 1 / (1 - sigma**2),
            "a sign is wrong: sigma^2 alpha_bar = 1 - alpha_bar, so alpha_bar is taken 1 + "
            "sigma^2 times.",
        ),
        Mistake(
            lambda sigma: 1 / sigma**2,
            "a 1 is missing: sigma^2 alpha_bar + alpha_bar = 1.",
        ),
        Mistake(
            lambda sigma: ((1 - sigma) / sigma).sqrt(),
            "this is the row as it stands, with sigma in the place of alpha_bar. Solve it for"
            " alpha_bar.",
        ),
    ],
    hints=[
        "Square both sides of sigma = sqrt((1 - alpha_bar) / alpha_bar).",
        "sigma^2 alpha_bar = 1 - alpha_bar; now collect alpha_bar on one side.",
    ],
    praise="From EDM's world back to DDPM's.",
    tolerance=1e-5,
)


def _photographs() -> list[tuple]:
    drawn = np.random.default_rng(0)
    return [(drawn.integers(0, 256, size, dtype=np.uint8),) for size in ((4, 6, 3), (5, 5, 3))]


def _to_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).float() / 127.5 - 1


def _standardised(x: Tensor) -> Tensor:
    return (x - x.mean()) / x.std()


picture_to_tensor = Write(
    right=_to_tensor,
    cases=_photographs,
    outcome=lambda answer, image: _typed(answer(image), torch.float32),
    mistakes=[
        Mistake(
            lambda image: torch.from_numpy(image).permute(2, 0, 1).float() / 255,
            "this lies in [0, 1]. Our range is [-1, 1]: black is -1, white is 1.",
        ),
        Mistake(
            lambda image: torch.from_numpy(image).permute(2, 0, 1).float() / 255 - 1,
            "this lies in [-1, 0]. The range is 2 wide: divide by 127.5, not by 255.",
        ),
        Mistake(
            lambda image: torch.from_numpy(image).float() / 127.5 - 1,
            "the channels are still last. A model wants C x H x W: look for `permute`.",
        ),
        Mistake(
            lambda image: torch.from_numpy(image).float().reshape(3, *image.shape[:2]) / 127.5 - 1,
            "`reshape` keeps the numbers in their order and so cuts the picture into stripes. "
            "`permute` moves the axes.",
        ),
        Mistake(
            lambda image: torch.from_numpy(image).float().permute(2, 1, 0) / 127.5 - 1,
            "height and width are swapped: this is C x W x H (what `.T` gives).",
        ),
        Mistake(
            lambda image: _to_tensor(image)[None],
            "this is a batch of one picture, 1 x C x H x W. Here one picture is asked for.",
        ),
        Mistake(
            lambda image: torch.from_numpy(image / 127.5 - 1).permute(2, 0, 1),
            "the numbers are float64, numpy's default, and the weights of a model are float32: "
            "convert with `.float()`.",
        ),
        Mistake(
            lambda image: torch.from_numpy(image).permute(2, 0, 1).float() / 128 - 1,
            "white becomes 0.992 here and not 1: divide by 127.5, half of 255.",
        ),
        Mistake(
            lambda image: torch.from_numpy(image).permute(2, 0, 1).float(),
            "the range is still 0 to 255. Ours is [-1, 1]: divide and subtract.",
        ),
        Mistake(
            lambda image: _standardised(_to_tensor(image)),
            "you used the mean and deviation of this one picture. The range is the same for "
            "all: 0 becomes -1 and 255 becomes 1, whatever the picture shows.",
        ),
    ],
    hints=[
        "Three things change: the order of the axes, the type, the range.",
        "Axes: `tensor.permute(2, 0, 1)` makes C x H x W of H x W x C.",
        "Range: 0 must become -1 and 255 must become 1, so divide by 127.5 and subtract 1 "
        "(after `.float()`).",
    ],
    praise="Channels first, float32, in [-1, 1].",
)


def _model_outputs() -> list[tuple]:
    generator = torch.Generator().manual_seed(1)
    return [(1.2 * torch.randn(3, *size, generator=generator),) for size in ((4, 6), (5, 5))]


def _to_picture(x: Tensor) -> Tensor:
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)


def _wrapped(x: Tensor) -> Tensor:
    return ((x + 1) * 127.5).round().int().to(torch.uint8).permute(1, 2, 0)


tensor_to_picture = Repair(
    broken=_wrapped,
    symptom="What is brighter than white turns dark, and what is darker than black turns bright.",
    right=_to_picture,
    cases=_model_outputs,
    outcome=lambda answer, x: _typed(answer(x), torch.uint8),
    mistakes=[
        Mistake(
            lambda x: ((x.clamp(-1, 1) + 1) * 127.5).byte().permute(1, 2, 0),
            "turning a float into uint8 cuts off what is behind the point, so the picture gets "
            "darker by half a step. Use `round` before it.",
        ),
        Mistake(
            lambda x: (x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0),
            "you took [0, 1] for the range: everything darker than mid-grey became black.",
        ),
        Mistake(
            lambda x: ((x.clamp(-1, 1) + 1) * 127.5).round().byte(),
            "the channels are still first. A picture file wants H x W x C: look for `permute`.",
        ),
        Mistake(
            lambda x: _to_picture(x).float(),
            "the numbers are floats, and a picture file holds uint8: convert at the end.",
        ),
        Mistake(
            lambda x: _to_picture(x).permute(2, 0, 1).reshape(*x.shape[1:], 3),
            "`reshape` keeps the numbers in their order and so cuts the picture into stripes."
            " `permute` moves the axes.",
        ),
        Mistake(
            lambda x: _to_picture(2 * (x - x.min()) / (x.max() - x.min()) - 1),
            "you stretched this picture from its own darkest to its own brightest value. "
            "Black is -1 and white is 1, whatever the picture shows.",
        ),
        Mistake(
            lambda x: ((x.clamp(-1, 1) + 1) * 128).clamp(0, 255).floor().byte().permute(1, 2, 0),
            "from black to white there are 255 steps, not 256: times 127.5, and round.",
        ),
    ],
    hints=[
        "Which value of x gives a wrong colour? Compute what becomes of x = 1.1, line by line.",
        "(1.1 + 1) * 127.5 is 268, and a uint8 counts from 255 on to 0 again: it keeps 12.",
        "A model's values may leave [-1, 1]. What they should be then is black or white.",
    ],
    praise="Clipped, rounded, channels last.",
)


def _distance_of(generator) -> float:
    """The relative Frechet distance of 500 digits that a learner's generator draws."""
    drawn = generator(500, torch.Generator().manual_seed(9))
    if not isinstance(drawn, Tensor) or drawn.shape != (500, 1, 28, 28):
        raise ValueError("500 pictures are wanted, a tensor of the shape (500, 1, 28, 28).")
    return scores.relative_fd(drawn.float())


digit_generator = Explore(
    score=_distance_of,
    board={
        "a Gaussian for each pixel": 83,
        "one Gaussian for all digits": 53,
        "a Gaussian for each digit": 16,
        "the network of lesson 06, unconditional": 7.4,
        "real digits": 1.0,
    },
    higher=False,
    hints=[
        "`digit_by_digit` of this lesson draws one picture of each digit; draw 50 of each.",
        "Its samples are grey where real digits are black or white. Which function pushes numbers "
        "towards -1 and 1?",
        "More than one Gaussian a digit? A slanted 1 and an upright one are two groups.",
    ],
    praise="(Training pictures handed out again would score well, too, and be nothing new. "
    "`scores.nearest_training` finds such copies.)",
)
