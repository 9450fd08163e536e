"""The Frechet distance against scipy's matrix square root, and against closed forms."""

import numpy as np
import pytest
import scipy.linalg
import torch

from course_utils.built.frechet import frechet_distance


def normal_distribution(D, seed, rank=None):
    """A random mean and a random covariance of this rank, in float64."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(D, generator=generator, dtype=torch.float64)
    root = torch.randn(D, rank or D, generator=generator, dtype=torch.float64)
    return mean, root @ root.T / D


def by_scipy(mean_a, cov_a, mean_b, cov_b):
    root = scipy.linalg.sqrtm(cov_a.numpy() @ cov_b.numpy())
    trace = np.trace(cov_a.numpy() + cov_b.numpy() - 2 * root.real)
    return ((mean_a - mean_b) ** 2).sum().item() + trace


@pytest.mark.parametrize("D, seed", [(1, 0), (2, 1), (10, 2), (64, 3), (96, 4)])
def test_equals_scipys_matrix_root(D, seed):
    a, b = normal_distribution(D, seed), normal_distribution(D, seed + 100)
    assert frechet_distance(*a, *b) == pytest.approx(by_scipy(*a, *b), rel=1e-9)
    assert frechet_distance(*a, *b) == pytest.approx(frechet_distance(*b, *a), rel=1e-9)


def test_one_dimension_in_closed_form():
    """(m1 - m2)^2 + (s1 - s2)^2 for means m and standard deviations s."""
    numbers = [torch.tensor(value) for value in ([1.0], [[4.0]], [-2.0], [[0.25]])]
    assert frechet_distance(*numbers) == pytest.approx(3**2 + 1.5**2)


def test_diagonal_covariances_in_closed_form():
    std_a, std_b = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([3.0, 0.5, 0.1])
    found = frechet_distance(
        torch.zeros(3), std_a.square().diag(), torch.ones(3), std_b.diag() ** 2
    )
    assert found == pytest.approx(3 + ((std_a - std_b) ** 2).sum().item())


def test_commuting_covariances_in_closed_form():
    """With common eigenvectors the roots of the eigenvalues are compared one by one."""
    turn = torch.linalg.qr(normal_distribution(20, 5)[1])[0]
    a, b = torch.linspace(0.1, 3, 20).double(), torch.linspace(2, 0, 20).double()
    means = torch.zeros(20), torch.zeros(20)
    found = frechet_distance(means[0], turn * a @ turn.T, means[1], turn * b @ turn.T)
    assert found == pytest.approx(((a.sqrt() - b.sqrt()) ** 2).sum().item(), rel=1e-6)


def test_a_distribution_is_at_distance_0_from_itself():
    for rank in (12, 96):
        mean, cov = normal_distribution(96, 7, rank)
        assert 0 <= frechet_distance(mean, cov, mean, cov) < 1e-4  # sqrt(1e-16) in 84 places


@pytest.mark.parametrize("ranks", [(3, 40), (40, 3), (3, 5)])
def test_singular_covariances(ranks):
    """Against the trace of the root's singular values: |A^T B|_* for cov = A A^T and B B^T."""
    generator = torch.Generator().manual_seed(11)
    A, B = (torch.randn(40, r, generator=generator, dtype=torch.float64) for r in ranks)
    mean = torch.zeros(40)
    expected = A.square().sum() + B.square().sum() - 2 * torch.linalg.svdvals(A.T @ B).sum()
    found = frechet_distance(mean, A @ A.T, mean, B @ B.T)
    assert found == pytest.approx(expected.item(), rel=1e-6)


def test_half_precision_is_widened_first():
    mean_a, cov_a = normal_distribution(8, 21)
    mean_b, cov_b = normal_distribution(8, 22)
    rounded = [part.bfloat16() for part in (mean_a, cov_a, mean_b, cov_b)]
    expected = by_scipy(*(part.double() for part in rounded))
    assert frechet_distance(*rounded) == pytest.approx(expected, rel=0.02)  # bf16 is not symmetric


@pytest.mark.parametrize(
    "shapes",
    [
        [(3,), (3, 3), (4,), (4, 4)],
        [(3,), (3,), (3,), (3,)],
        [(3, 1), (3, 3), (3, 1), (3, 3)],
        [(), (), (), ()],
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes):
    with pytest.raises(ValueError, match="Two means of D numbers"):
        frechet_distance(*(torch.ones(shape) for shape in shapes))
