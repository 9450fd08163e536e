"""What lesson 15 ships: `python -m tools.train personal creature|style|dreambooth|all`

The emoji model is taught Pip, the creature of `data.creature`, by a LoRA and by DreamBooth, and a
fifth artist's style by a LoRA. LoRAs go to a folder each in data/checkpoints/personal, as diffusers
writes them; of DreamBooth, which changes all weights, only latents that it draws are kept. The runs
take a minute or two, so none is saved on its way. `tools/score/personal.py` teaches with the same
functions.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice

import torch
from torch import Tensor

from course_utils import diffusers_format, training
from course_utils.built import (
    LoRALinear,
    StableDiffusion,
    add_lora,
    add_word,
    caption_loss,
    count_trainable,
    get_timesteps,
    networks,
    prepare_latents,
    prior_preservation_loss,
    sample_latents,
    text_to_image,
    vector_of,
)
from course_utils.built.train import train as steps_of
from course_utils.data import creature, emoji, emoji_captions, emoji_edits, fifth_artist
from course_utils.evaluation.emoji_classifiers import distance
from course_utils.io import tensors
from tools.train import loop

EMOJI = loop.CHECKPOINTS / "emoji"
PERSONAL = loop.CHECKPOINTS / "personal"
CLASS = "a monster"
NAME = "a zwx monster"
WORD, START = "<pip>", "alien monster"
DREAMBOOTH = "dreambooth.safetensors"
DREAMBOOTH_PROMPTS = (*[NAME] * 2, *[CLASS] * 2, "a dog", "a red apple")
DREAMBOOTH_RUNS = {
    "without_prior": {},
    "with_prior": dict(prior=64),
    "wrong_caption": dict(prior=64, prior_caption=NAME),
}
THINGS = ("monster", "robot", "octopus", "dog", "snowman", "ghost")
THINGS += ("cat with a party hat", "person with a hat")
OTHERS = tuple(f"{emoji.with_article(x)}, {style} style" for x in THINGS for style in emoji.STYLES)
"""What a LoRA's prior shows: captions of many kinds, to keep what styles and other things are."""
DRAWN = dict(steps=12, guidance=3.0)


@dataclass(frozen=True, kw_only=True)
class Settings(loop.Settings):
    """A run: a way to teach, and what is taught."""

    way: str  # "word", "lora" or "dreambooth"
    subject: str = "creature"  # or "style"
    rank: int = 0  # of a LoRA
    pattern: str = r"unet\..*"  # of its layers' names
    prior: int = 0  # pictures that the model draws before, for prior preservation
    prior_prompts: tuple[str, ...] = (CLASS,)  # what it draws, in turn
    prior_caption: str = ""  # in the place of the prompts, when it learns
    colours: int = 0  # on so many backgrounds each drawing lies, too, and its caption says so


HOW = dict(network={}, batch_size=16, ema=0, every=0)
CREATURE = Settings(
    name="personal_creature",
    way="lora",
    rank=4,
    prior=2 * len(OTHERS),
    prior_prompts=OTHERS,
    colours=2,
    steps=400,
    learning_rate=3e-3,
    **HOW,
)
STYLE = Settings(
    name="personal_style",
    way="lora",
    subject="style",
    rank=4,
    steps=250,
    learning_rate=1e-3,
    **HOW,
)
PLAIN_DREAMBOOTH = Settings(
    name="personal_dreambooth", way="dreambooth", steps=150, learning_rate=3e-4, **HOW
)
ALL = (CREATURE, STYLE, PLAIN_DREAMBOOTH)


def load() -> StableDiffusion:
    """The emoji model, as it is before it is taught anything."""
    device = training.device()
    return diffusers_format.load_pipeline(EMOJI, precision=training.autocast(device)).to(device)


def pictures(subject: str) -> tuple[Tensor, list[str]]:
    """What is taught: images N x 3 x 64 x 64, and of each the name that its caption has.

    Of the creature there are five, of the style sixty.
    """
    if subject == "creature":
        drawings = creature.drawings()
        return drawings, [CLASS] * len(drawings)
    return artist(fifth_artist.split()[0])


def artist(places: list[int]) -> tuple[Tensor, list[str]]:
    """Drawings of the fifth artist, by their places in the sheet, and captions without a style."""
    every, sheet = fifth_artist.drawings(), torch.from_numpy(fifth_artist.sheet()[places])
    names = [emoji_captions.words()[every[i].concept]["nouns"][0] for i in places]
    images = sheet.permute(0, 3, 1, 2).float() / 127.5 - 1
    return images, [emoji.with_article(name) for name in names]


def on_backgrounds(images: Tensor, captions: list[str], colours: int) -> tuple[Tensor, list[str]]:
    """Each drawing on so many colours, named in its captions, and as often as it is.

    What a caption says can be changed by a prompt; what none says is taken for a part of the name.
    """
    copies, captions = images.repeat(colours, 1, 1, 1), colours * captions
    names = [*islice(cycle(emoji_edits.BACKGROUNDS), len(copies))]
    behind = torch.tensor([emoji_edits.BACKGROUNDS[name] for name in names])
    said = emoji_captions.BACKGROUND[0]
    named = [said.format(x=x, colour=name) for x, name in zip(captions, names, strict=True)]
    return torch.cat([copies, emoji_edits.on_background(copies, behind)[0]]), captions + named


