"""Muon for the matrices of a network, AdamW for the rest.

Muon turns the momentum of a matrix into the nearest one whose singular values are all 1, so that a
step moves every direction alike (Jordan et al. 2024, kellerjordan.github.io/posts/muon). The
weights of a convolution are a matrix of outputs x rest; torch.optim.Muon refuses them.
"""

import torch
from torch import Tensor, distributed
from torch.optim import AdamW

A, B, C = 3.4445, -4.775, 2.0315  # Jordan's polynomial: steep at 0, near 1 from there on
MOMENTUM = 0.95


def orthogonalized(matrix: Tensor, steps: int = 5) -> Tensor:
    """About U V^T of the matrix U S V^T, in bfloat16: Newton and Schulz's iteration."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = A * x + (B * square + C * square @ square) @ x
    return x.T if tall else x


class MuonWithAdamW(AdamW):
    """AdamW; but the weights of groups with `"muon": True`, of two dimensions or more, by Muon.

    Muon's updates have AdamW's usual size, 0.2 a weight, so that both take the same learning rate
    (Liu et al. 2025, arXiv 2502.16982). Where several processes train together, each orthogonalizes
    its share of the matrices.
    """

    @torch.no_grad()
    def step(self) -> None:
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group.get("muon")]
        super().step()
        self.param_groups = groups
        weights = [
            (p, group)
            for group in groups
            if group.get("muon")
            for p in group["params"]
            if p.grad is not None
        ]
        updates = orthogonalized_together([self._momentum(p) for p, _ in weights])
        for (p, group), update in zip(weights, updates, strict=True):
            size = 0.2 * max(update.shape) ** 0.5
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.sub_(update.float().view(p.shape), alpha=group["lr"] * size)

    def _momentum(self, p: Tensor) -> Tensor:
        """The running mean of a weight's gradients, Nesterov's, as a matrix."""
        state = self.state[p]
        if not state:  # AdamW wants "step" of every weight when it loads
            state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(p)}
        state["exp_avg"].lerp_(p.grad, 1 - MOMENTUM)
        return p.grad.lerp(state["exp_avg"], MOMENTUM).flatten(1)


def orthogonalized_together(matrices: list[Tensor]) -> list[Tensor]:
    """All matrices orthogonalized, each by one of the processes."""
    if not distributed.is_initialized() or not matrices:
        return [orthogonalized(matrix) for matrix in matrices]
    rank, world = distributed.get_rank(), distributed.get_world_size()
    mine = [
        orthogonalized(m) if i % world == rank else torch.zeros_like(m, dtype=torch.bfloat16)
        for i, m in enumerate(matrices)
    ]
    every = torch.cat([m.flatten() for m in mine])
    distributed.all_reduce(every)
    parts = every.split([m.numel() for m in mine])
    return [part.view(m.shape) for part, m in zip(parts, mine, strict=True)]
