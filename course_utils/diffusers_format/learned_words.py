"""New words as files: the learned_embeds.safetensors of textual inversion."""

from pathlib import Path

from torch import nn

from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.built.textual_inversion import add_word
from course_utils.diffusers_format import kinds
from course_utils.diffusers_format.loras import found_file
from course_utils.diffusers_format.weights import Weights
from course_utils.io import tensors

WORD_VECTORS = "learned_embeds.safetensors"
NAMELESS = "emb_params"  # what another program calls each word


def save_word(folder: str | Path, model: StableDiffusion, word: str, **notes: object) -> Path:
    """Write a model's new word, to open with diffusers' `pipe.load_textual_inversion(folder)`.

    One tensor, K x width, named by the word. notes: for the header. Raises ValueError where the
    model has no such word, OSError where it can't be written.
    """
    words = getattr(model.tokenizer, "words", {})
    if word not in words:
        raise ValueError(f"This model has no new word {word!r}; it has {[*words] or 'none'}.")
    ids = [model.tokenizer.vocab[name] for name in model.tokenizer.split(word)]
    vectors = model.text_encoder.token_embedding.weight[ids]
    return tensors.write_tensors(Path(folder) / WORD_VECTORS, {word: vectors}, format="pt", **notes)


def load_word(place: str | Path, model: StableDiffusion, word: str | None = None) -> nn.Parameter:
    """Add the word of a file, or of the file in a folder, to a model; the rest as for `add_word`.

    word: another name for it, where the file's own is taken or none. Raises FileNotFoundError where
    there is no file, ValueError where it is damaged or something else.
    """
    path = found_file(Path(place), WORD_VECTORS)
    shapes = Weights(path).shapes
    name, shape = next(iter(shapes.items()), ("", ()))
    if len(shapes) != 1 or len(shape) not in (1, 2):
        what = "a whole Stable Diffusion" if kinds.is_whole(shapes) else kinds.what_is(shapes)
        if set(shapes) == {"clip_l", "clip_g"}:
            what = "a new word for Stable Diffusion XL, which has two text encoders"
        raise ValueError(
            f"{path.name} is {what or 'something else'}. A new word is wanted here: one tensor, "
            f"K x width, named by the word."
        )
    if name == NAMELESS and word is None:
        raise ValueError(f"{path.name} does not say its word: give one, load_word(..., '<mine>').")
    vectors = tensors.read_tensors(path)[0][name].reshape(-1, shape[-1])
    return add_word(model, word or name, vectors.to(model.text_encoder.token_embedding.weight))
