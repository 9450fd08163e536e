"""The exercises of lesson 14, Stable Diffusion."""

from course_utils.built.paths import leading_path
from course_utils.checks.exercise import Exercise, Mistake
from course_utils.layout import names


def _replaced(*pairs):
    def answer(name):
        for ours, theirs in pairs:
            name = name.replace(ours, theirs)
        return name

    return answer


_DOWN, _BLOCKS = ("down.", "down_blocks."), (".blocks.", ".resnets.")
_TIME, _SKIP = (".time.", ".time_emb_proj."), (".skip.", ".conv_shortcut.")

diffusers_name = Exercise(
    right=lambda name: names.renamed(name, names.UNET),
    cases=lambda: [
        (f"down.{place}",)
        for place in ("2.blocks.1.conv1.weight", "0.blocks.0.time.bias", "1.blocks.0.skip.weight")
    ],
    mistakes=[
        Mistake(
            _replaced(_DOWN, _BLOCKS),
            "the layers `time` and `skip` still have our names.",
        ),
        Mistake(
            _replaced(_DOWN, ("blocks.", "resnets."), _TIME, _SKIP),
            "`down_blocks` was made and then changed again, since `blocks.` is in it. Look for "
            "`.blocks.` with both dots, or change it first.",
        ),
        Mistake(
            _replaced(_BLOCKS, _TIME, _SKIP),
            "`down` is still there: it is `down_blocks` in diffusers.",
        ),
        Mistake(
            _replaced(_DOWN, _BLOCKS, (".time.", ".time_embedding."), _SKIP),
            "`time_embedding` is what diffusers calls the two layers that the whole U-Net shares. "
            "In a block it is `time_emb_proj`.",
        ),
        Mistake(
            _replaced(_DOWN, _BLOCKS, _SKIP),
            "the layer `time` still has our name: time_emb_proj.",
        ),
        Mistake(
            _replaced(_DOWN, _BLOCKS, _TIME),
            "the layer `skip` still has our name: conv_shortcut.",
        ),
        Mistake(
            _replaced(_DOWN, _TIME, _SKIP),
            "`blocks` is still there: it is `resnets` in diffusers.",
        ),
    ],
    hints=[
        "Which four parts of the names change? str.replace changes one of them at a time.",
        "Look for whole parts, with their dots: '.blocks.' is not in 'down_blocks.2'.",
        "'down.' to 'down_blocks.', '.blocks.' to '.resnets.', '.time.' to '.time_emb_proj.', "
        "'.skip.' to '.conv_shortcut.'",
    ],
    praise="A few such rules, and 686 weights of the U-Net find their places.",
)


def _operations(each=2, kernel=9, channels=lambda i, o: i * o, places=lambda side: side**2):
    def answer(inputs, outputs, side):
        return each * kernel * channels(inputs, outputs) * places(side)

    return answer


conv_operations = Exercise(
    right=_operations(),
    cases=lambda: [(320, 320, 64), (1280, 640, 32), (4, 320, 16)],
    mistakes=[
        Mistake(_operations(each=1), "a multiplication and an addition are two: count both."),
        Mistake(
            _operations(places=lambda side: 1),
            "this is twice the number of weights. Each weight is used anew at every place: "
            "side x side times.",
        ),
        Mistake(
            _operations(each=1, places=lambda side: 1),
            "these are the weights. Each is used anew at every place, side x side times, and "
            "each time it is multiplied and added.",
        ),
        Mistake(
            _operations(kernel=1),
            "a convolution of 3 x 3 reads 9 places of each channel; this is one of 1 x 1.",
        ),
        Mistake(_operations(kernel=3), "the kernel has 3 x 3 weights, which are 9 and not 3."),
        Mistake(
            _operations(channels=lambda i, o: o),
            "every output channel reads all `inputs` channels, each with a kernel of its own.",
        ),
        Mistake(
            _operations(channels=lambda i, o: i),
            "at each place there are `outputs` numbers to compute, not one.",
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
            "with a padding of 1 the border counts as well: no place is lost.",
        ),
        Mistake(
            _operations(places=lambda side: side),
            "a picture has side x side places: square the side.",
        ),
        Mistake(
            lambda inputs, outputs, side: _operations()(inputs, outputs, side) + outputs * side**2,
            "the bias was to be left out.",
        ),
    ],
    hints=[
        "How many numbers does the layer put out? And what does each of them take?",
        "It puts out outputs x side x side numbers. Each is a sum over 3 x 3 places of all "
        "`inputs` channels.",
        "2 * 9 * inputs * outputs * side**2",
    ],
    praise="So 320 channels at 64 x 64 are as much work as 1,280 at 16 x 16, with a sixteenth of "
    "the weights.",
)


