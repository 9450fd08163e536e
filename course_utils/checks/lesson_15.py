"""The exercises of lesson 15, your own word."""

import functools

import torch
from torch import Tensor

from course_utils import diffusers_format
from course_utils.built import scale_lora, text_to_image
from course_utils.checks.engine import Explore, Mistake, NotYet, Predict, Repair, Write
from course_utils.data import creature
from course_utils.evaluation import scores
from course_utils.evaluation.emoji_classifiers import distance

word_count = Predict(
    right=128,
    mistakes=[
        Mistake(1, "one word, but it is a vector: as wide as the text encoder."),
        Mistake(32, "this is how many tokens a caption has. The word is one of them."),
        Mistake(4114, "this is the size of the old vocabulary. One row is added to its table."),
        Mistake(4115, "this is the number of rows, the new one among them. How long is a row?"),
        Mistake(4115 * 128, "this is the whole table. All rows but the last are frozen."),
        Mistake(32 * 128, "this is a whole caption of embeddings. The word is one row of them."),
    ],
    hints=[
        "One row is added to the text encoder's table, and all else is frozen.",
        "The text encoder is 128 wide.",
    ],
    praise="A word is a vector, and to learn a word is to search one point in that space.",
)


def _decayed(table: Tensor, gradient: Tensor, row: int, rate: float, decay: float) -> Tensor:
    """The lesson's broken step: the mask is on the gradient alone."""
    mask = torch.zeros(len(table), 1, dtype=table.dtype)
    mask[row] = 1
    return table * (1 - rate * decay) - rate * mask * gradient


def _one_row(part):
    def answer(table, gradient, row, rate, decay):
        after = table.clone()
        after[row] = part(table[row], gradient[row], rate, decay)
        return after

    return answer


def _table(seed: int):
    generator = torch.Generator().manual_seed(seed)
    table, gradient = torch.randn(2, 5, 3, generator=generator)
    return table, gradient, 4 - seed, 0.1, 0.5


word_step = Repair(
    broken=_decayed,
    symptom="Every word of the table fades a little at each step, and with it all old prompts.",
    right=_one_row(lambda w, g, rate, decay: w * (1 - rate * decay) - rate * g),
    cases=lambda: [_table(1), _table(2)],
    mistakes=[
        Mistake(
            lambda table, gradient, row, rate, decay: table * (1 - rate * decay) - rate * gradient,
            "now all rows learn: this is no new word, but another text encoder.",
        ),
        Mistake(
            _one_row(lambda w, g, rate, decay: w - rate * g),
            "the other words rest, but the new one has lost its weight decay.",
        ),
        Mistake(
            _one_row(lambda w, g, rate, decay: w * (1 - rate * decay) + rate * g),
            "this climbs: the gradient is subtracted.",
        ),
        Mistake(
            _one_row(lambda w, g, rate, decay: w * (1 - decay) - rate * g),
            "the decay is multiplied by the learning rate, as in AdamW.",
        ),
        Mistake(
            lambda table, gradient, row, rate, decay: (
                table[row] * (1 - rate * decay) - rate * gradient[row]
            ),
            "this is the row alone. Give the whole table back, with that row changed.",
        ),
    ],
    hints=[
        "Which rows have a gradient of 0, and change all the same?",
        "Weight decay needs no gradient. Let it, too, act on the one row.",
    ],
    praise="A parameter of its own, as in `EnlargedEmbedding`, can't make this mistake.",
)

