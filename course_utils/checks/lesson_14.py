"""The exercises of lesson 14, Stable Diffusion."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_utils.built.timesteps import leading_timesteps
from course_utils.built.unet import UNet
from course_utils.checks.engine import Explore, Mistake, Predict, Repair, Write
from course_utils.diffusers_format import names

SD_WEIGHTS = 859_520_964  # of Stable Diffusion 1.x's U-Net

place_of_work = Predict(
    right="shallow",
    choices=("deep", "shallow", "half and half"),
    mistakes=[
        Mistake(
            "deep",
            "weights grow with the channels squared, and so does the work; but the work also grows "
            "with the number of positions.",
        ),
        Mistake(
            "half and half",
            "so it would be for convolutions alone: half the side, twice the channels, the same "
            "work. What else is there at the shallow levels?",
        ),
    ],
    hints=[
        "A convolution does its work once for each position. How many are there at 64 x 64, how "
        "many at 8 x 8?",
        "And attention of all positions to all grows with the square of their number.",
    ],
    praise="At 64 x 64 there are 64 times as many positions as at 8 x 8.",
)


def operations_of(asked) -> float:
    """Trillion operations of one guided step of such a U-Net on latents of 4 x 64 x 64.

    Raises ValueError where there is no such U-Net, or where it has fewer weights than wanted.
    """
    if not isinstance(asked, dict) or len(asked.get("widths", ())) != 4:
        raise ValueError("a dict is wanted, with four widths: dict(widths=(320, ...), ...).")
    with torch.device("meta"), torch.no_grad():
        unet, counter = UNet(**asked), FlopCounterMode(display=False)
        weights = sum(p.numel() for p in unet.parameters())
        if weights < SD_WEIGHTS:
            raise ValueError(f"it has {weights:,} weights, and {SD_WEIGHTS:,} are wanted.")
        x, t = torch.empty(2, 4, 64, 64), torch.empty(2)
        with counter:
            unet(x, t, torch.empty(2, 77, unet.cross_attention_dim))
    return counter.get_total_flops() / 1e12


cheapest_unet = Explore(
    score=operations_of,
    board={
        "Stable Diffusion 1.x": 1.606,
        "no attention at the first level": 1.264,
        "the best of ours": 0.2603,
    },
    higher=False,
    unit=" trillion operations",
    hints=[
        "Start from Stable Diffusion's numbers, and take attention off the first level.",
        "Weights at 8 x 8 cost a 64th of the work of weights at 64 x 64: move them down.",
        "The deepest level of Stable Diffusion has no attention. Its transformers hold many "
        "weights, and cost next to nothing there.",
    ],
    praise="The deeper, the cheaper a weight.",
)

fused_memory = Predict(
    right="a tenth",
    choices=("nine tenths", "a half", "a tenth"),
    mistakes=[
        Mistake(
            "nine tenths",
            "at 64 x 64 there are 4,096 positions, and each has a score for each, in 8 heads. Of "
            "what else are there so many numbers?",
        ),
        Mistake("a half", "the scores weigh more than that. Your own answer above says how much."),
    ],
    hints=[
        "Work out the bytes of the scores at 512 x 512, 8 heads, 4 bytes: the exercise above.",
        "And the softmax holds its input and its result at once.",
    ],
    praise="Nearly all of the memory is scores that are used once and forgotten.",
)


def _renamed(rules):
    def answer(name):
        for theirs, ours in rules.items():
            name = name.replace(theirs, ours)
        return name

    return answer


_RULES = {".q.": ".to_q.", ".k.": ".to_k.", ".v.": ".to_v.", ".o.": ".to_out."}
_BLOCK = "down_blocks.1.attentions.0.transformer_blocks.0"

renamed = Repair(
    broken=_renamed(_RULES | {".k.": ".to_v.", ".v.": ".to_k."}),
    symptom="Everything loads, and every picture is mush: two layers of one shape are exchanged.",
    right=_renamed(_RULES),
    cases=lambda: [
        (f"{_BLOCK}.{name}",)
        for name in ("attn1.q.weight", "attn2.k.weight", "attn2.v.weight", "attn1.o.bias")
    ],
    mistakes=[
        Mistake(
            _renamed(_RULES | {".q.": ".to_k.", ".k.": ".to_q."}),
            "now queries and keys are exchanged.",
        ),
        Mistake(
            _renamed(_RULES | {".q.": ".to_v.", ".v.": ".to_q."}),
            "now queries and values are exchanged.",
        ),
        Mistake(_renamed({}), "names stay as the file has them; ours begin with to_."),
    ],
    hints=[
        "Which of an attention's four matrices have the same shape? Those can be exchanged unseen.",
        "Go through the rules one by one: q is the query, k the key, v the value.",
    ],
    praise="Shapes cannot tell keys from values. Only a picture can, or a comparison of numbers.",
)


def _number(level=3, block=1, first=1, place="0", way="input"):
    def answer(name):
        _, i, _, j, *rest = name.split(".")
        part = f"{way}_blocks.{level * int(i) + block * int(j) + first}"
        return ".".join([part, *([place] if place else []), *rest])

    return answer


original_block = Write(
    right=lambda name: (
        names.renamed(f"{name}.conv1.", names.ORIGINAL_UNET)
        .removeprefix("model.diffusion_model.")
        .removesuffix(".in_layers.2.")
    ),
    cases=lambda: [
        ("down_blocks.2.resnets.1",),
        ("down_blocks.0.resnets.0",),
        ("down_blocks.3.resnets.1",),
        ("down_blocks.1.resnets.0",),
    ],
    mistakes=[
        Mistake(
            _number(first=0),
            "one too low: number 0 is `conv_in`, so the first block is number 1.",
        ),
        Mistake(
            _number(level=2),
            "you count two layers a level. Between the levels stands the halving, a third one.",
        ),
        Mistake(
            _number(level=2, first=0),
            "you forget `conv_in`, number 0, and the halving between the levels.",
        ),
        Mistake(
            _number(level=1, block=3),
            "the level and the block are exchanged: a level has three layers, a block is one.",
        ),
        Mistake(
            _number(place=""),
            "the last part is missing: in an entry the residual block is number 0, attention 1.",
        ),
        Mistake(
            _number(place="1"),
            "number 1 in an entry is the attention. The residual block is number 0.",
        ),
        Mistake(
            _number(way="output"),
            "the way down is called `input_blocks`; `output_blocks` is the way up.",
        ),
    ],
    hints=[
        "Count on paper: entry 0 is conv_in, then block, block, halving, block, block, halving, "
        "...",
        "Each level before this one takes three entries. `name.split('.')` gives the two numbers.",
        "Where does level 0, block 0 stand, and why not at entry 0? Add that to your count.",
    ],
    praise="The original file counts the layers of the whole way down.",
)


def _operations(each=2, kernel=9, channels=lambda i, o: i * o, places=lambda side: side**2):
    def answer(inputs, outputs, side):
        return each * kernel * channels(inputs, outputs) * places(side)

    return answer


conv_operations = Write(
    right=_operations(),
    cases=lambda: [(320, 320, 64), (1280, 640, 32), (4, 320, 16)],
    mistakes=[
        Mistake(_operations(each=1), "a multiplication and an addition are two: count both."),
        Mistake(
            _operations(places=lambda side: 1),
            "this is twice the number of weights. Each weight is used anew at every position: "
            "side x side times.",
        ),
        Mistake(
            _operations(each=1, places=lambda side: 1),
            "these are the weights. Each is used anew at every position, side x side times, and "
            "each time it is multiplied and added.",
        ),
        Mistake(
            _operations(kernel=1),
            "a convolution of 3 x 3 reads 9 positions of each channel; this is one of 1 x 1.",
        ),
        Mistake(_operations(kernel=3), "the kernel has 3 x 3 weights, which are 9 and not 3."),
        Mistake(
            _operations(channels=lambda i, o: o),
            "every output channel reads all `inputs` channels, each with a kernel of its own.",
        ),
        Mistake(
            _operations(channels=lambda i, o: i),
            "at each position there are `outputs` numbers to compute, not one.",
        ),
        Mistake(
            _operations(channels=lambda i, o: i + o),
            "you add the channels. Each of those that come out reads each of those that go in.",
        ),
        Mistake(
            _operations(channels=lambda i, o: i * i),
            "the channels that come out may be more or fewer than those that go in.",
        ),
        Mistake(
            _operations(channels=lambda i, o: o * o),
            "the channels that go in may be more or fewer than those that come out.",
        ),
        Mistake(
            _operations(places=lambda side: (side - 2) ** 2),
            "with a padding of 1 the border counts as well: no position is lost.",
        ),
        Mistake(
            _operations(places=lambda side: side),
            "a picture has side x side positions: square the side.",
        ),
        Mistake(
            lambda inputs, outputs, side: _operations()(inputs, outputs, side) + outputs * side**2,
            "the bias was to be left out.",
        ),
    ],
    hints=[
        "How many numbers does the layer put out? And what does each of them take?",
        "It puts out outputs x side x side numbers. Each is a sum over 3 x 3 positions of all "
        "`inputs` channels.",
        "A term of such a sum is a product that is added: two operations.",
    ],
    praise="So 320 channels at 64 x 64 are as much work as 1,280 at 16 x 16, with a sixteenth of "
    "the weights.",
)


def _scores(heads_of=lambda heads: heads, places=lambda h, w: h // 8 * (w // 8), pictures=2):
    def answer(height, width, heads, size):
        return pictures * heads_of(heads) * places(height, width) ** 2 * size

    return answer


score_memory = Write(
    right=_scores(),
    cases=lambda: [(512, 512, 8, 4), (512, 768, 8, 2), (64, 64, 4, 4)],
    mistakes=[
        Mistake(
            _scores(places=lambda h, w: h * w),
            "these are the pixels. The U-Net sees latents, an eighth as high and as wide.",
        ),
        Mistake(
            _scores(pictures=1),
            "guidance takes two predictions in one call, conditional and unconditional.",
        ),
        Mistake(
            _scores(heads_of=lambda heads: 1),
            "every head has scores of its own. (Heads share the channels, but not the scores.)",
        ),
        Mistake(
            lambda height, width, heads, size: 2 * heads * (height // 8) * (width // 8) * size,
            "each position attends to each: square the number of positions.",
        ),
        Mistake(
            _scores(places=lambda h, w: h * w // 8),
            "height and width are divided by 8 each, so the positions by 64.",
        ),
        Mistake(
            lambda height, width, heads, size: 2 * heads * (height // 8 * (width // 8)) * 77 * size,
            "these are the scores of cross-attention, with 77 tokens. In self-attention the "
            "positions attend to one another.",
        ),
        Mistake(
            lambda height, width, heads, size: _scores()(height, width, heads, size) / 1e9,
            "this is right in gigabytes. The answer is in bytes.",
        ),
        Mistake(
            lambda *sizes: _scores()(*sizes) / 2**30,
            "this is right in GiB. The answer is in bytes.",
        ),
        Mistake(
            lambda *sizes: _scores()(*sizes) / 2**20,
            "this is right in MiB. The answer is in bytes.",
        ),
        Mistake(
            _scores(places=lambda h, w: (h // 8) ** 2),
            "the width is not in it: pictures may be wider than high.",
        ),
    ],
    hints=[
        "How many positions do the latents of 512 x 512 pixels have? How many numbers are in a "
        "table of all pairs of them?",
        "One such table for each head, and for two pictures.",
        "Height and width shrink by 8 each; a table of all pairs has the square of the positions.",
    ],
    praise="Twice as high and wide is sixteen times as much: hence the fused kernel.",
)


def _counted_up(first, end, descending=True):
    def answer(T, steps):
        times = [first + T // steps * i for i in range(steps)]
        return times[::-1] + end if descending else end + times

    return answer


stable_times = Write(
    right=lambda T, steps: leading_timesteps(T, steps, offset=1, end=1),
    cases=lambda: [(1000, 10), (1000, 20), (100, 7)],
    mistakes=[
        Mistake(
            _counted_up(2, [0]),
            "the end is t = 1, not 0: this is Stable Diffusion's habit.",
        ),
        Mistake(
            _counted_up(1, [1]),
            "the offset is missing: the last time before the end is 2. Here it is 1, and the last "
            "step would go nowhere.",
        ),
        Mistake(
            _counted_up(1, [0]),
            "this is leading spacing without an offset. Stable Diffusion's times are later by 1, "
            "and so is its end.",
        ),
        Mistake(
            _counted_up(2, [1], descending=False),
            "the timesteps must descend, from noise to picture: turn it round.",
        ),
        Mistake(
            _counted_up(2, []),
            "the end is missing: n steps pass n + 1 timesteps, and the last is t = 1.",
        ),
        Mistake(
            lambda T, steps: [round(T * (steps - i) / steps) for i in range(steps)] + [1],
            "these timesteps start at T. Stable Diffusion counts up from 2, and leaves T out.",
        ),
        Mistake(
            lambda T, steps: [round(T * (steps - i) / steps) for i in range(steps + 1)],
            "these timesteps start at T and end at 0. Stable Diffusion counts up from 2, and ends"
            " at 1.",
        ),
        Mistake(
            _counted_up(0, [1]),
            "you count up from 0. With the offset, and steps that count from 1, it is 2.",
        ),
        Mistake(
            lambda T, steps: [2 + T / steps * i for i in range(steps)][::-1] + [1],
            "times are whole numbers: the step is T // steps.",
        ),
        Mistake(
            lambda T, steps: [round(2 + T / steps * i) for i in range(steps)][::-1] + [1],
            "you round the times. Here the step itself is cut to a whole number, T // steps.",
        ),
        Mistake(
            lambda T, steps: [1 + round((T - 1) * (steps - i) / steps) for i in range(steps + 1)],
            "these timesteps start at T, in equal steps. Stable Diffusion counts up from 2 by T "
            "// steps.",
        ),
    ],
    hints=[
        "First make the times that count up: 2, 2 + step, 2 + 2 * step, ... `steps` of them.",
        "A list turned round is times[::-1]. Then add the end.",
        "For T = 1000 and 4 steps: [752, 502, 252, 2, 1].",
    ],
    praise="Start at another time, and the published weights draw another picture.",
)