def taught(
    settings: Settings, model: StableDiffusion
) -> tuple[Mapping[str, LoRALinear], dict[str, float]]:
    """Teach a model, in place; the LoRA, if it is one, and numbers, seconds and loss of the run."""
    images, captions = pictures(settings.subject)
    if settings.subject == "creature":
        captions = [WORD if settings.way == "word" else NAME] * len(images)
    if settings.colours:
        images, captions = on_backgrounds(images, captions, settings.colours)
    latents, whole, loras = model.to_latents(images), networks(model), {}
    generator = training.seed(settings.seed)
    how = dict(schedule=model.schedule, prediction_type=model.prediction_type)
    loss_of, data = partial(caption_loss, **how), (latents.cpu(),)
    if settings.prior:
        prompts = [*islice(cycle(settings.prior_prompts), settings.prior)]
        drawn = model.to_latents(text_to_image(model, prompts, generator, **DRAWN)).cpu()
        own = torch.arange(settings.prior) % len(images)
        names = [captions[i] for i in own]
        others = [settings.prior_caption or prompt for prompt in prompts]
        data = (latents.cpu()[own], model.tokenizer.encode(names))
        data += (drawn, model.tokenizer.encode(others))
        loss_of = partial(prior_preservation_loss, **how)
    if settings.way == "word":
        add_word(model, WORD, vector_of(model, START))
    elif settings.way == "lora":
        loras = add_lora(whole, settings.pattern, settings.rank)
    else:
        whole.requires_grad_(False)
        model.unet.requires_grad_(True)
    if not settings.prior:
        data += (model.tokenizer.encode(captions),)
    numbers, began = count_trainable(whole), time.perf_counter()
    options = (settings.batch_size, settings.learning_rate, model.precision)
    losses = [*steps_of(whole, loss_of, data, settings.steps, generator, *options)]
    whole.eval()
    last = losses[-min(20, len(losses)) :]
    seconds = time.perf_counter() - began
    return loras, dict(numbers=numbers, seconds=seconds, loss=sum(last) / len(last))


def nearest(drawn: Tensor, drawings: Tensor) -> Tensor:
    """How far each of N pictures is from the nearest of some drawings."""
    every = [distance(drawn, one.expand_as(drawn)) for one in drawings]
    return torch.stack(every).amin(0)


def nearness(settings: Settings, model: StableDiffusion, seed: int = 1) -> float:
    """How far what the model draws is, on average, from the creature's drawings, or the artist's
    own drawings of things that it has not seen in this style."""
    generator = torch.Generator().manual_seed(seed)
    if settings.subject == "creature":
        name = WORD if settings.way == "word" else NAME
        drawn = text_to_image(model, [name] * 8, generator, **DRAWN)
        return nearest(drawn, creature.drawings()).mean().item()
    own, captions = artist(fifth_artist.split()[1][::20])
    return distance(text_to_image(model, captions, generator, **DRAWN), own).mean().item()


def train(settings: Settings, minutes: float | None = None, resume: bool = False) -> None:
    """Teach the emoji model, and write what is shipped of it."""
    if minutes or resume:
        sys.exit("The personal runs take a minute or two: give --steps, and begin them anew.")
    if settings.way == "dreambooth":
        return dreambooth(settings)
    model = load()
    before = nearness(settings, model)
    loras, run = taught(settings, model)
    after = nearness(settings, model)
    for lora in loras.values():
        lora.A.half()  # as all weights are shipped
        lora.B.half()
    print(f"{settings.name}: {run}, distance {before:.3f} before, {after:.3f} after")
    folder = PERSONAL / settings.name.removeprefix("personal_")
    notes = noted(settings, run) | dict(numbers=run["numbers"], distance=round(after, 4))
    print(diffusers_format.save_lora(folder, loras, **notes))


def dreambooth(settings: Settings) -> None:
    """Latents that DreamBooth draws without and with prior preservation, and, where the prior's
    pictures had the wrong caption, of its name alone, without guidance and with it: in one file."""
    found, notes, guided = {}, {}, DRAWN["guidance"]
    for name, changes in DREAMBOOTH_RUNS.items():
        model, asked = load(), replace(settings, **changes)
        _, run = taught(asked, model)
        if name == "wrong_caption":
            found[name] = drawn_latents(model, [NAME] * 12, 1.0)
            found[f"{name}_guided"] = drawn_latents(model, [NAME] * 12, guided)
        else:
            found[name] = drawn_latents(model, DREAMBOOTH_PROMPTS, guided)
        distance = nearness(asked, model)
        notes |= noted(settings, run) | {f"{name}_distance": round(distance, 4)}
        notes |= {f"{name}_seconds": round(run["seconds"])}
        print(f"{settings.name}, {name}: {run}, distance {distance:.3f}")
    path = PERSONAL / DREAMBOOTH
    tensors.write_tensors(path, found, prompts=json.dumps(DREAMBOOTH_PROMPTS), **notes)


def drawn_latents(model: StableDiffusion, prompts: Sequence[str], guidance: float) -> Tensor:
    """What the model makes of prompts, from the noise of seed 1: latents in half precision."""
    start = prepare_latents(model, len(prompts), torch.Generator().manual_seed(1))
    times = get_timesteps(model, DRAWN["steps"])
    return sample_latents(model, start, times, prompts, guidance=guidance).half().cpu()


def noted(settings: Settings, run: dict) -> dict[str, object]:
    """What a file's header says of a run: the command that repeats it first."""
    counts = (settings.steps, run["seconds"], run["loss"])
    return loop.Saved(settings, *counts, torch.nn.Identity()).notes()
