"""Train the two judges of emoji: `python tools/train_emoji_judges.py [style|concept] [--trial]`

Writes data/checkpoints/emoji_judge_style.safetensors and emoji_judge_concept.safetensors in half
precision, with settings, seconds and accuracies in their headers. Prints the digests, which belong
into course_utils/emoji_judges.py. Some seventeen minutes on one core. With --trial the judges do
not see the held-out pairs, so that their accuracy on those says how well they read a style's
drawing of a concept that they know from other styles only; nothing is written.
"""

import argparse
import hashlib
import math
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import ROOT, datasets, emoji, emoji_judges, layout, training
from course_utils.built.train import train
from course_utils.emoji_judges import SMALL, ConceptJudge, StyleJudge

JUDGES = {"style": StyleJudge, "concept": ConceptJudge}
STEPS, BATCH = {"style": 1600, "concept": 4500}, 128
LEARNING_RATE, WEIGHT_DECAY, SMOOTHING, SEED = 5e-3, 0.1, 0.2, 0
DEGREES, STRETCH, SHIFT, SHEAR = 10.0, 0.12, 2.5, 0.1  # the largest; the shift is in pixels of 32
COLOUR, CONTRAST = 0.08, 0.12  # the most that the mixing of colours and the contrast change
COARSE = 0.15  # how many pictures are averaged to half their size and drawn up again
GRAIN, STAINS = 0.1, 0.15  # the largest deviation of noise, and of noise of 4 x 4 pixels
STYLE_AMOUNT = 0.25  # of all this for the style judge: a palette is much of a style
WANTED = {"style": 0.93, "top_five": 0.98}
"""What a judge must read of drawings as they are."""
FOLDER = ROOT / "data" / "checkpoints"
CPU = torch.device("cpu")


