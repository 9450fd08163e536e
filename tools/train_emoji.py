"""Train the whole emoji model from nothing: `python tools/train_emoji.py --minutes 60`

VAE, then CLIP, then the U-Net, each by its own script, into data/checkpoints/emoji. With --minutes
they share that time, roughly; without it each makes the steps that its script names. A run that was
cut off goes on where it was. With two processor cores,
`torchrun --nproc-per-node=2 tools/train_emoji.py --minutes 60` uses both.
"""

import argparse
import sys

from course_utils import ROOT

sys.path.insert(0, str(ROOT))  # the folder of `tools`
from tools import long_run, train_emoji_clip, train_emoji_unet, train_emoji_vae  # noqa: E402

STAGES = ((train_emoji_vae, 0.34), (train_emoji_clip, 0.05), (train_emoji_unet, 0.43))
"""The scripts, and the part of the time in which each trains; the rest goes into measuring."""


def unfinished() -> tuple:
    """The stages from the one that was cut off onwards, or all."""
    for i, (stage, _) in enumerate(STAGES):
        if stage.STATE.exists():
            return STAGES[i:]
    return STAGES


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(": `")[0])
    parser.add_argument("--minutes", type=float, help="for all three together")
    minutes = parser.parse_args(arguments).minutes
    long_run.join()
    for stage, part in unfinished():
        stage.main(*([] if minutes is None else ["--minutes", f"{part * minutes:.2f}"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
