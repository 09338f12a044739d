"""Messages against e3nn's tensor product, and their behavior under rotations and reflections."""

from __future__ import annotations

import pytest
import torch
from e3nn import o3
from torch import Tensor

from potentials.equivariant import (
    Blocks,
    Irrep,
    Layout,
    coupling_coefficients,
    couplings,
    message_table,
    spherical_harmonics,
)
from potentials.equivariant.couplings import MessageCoupling, coupling_fingerprint
from potentials.kernels import EdgeTopology, message_sum

CHANNELS = 3
COUPLINGS = {
    "scalars to degree 3": (Layout.natural(0), 3, Layout.natural(3)),
    "degree 1 to degree 3": (Layout.natural(1), 3, Layout.natural(3)),
    "degree 2, proper": (Layout.natural(2), 2, Layout.natural(2)),
    "degree 2, parity": (Layout.full(2), 2, Layout.full(2)),
    "degree 3 to scalars, parity": (Layout.full(3), 3, Layout([Irrep(0, 1)])),
    "some blocks": (Layout([Irrep(0, 1), Irrep(1, 1)]), 1, Layout.full(1)),
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def to_e3nn(features: Tensor, layout: Layout) -> Tensor:
    """[N, components, C] to e3nn's [N, blocks of (channel, m)]."""
    blocks = [features[:, part].transpose(1, 2).flatten(1) for part in layout.slices()]
    return torch.cat(blocks, dim=1)


def irreps(layout: Layout, copies: int) -> o3.Irreps:
    return o3.Irreps([(copies, (irrep.degree, irrep.parity)) for irrep in layout])


def one_edge_each(number: int) -> EdgeTopology:
    """Every atom has one edge, from itself."""
    return EdgeTopology.from_edge_index(torch.arange(number).expand(2, -1).contiguous(), number)


def messages(coupling: MessageCoupling, h: Tensor, Y: Tensor, w: Tensor) -> list[Tensor]:
    """The message of each path [N, 2l + 1, C], in the order of the paths."""
    summed = message_sum(coupling.table, h, Y, w, one_edge_each(len(h)))
    found: list[Tensor] = []
    for (irrep, count), part in zip(coupling.blocks, coupling.blocks.slices(), strict=True):
        found += summed[:, part].unflatten(1, (irrep.dim, count)).unbind(2)
    return found


@pytest.mark.parametrize("name", COUPLINGS)
def test_messages_are_those_of_e3nn(name: str) -> None:
    sender, edge_degree, receiver = COUPLINGS[name]
    coupling = message_table(sender, edge_degree, receiver)
    h, Y = random(5, sender.dim, CHANNELS), random(5, (edge_degree + 1) ** 2, seed=1)
    w = random(5, len(coupling.paths), CHANNELS, seed=2)
    product = o3.TensorProduct(
        irreps(sender, CHANNELS),
        o3.Irreps.spherical_harmonics(edge_degree),
        irreps(Layout(target for _, _, target in coupling.paths), CHANNELS),
        [(sender.index(source), degree, p, "uvu", True) for p, (source, degree, _) in enumerate(coupling.paths)],
        irrep_normalization="component",
        path_normalization="none",
        shared_weights=False,
        internal_weights=False,
    ).double()
    expected = product(to_e3nn(h, sender), Y, w.flatten(1))
    found = torch.cat([message.transpose(1, 2).flatten(1) for message in messages(coupling, h, Y, w)], dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("has_parity", [True, False])
def test_messages_of_blocks_with_copies_are_those_of_e3nn(has_parity: bool) -> None:
    """Four, two and one times C channels."""
    parities = [(-1) ** degree if has_parity else 1 for degree in range(3)]
    sender = Blocks((Irrep(degree, parity), 4 >> degree) for degree, parity in enumerate(parities))
    coupling = message_table(sender, 2, sender.layout, has_parity)
    assert any(irrep.degree + degree + target.degree == 3 for irrep, degree, target in coupling.paths) != has_parity
    h, Y = random(5, sender.dim, CHANNELS), random(5, 9, seed=1)
    w = random(5, len(coupling.table.paths), CHANNELS, seed=2)
    widths = [sender.copies(source) * CHANNELS for source, _, _ in coupling.paths]
    product = o3.TensorProduct(
        o3.Irreps([(copies * CHANNELS, str(irrep)) for irrep, copies in sender]),
        o3.Irreps([(1, (degree, parity)) for degree, parity in enumerate(parities)]),
        o3.Irreps([(width, str(path[2])) for width, path in zip(widths, coupling.paths, strict=True)]),
        [(sender.layout.index(path[0]), path[1], p, "uvu", True) for p, path in enumerate(coupling.paths)],
        irrep_normalization="component",
        path_normalization="none",
        shared_weights=False,
        internal_weights=False,
    ).double()
    features = [
        h[:, rows].reshape(5, irrep.dim, -1).transpose(1, 2).flatten(1)
        for (irrep, _), rows in zip(sender, sender.slices(), strict=True)
    ]
    expected = product(torch.cat(features, dim=1), Y, w.flatten(1)).split(
        [width * path[2].dim for width, path in zip(widths, coupling.paths, strict=True)], dim=1
    )
    loops = torch.arange(5).expand(2, -1)
    topology = EdgeTopology.from_edge_index(loops, 5)._replace(
        edge_pair=torch.arange(5), pair_edges=torch.arange(5)[:, None].expand(-1, 2).contiguous()
    )
    found = message_sum(coupling.table, h, Y, w, topology)
    for (target, _), rows in zip(coupling.blocks, coupling.blocks.slices(), strict=True):
        block = found[:, rows].reshape(5, target.dim, -1).transpose(1, 2)
        theirs = [
            part.reshape(5, -1, target.dim)
            for part, path in zip(expected, coupling.paths, strict=True)
            if path[2] == target
        ]
        torch.testing.assert_close(block, torch.cat(theirs, dim=1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", COUPLINGS)
def test_every_allowed_path_is_there_once_and_in_order(name: str) -> None:
    sender, edge_degree, receiver = COUPLINGS[name]
    coupling = message_table(sender, edge_degree, receiver)
    allowed = [
        (source, degree, target)
        for target in receiver
        for source in sender
        for degree in range(edge_degree + 1)
        if abs(source.degree - degree) <= target.degree <= source.degree + degree
        and target.parity == source.parity * (-1) ** degree
    ]
    assert list(coupling.paths) == allowed
    assert sum(count for _, count in coupling.blocks) == len(allowed)
    assert set(coupling.layout) == {target for _, _, target in allowed}


@pytest.mark.parametrize("name", COUPLINGS)
@pytest.mark.parametrize("reflected", [False, True])
def test_messages_are_equivariant(name: str, reflected: bool) -> None:
    sender, edge_degree, receiver = COUPLINGS[name]
    coupling = message_table(sender, edge_degree, receiver)
    matrix = o3.rand_matrix(dtype=torch.float64) * (-1 if reflected else 1)

    def rotated(features: Tensor, irrep: Irrep) -> Tensor:
        D = o3.Irrep(irrep.degree, irrep.parity).D_from_matrix(matrix)
        return torch.einsum("ij,njc->nic", D, features)

    h, w = random(5, sender.dim, CHANNELS), random(5, len(coupling.paths), CHANNELS, seed=2)
    vectors = torch.nn.functional.normalize(random(5, 3, seed=1))
    rotated_h = torch.cat([rotated(h[:, p], i) for i, p in zip(sender, sender.slices(), strict=True)], dim=1)
    before = messages(coupling, h, spherical_harmonics(vectors, edge_degree), w)
    after = messages(coupling, rotated_h, spherical_harmonics(vectors @ matrix.T, edge_degree), w)
    for (_, _, target), first, second in zip(coupling.paths, before, after, strict=True):
        torch.testing.assert_close(second, rotated(first, target), rtol=0, atol=1e-11)


def test_couplings_keep_unit_variance() -> None:
    # The component normalization: independent unit-variance inputs give unit variance in each component.
    for degrees in [(0, 2, 2), (1, 1, 0), (1, 2, 3), (2, 2, 2), (3, 1, 2)]:
        coefficients = torch.from_numpy(coupling_coefficients(*degrees))
        variance = (coefficients**2).sum((0, 1))
        torch.testing.assert_close(variance, torch.ones_like(variance), rtol=1e-12, atol=0)


def test_tables_are_made_once() -> None:
    assert message_table(Layout.natural(1), 2, Layout.natural(2)) is message_table(
        Layout.natural(1), 2, Layout.natural(2)
    )


def test_fingerprint_notices_a_sign() -> None:
    expected = coupling_fingerprint(2)
    # The 3j tensors with all degrees up to 2 that satisfy the triangle inequality.
    assert len(expected) == sum(abs(i - j) <= k <= i + j for i in range(3) for j in range(3) for k in range(3))
    original = couplings.wigner_3j
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(couplings, "wigner_3j", lambda *degrees: original(*degrees) * (1 - 2 * (degrees == (1, 2, 2))))
        assert sum(a != b for a, b in zip(coupling_fingerprint(2), expected, strict=True)) == 1
