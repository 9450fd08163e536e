"""LoRA: a small change beside weights that are frozen (lesson 15)."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

ATTENTION = r"(attn1|attn2|self_attn)\.to_(q|k|v|out)"
"""How the names of attention's linear layers end, in a U-Net and in a text encoder."""


class LoRALinear(nn.Module):
    """W x + scale alpha / r B A x: a frozen layer, and beside it a change of rank r.

    base: a linear layer or a convolution; or a LoRALinear, so that several changes add up. A starts
    as torch starts any layer and B at zero, so that nothing is changed yet. alpha: r if it is None;
    kept fixed, it lets one learning rate serve several ranks, roughly. scale: a setting, 1 at
    first: 0 is the base alone. Raises ValueError for other layers and for no rank. (Hu et al. 2021,
    section 4.1.)
    """

    def __init__(self, base: nn.Module, rank: int = 4, alpha: float | None = None):
        super().__init__()
        _check_layer(base, rank)
        self.base, self.rank, self.scale = base.requires_grad_(False), rank, 1.0
        self.alpha = rank if alpha is None else alpha
        self.A, self.B = (part.to(self.weight) for part in low_rank(self.layer, rank))
        nn.init.zeros_(self.B.weight)
        self.merged: Tensor | None = None  # what was added to W, see merge_lora

    @property
    def layer(self) -> nn.Module:
        """The layer at the bottom, below all LoRALinears."""
        return getattr(self.base, "layer", self.base)

    def __getattr__(self, name: str) -> object:
        try:
            return super().__getattr__(name)
        except AttributeError:  # what it lacks it has from its base: weight, in_features, padding
            return getattr(super().__getattr__("base"), name)

    def change(self) -> Tensor:
        """scale alpha / r B A, which could be added to W: of W's shape."""
        BA = self.B.weight.flatten(1) @ self.A.weight.flatten(1)
        return (self.scale * self.alpha / self.rank * BA).view_as(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        if self.merged is not None or not self.scale:
            return self.base(x)
        return self.base(x) + self.scale * self.alpha / self.rank * self.B(self.A(x))


def low_rank(layer: nn.Module, rank: int) -> tuple[nn.Module, nn.Module]:
    """A, from a layer's inputs to `rank` numbers, and B, from these to its outputs; no biases.

    A convolution is a linear layer on patches: its A reads them, its B is 1 x 1.
    """
    if isinstance(layer, nn.Conv2d):
        where = (layer.kernel_size, layer.stride, layer.padding)
        A = nn.Conv2d(layer.in_channels, rank, *where, bias=False)
        return A, nn.Conv2d(rank, layer.out_channels, 1, bias=False)
    A = nn.Linear(layer.in_features, rank, bias=False)
    return A, nn.Linear(rank, layer.out_features, bias=False)


def lora_places(model: nn.Module) -> list[str]:
    """The names of the linear layers and convolutions of a model; none of a LoRA's own."""
    inside = tuple(f"{n}." for n, m in model.named_modules() if isinstance(m, LoRALinear))
    kinds = (nn.Linear, nn.Conv2d, LoRALinear)
    found = [name for name, layer in model.named_modules() if isinstance(layer, kinds)]
    return [name for name in found if not name.startswith(inside)]


def add_lora(
    model: nn.Module, pattern: str = ATTENTION, rank: int = 4, alpha: float | None = None
) -> dict[str, LoRALinear]:
    """Freeze a model, and put a LoRALinear in the place of each layer whose name ends as `pattern`.

    Returns these by their names: they are the LoRA, and their A and B are all that can learn. Of
    Stable Diffusion, model is `networks(...)`, as the text encoder must be frozen too. pattern: a
    regular expression; "" fits every linear layer and convolution. Called again, it adds a second
    LoRA beside the first, which is frozen. Raises ValueError where the pattern fits none.
    """
    names = [name for name in lora_places(model) if re.search(f"(?:{pattern})$", name)]
    _check_found(names, pattern, model)
    loras = {name: LoRALinear(model.get_submodule(name), rank, alpha) for name in names}
    model.requires_grad_(False)
    for name, lora in loras.items():
        model.set_submodule(name, lora)
    return loras


def remove_lora(model: nn.Module, loras: Mapping[str, LoRALinear]) -> None:
    """Put back the layers that were there before; of a merged LoRA the change stays in them."""
    for name, lora in loras.items():
        while model.get_submodule(name) is not lora:  # below one that was added later
            name = f"{name}.base"
        model.set_submodule(name, lora.base)


def scale_lora(loras: Mapping[str, LoRALinear], scale: float) -> None:
    """Say how much of the change counts: 0 none, 1 all; beyond, or below 0, is allowed."""
    for lora in loras.values():
        _check_merged(lora, False)
        lora.scale = scale


@torch.no_grad()
def merge_lora(loras: Mapping[str, LoRALinear]) -> None:
    """Add the change to the weights: the same results, at no cost in time. Raises ValueError."""
    for lora in loras.values():
        _check_merged(lora, False)
        lora.merged = lora.change()
        lora.weight.add_(lora.merged)


@torch.no_grad()
def unmerge_lora(loras: Mapping[str, LoRALinear]) -> None:
    """Take it out of the weights again, to what rounding leaves of it. Raises ValueError."""
    for lora in loras.values():
        _check_merged(lora, True)
        lora.weight.sub_(lora.merged)
        lora.merged = None


def count_trainable(model: nn.Module) -> int:
    """How many numbers of a model can learn."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _check_layer(base: nn.Module, rank: int) -> None:
    layer = getattr(base, "layer", base)
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise ValueError(
            f"A LoRA goes beside a linear layer or a convolution; this is a {type(base).__name__}."
        )
    if isinstance(layer, nn.Conv2d) and (layer.groups, layer.dilation) != (1, (1, 1)):
        raise ValueError("A LoRA goes beside convolutions without groups and dilation alone.")
    if not isinstance(rank, int) or rank < 1:
        raise ValueError(f"The rank is a whole number from 1 on, such as 4; this one is {rank!r}.")


def _check_found(names: list[str], pattern: str, model: nn.Module) -> None:
    if not names:
        some = lora_places(model)[-3:]
        raise ValueError(
            f"No linear layer's name ends as {pattern!r}. Their names are such as "
            f"{', '.join(some) or 'none: this model has no linear layers'}."
        )


def _check_merged(lora: LoRALinear, wanted: bool) -> None:
    if (lora.merged is not None) != wanted:
        raise ValueError(
            "This LoRA is not merged: there is nothing to take out."
            if wanted
            else "This LoRA is merged already: unmerge_lora takes it out of the weights first."
        )