lora_count = Predict(
    right=8 * (128 + 224),
    mistakes=[
        Mistake(224 * 128, "this is W itself. A and B have 8 rows and 8 columns."),
        Mistake(8 * 224 * 128, "A and B stand one after the other: their sizes add up."),
        Mistake(2 * 8 * 224, "A reads 128 numbers; only B writes 224."),
        Mistake(2 * 8 * 128, "A reads 128 numbers, and B writes 224."),
        Mistake(8 * 128, "this is A. And B?"),
        Mistake(8 * 224, "this is B. And A?"),
        Mistake(4 * (128 + 224), "this is rank 4. The question is rank 8."),
        Mistake(8 * 8, "rank 8 is the size in the middle. A and B reach from 128 to 224."),
    ],
    hints=[
        "A is 8 x 128: it makes 8 numbers of 128. B makes 224 of these 8.",
        "Add the sizes of both.",
    ],
    praise="A tenth of W, and it grows with the sum of the sides where W grows with the product.",
)

first_to_move = Predict(
    right="b",
    choices=("a", "b", "both", "none"),
    mistakes=[
        Mistake("a", "the gradient of A passes through B, which is 0."),
        Mistake("both", "the gradient of A passes through B, which is 0: A must wait a step."),
        Mistake("none", "so it would be with both at 0. B's gradient needs A alone, which is not."),
    ],
    hints=[
        "The output is B A x. What stands before x in the derivative by B? By A?",
        "By A it is B, which is 0 at the first step.",
    ],
    praise="From the second step on, B is no longer 0 and A learns too.",
)


def _layer(seed: int):
    generator = torch.Generator().manual_seed(seed)
    sizes = ((4, 5), (6, 5), (2, 5), (6, 2))
    x, W, A, B = (torch.randn(*size, generator=generator) for size in sizes)
    return x, W, A, B, 3.0 + seed, 0.5 + 0.2 * seed


def _beside(factor):
    return lambda x, W, A, B, alpha, scale: x @ W.T + factor(alpha, len(A), scale) * x @ A.T @ B.T


lora_forward = Write(
    right=_beside(lambda alpha, r, scale: scale * alpha / r),
    cases=lambda: [_layer(1), _layer(2)],
    mistakes=[
        Mistake(
            _beside(lambda alpha, r, scale: scale),
            "alpha / r is missing: it keeps one learning rate good for all ranks.",
        ),
        Mistake(_beside(lambda alpha, r, scale: scale * alpha), "alpha is divided by the rank r."),
        Mistake(
            _beside(lambda alpha, r, scale: scale * r / alpha),
            "alpha and r are exchanged: it is alpha / r.",
        ),
        Mistake(_beside(lambda alpha, r, scale: alpha / r), "the scale is missing."),
        Mistake(
            _beside(lambda alpha, r, scale: scale**2 * alpha / r), "the scale is applied twice."
        ),
        Mistake(_beside(lambda alpha, r, scale: 1.0), "scale and alpha / r are missing."),
        Mistake(
            lambda x, W, A, B, alpha, scale: scale * alpha / len(A) * x @ A.T @ B.T,
            "this is the change alone. It stands beside W x, which stays.",
        ),
        Mistake(
            lambda x, W, A, B, alpha, scale: scale * alpha / len(A) * (x @ W.T + x @ A.T @ B.T),
            "the factor belongs to the change. W x stays as it is, whatever the scale.",
        ),
        Mistake(
            _beside(lambda alpha, r, scale: scale * alpha / 6),
            "you divided by B's rows, the outputs. The rank is A's rows.",
        ),
    ],
    hints=[
        "A's rows are the rank: `len(A)`.",
        "Rows of x are inputs, so W x is `x @ W.T`, and B A x is `x @ A.T @ B.T`.",
        "The factor of B A x is scale * alpha / r.",
    ],
    praise="At scale 0 nothing of the LoRA is left, at -1 it is turned round.",
)


def _start(seed: int):
    return 6 + seed, 4 + seed, 2


