"""Rotations of features against rotated spherical harmonics and e3nn's matrices."""

from __future__ import annotations

import pytest
import torch
from e3nn import o3

from potentials.equivariant import Irrep, Layout, random_rotation, reflect, rotate, spherical_harmonics, wigner_D
from potentials.errors import LayoutError


def rotation(seed: int = 0) -> torch.Tensor:
    return random_rotation(torch.Generator().manual_seed(seed))


def test_rotations_are_proper_and_repeatable() -> None:
    for seed in range(20):
        R = rotation(seed)
        torch.testing.assert_close(R @ R.T, torch.eye(3), rtol=0, atol=1e-14)
        assert torch.det(R) == pytest.approx(1.0, abs=1e-14)
    assert torch.equal(rotation(3), rotation(3))
    assert not torch.equal(rotation(3), rotation(4))
    assert random_rotation(dtype=torch.float32).dtype == torch.float32


def test_matrices_of_single_precision() -> None:
    """Orthogonal to a few units in the last place, which e3nn alone refuses."""
    R = rotation().to(torch.float32) * (1 + 5e-6)
    expected = wigner_D(Irrep(2, 1), rotation())
    torch.testing.assert_close(wigner_D(Irrep(2, 1), R).double(), expected, rtol=0, atol=1e-5)


def test_rotations_are_uniform() -> None:
    """Of the Haar measure: means of R_ij R_kl are d_ik d_jl / 3; the distribution of the angle."""
    generator = torch.Generator().manual_seed(0)
    samples = torch.stack([random_rotation(generator) for _ in range(4000)])
    flat = samples.flatten(1)
    torch.testing.assert_close(flat.mean(dim=0), torch.zeros(9), rtol=0, atol=0.04)
    torch.testing.assert_close(flat.T @ flat / len(flat), torch.eye(9) / 3, rtol=0, atol=0.03)
    # The trace is 1 + 2 cos(angle); angles have the density (1 - cos) / pi.
    angles = torch.arccos((samples.diagonal(dim1=1, dim2=2).sum(dim=1) - 1) / 2).sort().values
    expected = (angles - torch.sin(angles)) / torch.pi
    # Kolmogorov and Smirnov: beyond 0.031 one seed in a thousand.
    assert (expected - torch.linspace(0, 1, len(angles))).abs().max() < 0.031


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("irrep", Layout.full(4), ids=str)
def test_wigner_D_is_that_of_e3nn(irrep: Irrep, inverted: bool) -> None:
    R = -rotation() if inverted else rotation()
    expected = o3.Irrep(irrep.degree, irrep.parity).D_from_matrix(R)
    torch.testing.assert_close(wigner_D(irrep, R), expected, rtol=0, atol=1e-12)


def test_degree_one_is_the_matrix_itself() -> None:
    torch.testing.assert_close(wigner_D(Irrep(1, -1), -rotation()), -rotation(), rtol=0, atol=1e-12)
    torch.testing.assert_close(wigner_D(Irrep(1, 1), -rotation()), rotation(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("inverted", [False, True])
def test_harmonics_of_turned_vectors_are_turned_harmonics(inverted: bool) -> None:
    vectors, R = torch.randn(7, 3), -rotation() if inverted else rotation()
    layout = Layout.natural(4)
    turned = spherical_harmonics(vectors @ R.T, 4)
    found = rotate(spherical_harmonics(vectors, 4).unsqueeze(2), layout, R).squeeze(2)
    torch.testing.assert_close(found, turned, rtol=0, atol=1e-11)


def test_reflection_is_the_inversion() -> None:
    layout, features = Layout.full(2), torch.randn(4, Layout.full(2).dim, 3)
    inversion = rotate(features, layout, -torch.eye(3))
    torch.testing.assert_close(reflect(features, layout), inversion, rtol=0, atol=1e-14)
    assert torch.equal(reflect(reflect(features, layout), layout), features)
    vectors = torch.randn(5, 3)
    harmonics = spherical_harmonics(vectors, 3).unsqueeze(2)
    expected = spherical_harmonics(-vectors, 3).unsqueeze(2)
    torch.testing.assert_close(reflect(harmonics, Layout.natural(3)), expected, rtol=0, atol=1e-14)


def test_rotations_follow_each_other() -> None:
    layout, x = Layout.full(3), torch.randn(2, Layout.full(3).dim, 2)
    one_by_one = rotate(rotate(x, layout, rotation(1)), layout, rotation(2))
    torch.testing.assert_close(rotate(x, layout, rotation(2) @ rotation(1)), one_by_one, rtol=0, atol=1e-12)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(LayoutError, match=r"expected features \[..., 4 components, channels\] for the layout 0e\+1o"):
        rotate(torch.zeros(2, 5, 1), Layout.natural(1), torch.eye(3))
    with pytest.raises(LayoutError, match="orthogonal"):
        wigner_D(Irrep(1, 1), 1.1 * torch.eye(3))
