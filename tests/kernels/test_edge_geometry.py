"""Harmonics and distances of edges against the public function, against finite differences, and against each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from potentials.equivariant import spherical_harmonics
from potentials.equivariant.spherical_harmonics import harmonics_table
from potentials.kernels import EdgeTopology, edge_geometry
from potentials.kernels.dispatch import use_kernels


def pairs_of_edges(number: int) -> EdgeTopology:
    """Edges 2p and 2p + 1 are a pair, in either order; the last edge is alone."""
    edges = torch.arange(2 * number + 1)
    pair_edges = torch.stack([edges[:-1].view(-1, 2)[:, 0], edges[:-1].view(-1, 2)[:, 1]], dim=1)
    pair_edges[1::2] = pair_edges[1::2].flip(1)
    pair_edges = torch.cat([pair_edges, edges[-1:].expand(1, 2)])
    zeros = torch.zeros(2 * number + 1, dtype=torch.int64)
    pointer = torch.tensor([0, 2 * number + 1])
    return EdgeTopology(zeros, zeros, pointer, edges, pointer, edges // 2, pair_edges)


def vectors_of(topology: EdgeTopology, dtype: torch.dtype = torch.float64) -> Tensor:
    """The two edges of a pair are opposite; some lie along the axes."""
    generator = torch.Generator().manual_seed(3)
    some = torch.randn(topology.num_pairs, 3, generator=generator, dtype=torch.float64) + 0.2
    some[:3] = torch.eye(3, dtype=torch.float64)
    vectors = torch.empty(topology.num_edges, 3, dtype=torch.float64)
    vectors[topology.pair_edges[:, 1]] = -some
    vectors[topology.pair_edges[:, 0]] = some
    return vectors.to(dtype)


@pytest.mark.parametrize("degree", range(5))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_values(degree: int, sign: float, kernels: str) -> None:
    topology = pairs_of_edges(9)
    vectors = vectors_of(topology)
    Y, distances = edge_geometry(harmonics_table(degree), vectors, topology, sign)
    torch.testing.assert_close(Y, spherical_harmonics(sign * torch.nn.functional.normalize(vectors), degree))
    expected = vectors[topology.pair_edges[:, 0]].norm(dim=1, keepdim=True)
    torch.testing.assert_close(distances, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("degree", range(5))
def test_derivatives(degree: int, kernels: str) -> None:
    """First, second and, by the reference, third."""
    topology = pairs_of_edges(3)
    vectors = vectors_of(topology).requires_grad_()

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        return edge_geometry(harmonics_table(degree), x, topology, -1.0)

    def gradient(x: Tensor) -> Tensor:
        Y, distances = both(x)
        return torch.autograd.grad((Y**2 * 0.3 + Y).sum() + (distances**3).sum(), x, create_graph=True)[0]

    assert torch.autograd.gradcheck(both, vectors)
    assert torch.autograd.gradgradcheck(both, vectors)
    assert torch.autograd.gradgradcheck(gradient, vectors, fast_mode=True)


@pytest.mark.parametrize("degree", range(5))
def test_both_implementations_agree(degree: int) -> None:
    topology = pairs_of_edges(20)
    found = []
    for kernels in ("reference", "cpu"):
        with use_kernels(kernels):
            x = vectors_of(topology, torch.float32).requires_grad_()
            Y, distances = edge_geometry(harmonics_table(degree), x, topology)
            weights = torch.linspace(-1, 1, Y.numel()).view_as(Y).requires_grad_()
            (first,) = torch.autograd.grad((weights * Y).sum() + (distances**2).sum(), x, create_graph=True)
            (second,) = torch.autograd.grad((first**2).sum(), weights)
            found.append((Y.detach(), distances.detach(), first.detach(), second))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))


def test_no_edges(kernels: str) -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    pointer = torch.zeros(3, dtype=torch.int64)
    topology = EdgeTopology(empty, empty, pointer, empty, pointer, empty, empty.view(0, 2))
    vectors = torch.zeros(0, 3, requires_grad=True)
    Y, distances = edge_geometry(harmonics_table(3), vectors, topology)
    assert Y.shape == (0, 16)
    assert distances.shape == (0, 1)
    (gradient,) = torch.autograd.grad(Y.sum() + distances.sum(), vectors)
    assert gradient.shape == (0, 3)


@pytest.mark.parametrize("operator", ["edge_geometry", "edge_geometry_gradient", "edge_geometry_tangent"])
def test_operators_are_well_formed(operator: str) -> None:
    topology = pairs_of_edges(2)
    vectors = vectors_of(topology)
    between = {
        "edge_geometry": (),
        "edge_geometry_gradient": (torch.randn(5, 9, dtype=torch.float64), torch.randn(3, 1, dtype=torch.float64)),
        "edge_geometry_tangent": (torch.randn(5, 3, dtype=torch.float64),),
    }[operator]
    # Second derivatives to the vectors differentiate the reference, which cannot be traced.
    for tensor in between or (vectors,):
        tensor.requires_grad_()
    arguments = (vectors, *between, topology.edge_pair, topology.pair_edges, harmonics_table(2).key, 1.0)
    torch.library.opcheck(getattr(torch.ops.potentials, operator).default, arguments)