def learns_from(begin, inputs: int, outputs: int, rank: int) -> list[float]:
    """Whether a LoRA that begins so changes nothing yet, can learn, and has its whole rank."""
    torch.manual_seed(0)
    found = begin(inputs, outputs, rank)
    if found is None or found is ...:
        return found
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise NotYet("give back two matrices, A and B.")
    A, B = (torch.as_tensor(part, dtype=torch.float32).clone().detach() for part in found)
    if (A.shape, B.shape) != ((rank, inputs), (outputs, rank)):
        raise NotYet(
            f"A is rank x inputs and B outputs x rank: here {rank} x {inputs} and "
            f"{outputs} x {rank}, not {[*A.shape]} and {[*B.shape]}."
        )
    A.requires_grad_(True), B.requires_grad_(True)
    x = torch.randn(3, inputs)
    (x @ A.T @ B.T - 1).square().sum().backward()
    moves = bool(A.grad.abs().sum() + B.grad.abs().sum() > 0)
    ranks = [torch.linalg.matrix_rank(part.detach()).item() for part in (A, B)]
    return [float((B @ A).abs().max() == 0), float(moves), float(max(ranks) == rank)]


def _zeros(inputs: int, outputs: int, rank: int):
    """The lesson's broken start."""
    return torch.zeros(rank, inputs), torch.zeros(outputs, rank)


lora_start = Repair(
    broken=_zeros,
    symptom="The first picture is the old one, as it should be. So is that after 1,000 steps.",
    right=lambda inputs, outputs, rank: (
        torch.randn(rank, inputs) / inputs**0.5,
        torch.zeros(outputs, rank),
    ),
    cases=lambda: [_start(0), _start(1)],
    outcome=learns_from,
    measured=True,
    mistakes=[
        Mistake(
            lambda inputs, outputs, rank: (torch.randn(rank, inputs), torch.randn(outputs, rank)),
            "it learns, but it begins with a change drawn by chance: B A must be 0 at first.",
        ),
        Mistake(
            lambda inputs, outputs, rank: (torch.ones(rank, inputs), torch.zeros(outputs, rank)),
            "it learns, but its rows are all the same and get the same gradients: the rank stays "
            "1. Draw A by chance.",
        ),
    ],
    hints=[
        "The gradient of A passes through B, and that of B through A.",
        "One of them may be 0. Which one has the other's gradient then?",
    ],
    praise="One of the two is 0, so B A is, and the other one lets a gradient through.",
)


def _factors(seed: int):
    generator = torch.Generator().manual_seed(seed)
    A, B = torch.randn(2, 5, generator=generator), torch.randn(6, 2, generator=generator)
    return A, B, 1.0 * seed


def read_back(save, A: Tensor, B: Tensor, alpha: float) -> Tensor:
    """The change that a reader makes of the two matrices, who takes alpha for r."""
    found = save(A, B, alpha)
    if found is None or found is ...:
        return found
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise NotYet("give back two matrices, A and B.")
    return found[1] @ found[0]


lora_saved = Repair(
    broken=lambda A, B, alpha: (A, B),
    symptom="The file opens, and the creature comes out too strong: alpha was not saved.",
    right=lambda A, B, alpha: (A, B * (alpha / len(A))),
    cases=lambda: [_factors(1), _factors(3)],
    outcome=read_back,
    measured=True,
    mistakes=[
        Mistake(
            lambda A, B, alpha: (A, B * alpha),
            "alpha / r is the factor, and the reader divides by nothing.",
        ),
        Mistake(
            lambda A, B, alpha: (A, B * (len(A) / alpha)), "the factor is alpha / r, not r / alpha."
        ),
        Mistake(
            lambda A, B, alpha: (A * (alpha / len(A)), B * (alpha / len(A))),
            "the factor is in both matrices, so it counts twice.",
        ),
        Mistake(
            lambda A, B, alpha: (A, B / len(A)),
            "you divided by r, and forgot to multiply by alpha.",
        ),
    ],
    hints=[
        "The reader makes B A of it, and takes alpha for r: its factor is 1.",
        "So what the factor does must be in the numbers. In A, or in B, not in both.",
    ],
    praise="This is what `save_lora` does, so every program reads the same change.",
)


def _weights(seed: int):
    return _layer(seed)[1:]


