"""Spherical harmonics against e3nn and against finite differences."""

from __future__ import annotations

import pytest
import torch
from e3nn import o3
from torch import Tensor

from potentials.equivariant import spherical_harmonics
from potentials.equivariant.spherical_harmonics import _raising


def directions() -> Tensor:
    """Random ones, the axes, and some within rounding of the poles."""
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    axes = torch.cat([torch.eye(3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64)])
    nearly = torch.cat([axes + size * random[:6] for size in (1e-4, 1e-8, 1e-12)])
    return torch.nn.functional.normalize(torch.cat([random, axes, nearly]))


def e3nn(unit_vectors: Tensor, degree: int) -> Tensor:
    return o3.spherical_harmonics(list(range(degree + 1)), unit_vectors, normalize=False, normalization="component")


@pytest.mark.parametrize("degree", range(7))
def test_values_are_those_of_e3nn(degree: int) -> None:
    found = spherical_harmonics(directions(), degree)
    torch.testing.assert_close(found, e3nn(directions(), degree), rtol=0, atol=1e-12)


def test_component_normalization() -> None:
    Y = spherical_harmonics(directions(), 6)
    for degree in range(7):
        norms = (Y[:, degree**2 : (degree + 1) ** 2] ** 2).sum(1)
        torch.testing.assert_close(norms, torch.full_like(norms, 2 * degree + 1), rtol=1e-12, atol=0)


def test_degree_one_and_the_polar_axis() -> None:
    y_axis = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    Y = spherical_harmonics(y_axis, 3)[0]
    at_pole = {degree**2 + degree: (2 * degree + 1) ** 0.5 for degree in range(4)}
    expected = torch.tensor([at_pole.get(component, 0.0) for component in range(16)], dtype=torch.float64)
    torch.testing.assert_close(Y, expected, rtol=0, atol=1e-14)
    random = directions()
    torch.testing.assert_close(spherical_harmonics(random, 1)[:, 1:], 3**0.5 * random)


def test_derivatives() -> None:
    """Of the harmonics of the direction of a vector of any length, along random directions and at the poles."""
    vectors = (directions() * 1.7).requires_grad_()

    def harmonics(x: Tensor) -> Tensor:
        return spherical_harmonics(x / torch.linalg.vector_norm(x, dim=1, keepdim=True), 4)

    assert torch.autograd.gradcheck(harmonics, vectors, fast_mode=True)
    assert torch.autograd.gradgradcheck(harmonics, vectors, fast_mode=True)


def test_float32() -> None:
    found = spherical_harmonics(directions().float(), 4)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), e3nn(directions(), 4), rtol=0, atol=3e-6)


def test_no_vectors() -> None:
    assert spherical_harmonics(torch.zeros(0, 3), 3).shape == (0, 16)


def test_use_in_inference_mode_leaves_training_possible() -> None:
    _raising.cache_clear()
    with torch.inference_mode():
        spherical_harmonics(directions(), 3)
    vectors = directions().requires_grad_()
    spherical_harmonics(vectors, 3).sum().backward()
    assert vectors.grad is not None
