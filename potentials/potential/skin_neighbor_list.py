"""A neighbor list with a skin: rarely rebuilt, exact at every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor

from potentials.data.geometry import GraphGeometry, build_geometry
from potentials.errors import SimulationError


class SkinNeighborList:
    """Graphs of a structure that moves by small displacements between calls.

    Candidate edges are searched within `cutoff + skin`, and at every call those shorter than the cutoff are kept.
    Dropping edges preserves their order, so the graph is identical to that of `build_geometry`.

    Validity of the candidates: let x0, h0 be the positions and cell (in rows) of the last search, x, h the current
    ones, F = h0^-1 h the deformation of the cell, and x = x0 F + u. For any cell shift an edge vector is
    r = r0 F + u_j - u_i, hence |r0| <= (|r| + 2 max|u|) / s with s the smallest singular value of F, and no edge
    shorter than the cutoff is missed as long as

        (cutoff + 2 max|u|) / s <= cutoff + skin .

    For a constant cell this is the usual criterion 2 max|dr| <= skin. Since only differences of u matter, the mean of u
    is subtracted, so that a drifting structure needs no search. Atoms that are wrapped between calls move by a cell
    vector, which causes a search.

    Args:
        elements: chemical symbols of the model, sorted by atomic number.
        cutoff: cutoff radius, A.
        skin: skin, A; with 0 the neighbors are searched whenever an atom has moved.
        device: device of the candidates and graphs.

    Raises:
        SimulationError: the skin is negative or not finite.
    """

    def __init__(self, elements: Sequence[str], cutoff: float, skin: float, device: torch.device) -> None:
        if not (skin >= 0 and np.isfinite(skin)):
            raise SimulationError(f"skin of the neighbor list: expected a length >= 0 A, got {skin}")
        self.elements = list(elements)
        self.cutoff = cutoff
        self.skin = skin
        self.device = device
        self.num_searches = 0
        """Number of neighbor searches so far."""
        self._search_result: tuple[Atoms, GraphGeometry] | None = None
        self._shifts: tuple[NDArray[np.float64], Tensor] | None = None
        """The cell and the shift vectors of all candidates in it."""

    def graph(self, atoms: Atoms) -> GraphGeometry:
        """Return the graph of `atoms` on the device: geometry only, without labels.

        Raises:
            UnknownElementError, DataError: see `build_geometry`.
        """
        candidates = self._valid_candidates(atoms)
        positions = torch.tensor(atoms.positions, dtype=torch.float64, device=self.device)
        cell = np.where(np.asarray(atoms.pbc)[:, None], np.asarray(atoms.cell), 0.0)
        shift_vectors = self._shift_vectors(candidates, cell)
        sender, receiver = candidates.edge_index
        vectors = positions.index_select(0, receiver) - positions.index_select(0, sender) + shift_vectors
        inside = (vectors * vectors).sum(dim=1) < self.cutoff**2
        edges = _places(inside)
        edge_index = candidates.edge_index.index_select(1, edges)
        edge_pair, pair_edges = _kept_pairs(candidates, inside, edges)
        num_atoms = len(atoms)
        return GraphGeometry(
            positions=positions,
            cell=torch.tensor(cell, device=self.device)[None],
            pbc=candidates.pbc,
            species=candidates.species,
            edge_index=edge_index,
            cell_shifts=candidates.cell_shifts.index_select(0, edges),
            receiver_degree=torch.bincount(edge_index[1], minlength=num_atoms),
            sender_degree=torch.bincount(edge_index[0], minlength=num_atoms),
            sender_order=_kept_order(candidates.sender_order, inside),
            edge_pair=edge_pair,
            pair_edges=pair_edges,
        )

    # Each cache is set in a single assignment, so that an interrupt cannot leave an inconsistent state.
    def _valid_candidates(self, atoms: Atoms) -> GraphGeometry:
        if self._search_result is not None and not self._is_stale(atoms, self._search_result[0]):
            return self._search_result[1]
        candidates = build_geometry(atoms, self.elements, self.cutoff + self.skin).to(self.device)
        searched = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        self._shifts = None
        self._search_result = (searched, candidates)
        self.num_searches += 1
        return candidates

    def _shift_vectors(self, candidates: GraphGeometry, cell: NDArray[np.float64]) -> Tensor:
        if self._shifts is None or not np.array_equal(cell, self._shifts[0]):
            self._shifts = (cell, candidates.cell_shifts @ torch.tensor(cell, device=self.device))
        return self._shifts[1]

    def _is_stale(self, atoms: Atoms, searched: Atoms) -> bool:
        """Return whether candidates may be missing for `atoms` (see the class)."""
        if not np.array_equal(atoms.numbers, searched.numbers) or not np.array_equal(atoms.pbc, searched.pbc):
            return True
        undeformed = searched.positions
        smallest_stretch = 1.0
        if atoms.pbc.any() and not np.array_equal(atoms.cell, searched.cell):
            if not atoms.pbc.all():
                return True  # the deformation is not defined in directions without a cell vector
            if not np.isfinite(atoms.cell).all():
                return True  # the search reports it
            deformation = np.linalg.solve(np.asarray(searched.cell), np.asarray(atoms.cell))
            smallest_stretch = float(np.linalg.svd(deformation, compute_uv=False)[-1])
            undeformed = undeformed @ deformation
        displacements = atoms.positions - undeformed
        if len(displacements) > 0:
            displacements = displacements - displacements.mean(axis=0)
        longest = float(np.sqrt((displacements**2).sum(axis=1).max(initial=0.0)))
        within = self.cutoff + 2 * longest <= (self.cutoff + self.skin) * smallest_stretch
        return not within  # comparisons with non-finite positions are false: the search reports them


# Computing the indices of a mask once and selecting rows by index is several times faster than indexing with masks.
def _places(mask: Tensor) -> Tensor:
    """Return the indices where a mask is true."""
    return torch.nonzero(mask).squeeze(1)


def _kept_pairs(candidates: GraphGeometry, inside: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Select the pairs of the kept edges; an edge and its reverse have the same length, so both are kept or neither."""
    kept = inside.index_select(0, candidates.pair_edges[:, 0])
    edge_number, pair_number = (torch.cumsum(chosen, dim=0) - 1 for chosen in (inside, kept))
    edge_pair = pair_number.index_select(0, candidates.edge_pair.index_select(0, edges))
    pair_edges = candidates.pair_edges.index_select(0, _places(kept))
    return edge_pair, edge_number.index_select(0, pair_edges.flatten()).view(-1, 2)


def _kept_order(order: Tensor, kept: Tensor) -> Tensor:
    """Drop the items where `kept` is false from the permutation `order` and renumber the rest."""
    new_number = torch.cumsum(kept, dim=0) - 1
    return new_number.index_select(0, order.index_select(0, _places(kept.index_select(0, order))))