@torch.autocast("cpu", enabled=False)  # pictures are changed in full precision
def varied(images: Tensor, generator: torch.Generator, amount: float = 1.0) -> Tensor:
    """The images (N x 3 x H x H in [-1, 1]), each changed by chance as a generator may draw it.

    Moved, recoloured, blurred, grained: a judge that knew only the sheets' own pixels would take
    what a VAE does to a picture for a reason to read it differently.
    """
    x = recoloured(moved(images, generator, amount), generator, amount)
    n = (len(x), 1, 1, 1)
    some = (torch.rand(n, generator=generator) * 1.3 - 0.3).clamp(min=0)
    x = torch.lerp(x, blurred(x), some)
    coarse = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    x = torch.where(torch.rand(n, generator=generator) < COARSE, coarse, x)
    grain, stains = torch.rand(2, *n, generator=generator)
    patches = torch.randn(len(x), 3, *(side // 4 for side in x.shape[2:]), generator=generator)
    x = x + amount * GRAIN * grain * torch.randn(x.shape, generator=generator)
    return x + amount * STAINS * stains * F.interpolate(patches, scale_factor=4, mode="bilinear")


def moved(images: Tensor, generator: torch.Generator, amount: float) -> Tensor:
    """The images turned, stretched, shifted and sheared a little."""
    n = len(images)
    angle, shear, *rest = amount * (torch.rand(6, n, generator=generator) * 2 - 1)
    angle, shear = angle * math.radians(DEGREES), shear * SHEAR
    across, down = (1 + STRETCH * part for part in rest[:2])
    shift = torch.stack(rest[2:], 1) * SHIFT * 2 / SMALL
    rows = [across * angle.cos(), shear - angle.sin(), angle.sin(), down * angle.cos()]
    where = torch.cat([torch.stack(rows, 1).view(n, 2, 2), shift[..., None]], 2)
    grid = F.affine_grid(where, images.shape, align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recoloured(images: Tensor, generator: torch.Generator, amount: float) -> Tensor:
    """The images with colours mixed a little anew and another contrast; white stays white."""
    n = len(images)
    mix = torch.eye(3) + amount * COLOUR * (torch.rand(n, 3, 3, generator=generator) * 2 - 1)
    mix = mix * (1 + amount * CONTRAST * (torch.rand(n, 1, 1, generator=generator) * 2 - 1))
    return 1 - (mix @ (1 - images).flatten(2)).view(images.shape)


def blurred(images: Tensor) -> Tensor:
    """Each pixel the mean of those around it: of a square of 3 pixels at 32 x 32, 5 at 64 x 64."""
    far = images.shape[-1] // SMALL
    return F.avg_pool2d(F.pad(images, (far,) * 4, mode="replicate"), 2 * far + 1, stride=1)


def style_loss(model: StyleJudge, images: Tensor, styles: Tensor, generator: torch.Generator):
    """The cross-entropy of the styles, on images that were varied, half of them mirrored."""
    mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    x = varied(images, generator, STYLE_AMOUNT).to(memory_format=torch.channels_last)
    return F.cross_entropy(model(x), styles)


def concept_loss(model: ConceptJudge, images: Tensor, wanted: Tensor, generator: torch.Generator):
    """The cross-entropy of each varied picture choosing among the names of all concepts.

    That is the picture's half of CLIP's loss, with every name there is in the place of a batch's.
    """
    x = varied(images, generator).to(memory_format=torch.channels_last)
    logits = model(x, emoji_judges.bags(emoji_judges.known()))
    return F.cross_entropy(logits, wanted, label_smoothing=SMOOTHING)


def drawings() -> tuple[Tensor, list[emoji.Emoji], Tensor]:
    """All pictures of ranked concepts at 64 x 64, what they are, and which are held out."""
    images, _, found = datasets.emoji(64, "all")
    ranked = set(emoji_judges.known())
    keep = [i for i, drawing in enumerate(found) if drawing.concept in ranked]
    found = [found[i] for i in keep]
    held_out = [emoji.held_out_style(d.concept) == d.style for d in found]
    return images[keep], found, torch.tensor(held_out)


def accuracies(model: nn.Module, images: Tensor, found: list[emoji.Emoji]) -> dict[str, float]:
    """ "style", or "concept" and "top_five": how much the model reads rightly."""
    styles, wanted = emoji_judges.places(found)
    if isinstance(model, StyleJudge):
        return {"style": emoji_judges.fraction(emoji_judges.styles_by(model, images) == styles)}
    return emoji_judges.concept_scores(emoji_judges.ranking_by(model, images), wanted)


def damaged(images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Copies of the images from which little or nothing can be read."""
    noise = torch.randn(images.shape, generator=generator)
    tiles = images.unfold(2, 16, 16).unfold(3, 16, 16).flatten(2, 3)  # N x 3 x 16 x 16 x 16
    tiles = tiles[:, :, torch.randperm(16, generator=generator)].unflatten(2, (4, 4))
    return {
        "averaged to 4 x 4": F.interpolate(F.avg_pool2d(images, 16), scale_factor=16),
        "sixteen tiles shuffled": tiles.transpose(3, 4).reshape(images.shape),
        "under noise of deviation 2": (images + 2 * noise).clamp(-1, 1),
        "nothing but noise": noise.clamp(-1, 1),
    }


@torch.no_grad()
def through_vae(images: Tensor) -> Tensor | None:
    """The drawings as the emoji model's VAE gives them back, None where there is none yet."""
    if not (FOLDER / "emoji" / "vae" / "config.json").exists():
        return None
    vae = layout.load_vae(FOLDER / "emoji" / "vae").eval()
    parts = [vae.decode(vae.encode(part).mean) for part in images.split(50)]
    return torch.cat(parts).clamp(-1, 1)


def measure(model: nn.Module) -> dict[str, dict[str, float]]:
    """What a judge reads of real drawings, seen and held out by the emoji model, and of damaged."""
    images, found, held_out = drawings()
    generator = torch.Generator().manual_seed(SEED)
    seen = (~held_out).nonzero()[:, 0]
    some = seen[torch.randperm(len(seen), generator=generator)[:500]]
    report = {}
    unseen = held_out.nonzero()[:, 0]
    unseen = unseen[torch.randperm(len(unseen), generator=generator)]
    for name, chosen in (("seen", some), ("held out", unseen)):
        x, about = images[chosen], [found[i] for i in chosen]
        kinds = {"as they are": x, "blurred 5 x 5": blurred(x)} | damaged(x, generator)
        if (back := through_vae(x)) is not None:
            kinds["through the VAE"] = back
        for kind, pictures in kinds.items():
            report[f"{name}, {kind}"] = accuracies(model, pictures, about)
        report[f"{name}, another's caption"] = accuracies(model, x, about[1:] + about[:1])
    return report


def train_one(name: str, steps: int, trial: bool) -> nn.Module:
    """A judge, trained on all drawings, or in a trial on those that are not held out."""
    generator = training.seed(SEED)
    model, (images, found, held_out) = JUDGES[name](), drawings()
    styles, concepts = emoji_judges.places(found)
    loss_of, images, labels = {
        "style": (style_loss, images, styles),
        "concept": (concept_loss, emoji_judges.small(images), concepts),
    }[name]
    use = ~held_out if trial else torch.ones_like(held_out)
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY
    )
    data, how = (images[use], labels[use]), (BATCH, LEARNING_RATE, training.autocast(CPU))
    losses = train(model, loss_of, data, steps, generator, *how, optimizer)
    for step, loss in enumerate(losses, start=1):
        if step % 500 == 0:
            print(f"{name}: step {step}, loss {loss:.3f}, {time.process_time():.0f} s", flush=True)
    return model.half().float().eval()  # measured as it is written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("judges", nargs="*", default=[*JUDGES], choices=[*JUDGES])
    parser.add_argument(
        "--steps", type=int, help="default: 1600 for the styles, 4500 for the concepts"
    )
    parser.add_argument("--trial", action="store_true", help="leave the held-out pairs out")
    asked = parser.parse_args()
    for name in asked.judges:
        started, steps = time.process_time(), asked.steps or STEPS[name]
        model = train_one(name, steps, asked.trial)
        seconds, report = time.process_time() - started, measure(model)
        lines = [
            f"{k}: " + ", ".join(f"{n} {v:.4f}" for n, v in f.items()) for k, f in report.items()
        ]
        print(*lines, sep="\n", flush=True)
        if any(v < WANTED.get(n, 0) for n, v in report["held out, as they are"].items()):
            print("That is less than it should be: nothing was written.", flush=True)
        elif not asked.trial:
            write(name, model, steps, seconds, lines)


def write(name: str, model: nn.Module, steps: int, seconds: float, lines: list[str]) -> None:
    """Write the judge with what was measured, and print its digest."""
    path = training.save_checkpoint(
        FOLDER / f"emoji_judge_{name}.safetensors",
        model.to(memory_format=torch.contiguous_format).half(),
        made_by="tools/train_emoji_judges.py",
        settings=f"batch {BATCH}, learning rate {LEARNING_RATE}, one cycle of AdamW, weight "
        f"decay {WEIGHT_DECAY}, seed {SEED}; pictures moved, recoloured, blurred and grained, "
        + ("a half mirrored" if name == "style" else f"labels smoothed by {SMOOTHING}"),
        steps=steps,
        seconds=f"{seconds:.0f} of one core",
        measured="; ".join(lines),
    )
    raw = path.read_bytes()
    print(path.name, f"{len(raw):,} bytes, SHA-256", hashlib.sha256(raw).hexdigest(), flush=True)


if __name__ == "__main__":
    main()
