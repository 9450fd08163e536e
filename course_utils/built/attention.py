"""Attention: how each token of an input takes what it needs from others (lesson 09)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """softmax(q k^T / sqrt(D)) v, and the softmax itself (Vaswani et al. 2017, eq. 1).

    q: ... x L x D queries; k: ... x S x D keys; v: ... x S x E values. mask: booleans that
    broadcast to ... x L x S, True where a query may see a key; each needs one at least.
    Returns ... x L x E results and ... x L x S maps, whose rows are weights that sum to 1.
    """
    D = q.shape[-1]
    scores = q @ k.transpose(-2, -1) / D**0.5  # ... x L x S
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    maps = scores.softmax(dim=-1)
    return maps @ v, maps


def causal_mask(L: int, device: torch.device | None = None) -> Tensor:
    """L x L booleans: row i is True up to column i, so that each token sees itself and the past."""
    return torch.ones(L, L, dtype=torch.bool, device=device).tril()


def _check_shapes(layer: nn.Module, x: Tensor, context: Tensor | None, causal: bool) -> None:
    """Raise ValueError where `layer` can't attend from x to this context."""
    width, cross_attention_dim = layer.to_q.in_features, layer.to_k.in_features
    if x.ndim != 3 or x.shape[2] != width:
        raise ValueError(f"Attention takes N x L x {width} numbers; got {[*x.shape]}.")
    if context is None and cross_attention_dim != width:
        raise ValueError(
            f"This attention looks at a context N x S x {cross_attention_dim}: pass one."
        )
    if context is not None and (
        context.ndim != 3 or context.shape[2] != cross_attention_dim or len(context) != len(x)
    ):
        raise ValueError(
            f"The context is {len(x)} x S x {cross_attention_dim} here; this one is "
            f"{[*context.shape]}."
        )
    if causal and context is not None:
        raise ValueError("causal is for self-attention: a context has no order in common with x.")


class Attention(nn.Module):
    """Multi-head attention, of an input to itself or to a context (Vaswani et al. 2017, 3.2.2).

    Four linear layers: to_q reads the input, to_k and to_v read the context, to_out mixes the
    heads; heads divides width. cross_attention_dim: width of the context, None for self-attention.
    bias: whether the first three have biases; out_bias: whether to_out has. Raises ValueError for
    other shapes.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        cross_attention_dim: int | None = None,
        bias: bool = True,
        out_bias: bool = True,
    ):
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"The width is a multiple of the heads; got {width} and {heads}.")
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias)
        self.to_k = nn.Linear(cross_attention_dim or width, width, bias)
        self.to_v = nn.Linear(cross_attention_dim or width, width, bias)
        self.to_out = nn.Linear(width, width, out_bias)

    def split(self, x: Tensor) -> Tensor:
        """N x L x width as N x heads x L x width / heads: each head gets its share of numbers."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        causal: bool = False,
        return_maps: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attention from x, N x L x width, to the context, or to x itself.

        context: N x S x cross_attention_dim. causal: no token sees what comes after it.
        return_maps: also return the maps, N x heads x L x S; without them torch's fused
        kernel is used, which never holds them in memory.
        """
        _check_shapes(self, x, context, causal)
        seen = x if context is None else context
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(seen)), self.split(self.to_v(seen))
        # On a CPU the fused kernel's backward takes several times as long in bfloat16.
        slow = q.is_cpu and q.requires_grad and q.dtype == torch.bfloat16
        if return_maps or slow:
            mask = causal_mask(x.shape[1], x.device) if causal else None
            result, maps = attention(q, k, v, mask)
        else:
            result = scaled_dot_product_attention(q, k, v, is_causal=causal)
        result = self.to_out(result.transpose(1, 2).flatten(2))  # the heads side by side again
        return (result, maps) if return_maps else result


@contextmanager
def recorded_maps(model: nn.Module, part: str = "") -> Iterator[dict[str, list[Tensor]]]:
    """Within it, the Attention layers of `model` whose names contain `part` record their maps.

    Yields a dict that fills: the layer's name -> a list with the maps, N x heads x L x S, of each
    call. What the model computes is unchanged, at about twice the cost of its attention.
    """
    found: dict[str, list[Tensor]] = {}

    def recorder(name: str):
        def hook(layer: Attention, given: tuple, named: dict, _) -> None:
            with torch.no_grad():
                maps = layer.forward(*given, **{**named, "return_maps": True})[1]
            found.setdefault(name, []).append(maps)

        return hook

    hooks = [
        layer.register_forward_hook(recorder(name), with_kwargs=True)
        for name, layer in model.named_modules()
        if isinstance(layer, Attention) and part in name
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
