"""How far apart two sets of pictures are, as one number (lesson 06)."""

import torch
from torch import Tensor


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """The squared Frechet distance of two normal distributions (Dowson and Landau 1982).

    |mean_a - mean_b|^2 + trace(cov_a + cov_b - 2 (cov_a cov_b)^(1/2)). Means: D numbers;
    covariances: D x D, symmetric, singular ones too. Computed in float64. On the features of two
    sets of pictures this is the FID's formula (Heusel et al. 2017). Raises ValueError where the
    shapes do not fit.
    """
    given = [part.detach().cpu().double() for part in (mean_a, cov_a, mean_b, cov_b)]
    D = given[0].numel()
    if [tuple(part.shape) for part in given] != [(D,), (D, D)] * 2:
        shapes = [tuple(part.shape) for part in given]
        raise ValueError(f"Two means of D numbers and two D x D covariances, not {shapes}.")
    mean_a, cov_a, mean_b, cov_b = given
    values, vectors = torch.linalg.eigh(cov_a)
    root_a = (vectors * values.clamp(min=0).sqrt()) @ vectors.T  # its square is cov_a
    # cov_a cov_b has the eigenvalues of this symmetric product; a root's trace sums their roots.
    values = torch.linalg.eigvalsh(root_a @ cov_b @ root_a)
    cross = values.clamp(min=0).sqrt().sum()  # rounding can make a 0 negative
    apart = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return apart.clamp(min=0).item()
