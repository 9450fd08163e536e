"""Train what the course ships: `python -m tools.train emoji vae --steps 6400`

Every run is a stage of a data set; "all" are those that a model which draws needs, one after the
other, and "classifiers" those that measure it. Weights go to data/checkpoints, with the run's
settings in their header; its state to downloads, from where `--resume` goes on after a cut, number
for number, or with `--steps` to another end. With two processor cores, or two GPUs,
`torchrun --nproc-per-node=2 -m tools.train emoji unet` uses both.
"""

import argparse
import sys
from dataclasses import replace

from tools.train import (
    digits_classifiers,
    digits_unet,
    emoji_classifiers,
    emoji_styles,
    emoji_text,
    emoji_things,
    emoji_unet,
    emoji_vae,
    personal,
    sprites_clip,
    sprites_unet,
)
from tools.train.loop import Settings, resumed
from tools.train.processes import join

MODULES = (digits_classifiers, digits_unet, sprites_clip, sprites_unet)
MODULES += (emoji_classifiers, emoji_things, emoji_styles)
MODULES += (emoji_vae, emoji_text, emoji_unet, personal)
STAGES = {settings.name: (module.train, settings) for module in MODULES for settings in module.ALL}
"""Each stage, by the name of its data set and its own: its function and its settings."""
GROUPS = {
    "digits_classifiers": {"digits_plain": 0.4, "digits_residual": 0.6},
    "digits_all": {"digits_unet": 0.8},
    "sprites_all": {"sprites_clip": 0.2, "sprites_unet": 0.7},
    "emoji_classifiers": {"emoji_style": 0.5, "emoji_concept": 0.4},
    "emoji_all": {"emoji_vae": 0.3, "emoji_finish": 0.08, "emoji_text": 0.07, "emoji_unet": 0.4},
    "personal_all": dict.fromkeys(
        ("personal_creature", "personal_style", "personal_dreambooth"), 0
    ),
}
"""Stages in turn, and the part of the minutes that each trains; the rest goes into measuring."""
DATA = ("digits", "sprites", "emoji", "personal")
FLAGS = {
    "from_weights": "begin with the weights that are there, not at random",
    "without_held_out": "a trial: a classifier that has not seen what is held out; not written",
}


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tools.train", description=__doc__.split("\n\n")[1])
    of = parser.add_subparsers(dest="data", required=True, metavar="|".join(DATA))
    for data in DATA:
        one = of.add_parser(data)
        names = [n.removeprefix(f"{data}_") for n in [*STAGES, *GROUPS] if n.startswith(data)]
        one.add_argument("stage", nargs="?", default="all", choices=names, help="default: all")
        length = one.add_mutually_exclusive_group()
        length.add_argument("--steps", type=int, help="length of the run; default: its settings'")
        length.add_argument(
            "--minutes", type=float, help="as many steps as fit, all stages together"
        )
        one.add_argument("--resume", action="store_true", help="go on with what was cut off")
        for name, what in FLAGS.items():
            one.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=what)
    return parser.parse_args(arguments)


def changed(settings: Settings, asked: argparse.Namespace) -> Settings:
    """The settings with what was asked for. Ends the program where a stage has no such setting."""
    flags = {name: True for name in FLAGS if getattr(asked, name)}
    for name in flags:
        if not hasattr(settings, name):
            sys.exit(f"--{name.replace('_', '-')} is nothing that {settings.name} can do.")
    return replace(settings, **flags, **({} if asked.steps is None else {"steps": asked.steps}))


def main(*arguments: str) -> None:
    asked = options([*arguments])
    name, resume = f"{asked.data}_{asked.stage}", asked.resume
    shares = GROUPS.get(name, {name: 1.0})
    names = [*shares]
    if resume:  # the stage that was cut off, and those after it
        there = [STAGES[name][1].state.exists() for name in names]
        names = names[there.index(True) if True in there else 0 :]
    join()
    for name in names:
        train, settings = STAGES[name]
        settings = changed(resumed(settings) if resume else settings, asked)
        train(settings, minutes=asked.minutes and asked.minutes * shares[name], resume=resume)
        resume = False


if __name__ == "__main__":
    main(*sys.argv[1:])