def _scores(heads_of=lambda heads: heads, places=lambda h, w: h // 8 * (w // 8), pictures=2):
    def answer(height, width, heads, size):
        return pictures * heads_of(heads) * places(height, width) ** 2 * size

    return answer


score_memory = Exercise(
    right=_scores(),
    cases=lambda: [(512, 512, 8, 4), (512, 768, 8, 2), (64, 64, 4, 4)],
    mistakes=[
        Mistake(
            _scores(places=lambda h, w: h * w),
            "these are the pixels. The U-Net sees latents, an eighth as high and as wide.",
        ),
        Mistake(
            _scores(pictures=1),
            "guidance asks for two pictures in one call, told and untold.",
        ),
        Mistake(
            _scores(heads_of=lambda heads: 1),
            "every head has scores of its own. (Heads share the channels, but not the scores.)",
        ),
        Mistake(
            lambda height, width, heads, size: 2 * heads * (height // 8) * (width // 8) * size,
            "each place looks at each place: square the number of places.",
        ),
        Mistake(
            _scores(places=lambda h, w: h * w // 8),
            "height and width are divided by 8 each, so the places by 64.",
        ),
        Mistake(
            lambda height, width, heads, size: 2 * heads * (height // 8 * (width // 8)) * 77 * size,
            "these are the scores of cross-attention, with 77 tokens. In self-attention the places "
            "look at one another.",
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
        "How many places have latents of 512 x 512 pixels? How many numbers is a table of all "
        "pairs of them?",
        "A table a head, and for two pictures.",
        "2 * heads * (height // 8 * (width // 8)) ** 2 * size",
    ],
    praise="Twice as high and wide is sixteen times as much: hence the fused kernel.",
)


def _counted_up(first, end, descending=True):
    def answer(T, steps):
        times = [first + T // steps * i for i in range(steps)]
        return times[::-1] + end if descending else end + times

    return answer


stable_times = Exercise(
    right=lambda T, steps: leading_path(T, steps, offset=1, end=1),
    cases=lambda: [(1000, 10), (1000, 20), (100, 7)],
    mistakes=[
        Mistake(
            _counted_up(2, [0]),
            "the end is t = 1, not 0: this is Stable Diffusion's habit.",
        ),
        Mistake(
            _counted_up(1, [1]),
            "the offset is missing: the last time before the end is 2. Here it is 1, and the last "
            "stride would go nowhere.",
        ),
        Mistake(
            _counted_up(1, [0]),
            "this is the leading path without an offset. Stable Diffusion's times are later by 1, "
            "and so is its end.",
        ),
        Mistake(
            _counted_up(2, [1], descending=False),
            "the path must descend, from noise to picture: turn it round.",
        ),
        Mistake(
            _counted_up(2, []),
            "the end is missing: n strides pass n + 1 times, and the last is t = 1.",
        ),
        Mistake(
            lambda T, steps: [round(T * (steps - i) / steps) for i in range(steps)] + [1],
            "this path starts at T. Stable Diffusion counts up from 2, and leaves T out.",
        ),
        Mistake(
            lambda T, steps: [round(T * (steps - i) / steps) for i in range(steps + 1)],
            "this path starts at T and ends at 0. Stable Diffusion counts up from 2, and ends"
            " at 1.",
        ),
        Mistake(
            _counted_up(0, [1]),
            "you count up from 0. With the offset, and steps that count from 1, it is 2.",
        ),
        Mistake(
            lambda T, steps: [2 + T / steps * i for i in range(steps)][::-1] + [1],
            "times are whole numbers: the stride is T // steps.",
        ),
        Mistake(
            lambda T, steps: [round(2 + T / steps * i) for i in range(steps)][::-1] + [1],
            "you round the times. Here the stride itself is cut to a whole number, T // steps.",
        ),
        Mistake(
            lambda T, steps: [1 + round((T - 1) * (steps - i) / steps) for i in range(steps + 1)],
            "this path starts at T, in even strides. Stable Diffusion counts up from 2 by T "
            "// steps.",
        ),
    ],
    hints=[
        "First make the times that count up: 2, 2 + stride, 2 + 2 * stride, ... `steps` of them.",
        "A list turned round is times[::-1]. Then add the end.",
        "[2 + T // steps * i for i in range(steps)][::-1] + [1]",
    ],
    praise="Start at another time, and the published weights draw another picture.",
)