def _into(factor, sign=1.0):
    return lambda W, A, B, alpha, scale: W + sign * factor(alpha, len(A), scale) * (B @ A)


lora_merged = Write(
    right=_into(lambda alpha, r, scale: scale * alpha / r),
    cases=lambda: [_weights(1), _weights(2)],
    mistakes=[
        Mistake(
            _into(lambda alpha, r, scale: scale**2 * alpha / r),
            "the scale is applied twice.",
        ),
        Mistake(_into(lambda alpha, r, scale: alpha / r), "the scale is missing."),
        Mistake(_into(lambda alpha, r, scale: scale), "alpha / r is missing."),
        Mistake(_into(lambda alpha, r, scale: scale * alpha), "alpha is divided by the rank r."),
        Mistake(
            _into(lambda alpha, r, scale: scale * alpha / r, -1.0),
            "this takes the change out: it is `unmerge`.",
        ),
        Mistake(
            lambda W, A, B, alpha, scale: scale * alpha / len(A) * B @ A,
            "this is the change alone. Add it to W.",
        ),
        Mistake(
            lambda W, A, B, alpha, scale: scale * (W + alpha / len(A) * B @ A),
            "the scale belongs to the change, not to W.",
        ),
    ],
    hints=[
        "What is added to W x is (scale alpha / r) B A x, so what is added to W?",
        "B A is outputs x inputs, as W is: `B @ A`.",
    ],
    praise="The same picture, and not a multiplication more than before.",
)

wrong_prior = Predict(
    right="a mixture",
    choices=("pip", "a mixture", "any monster"),
    mistakes=[
        Mistake("pip", "half of each batch shows the name with pictures that aren't Pip."),
        Mistake("any monster", "half of each batch still shows the name with Pip."),
    ],
    hints=[
        "A network that sees two kinds of pictures under one caption learns to draw both.",
        "On how many of its examples is Pip, on how many another monster?",
    ],
    praise="And 'a monster', which was to be kept, is in no caption: nothing keeps it.",
)

EMOJI, PERSONAL = scores.CHECKPOINTS / "emoji", scores.CHECKPOINTS / "personal"


@functools.cache
def _pip(scale: float, guidance: float) -> float:
    """How far six pictures by the shipped LoRA are from Pip's drawings, on average."""
    pipe = diffusers_format.load_pipeline(EMOJI)
    scale_lora(diffusers_format.load_lora(PERSONAL / "creature", pipe), scale)
    seeded = torch.Generator().manual_seed(15)
    drawn = text_to_image(pipe, ["a zwx monster"] * 6, seeded, steps=12, guidance=guidance)
    apart = [distance(drawn, one.expand_as(drawn)) for one in creature.drawings()]
    return torch.stack(apart).amin(0).mean().item()


def distance_in_percent(recipe) -> float:
    """The distance to Pip's drawings with a scale and a guidance; 100: with 1 and 3.

    Raises ValueError where the recipe is not two numbers of a sensible size.
    """
    try:
        scale, guidance = (float(number) for number in recipe)
    except (TypeError, ValueError):
        raise ValueError("write two numbers, scale and guidance, as in (1.0, 3.0).") from None
    if not (-2 <= scale <= 3 and 0 <= guidance <= 15):
        raise ValueError("the scale lies between -2 and 3, and guidance between 0 and 15.")
    return 100 * _pip(scale, guidance) / _pip(1.0, 3.0)


nearest_pip = Explore(
    score=distance_in_percent,
    board={"scale 1, guidance 3": 99.9, "a little nearer": 98.0, "as near as ours": 96.0},
    higher=False,
    unit=" % of the distance",
    hints=[
        "Change one of the two numbers at a time.",
        "Guidance makes the caption count for more, the scale the LoRA. Go in small steps: "
        "near 1 a twentieth of the scale matters, and so do one or two of guidance.",
    ],
    praise="Nearest is not yet best: look at the pictures, too, and at other prompts.",
)
