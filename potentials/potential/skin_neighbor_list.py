"""A neighbor list with a skin: searched rarely, exact at every step."""

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
    """Graphs of a structure that moves a little from call to call.

    Candidate edges are searched at `cutoff + skin`, and at every call those shorter than the cutoff are kept. Dropping
    edges keeps their order, so the graph is the one `build_geometry` makes from scratch.

    When the candidates go stale: let x0, h0 be the positions and cell (in rows) of the last search, x, h the present
    ones, F = h0^-1 h the deformation of the cell, and x = x0 F + u. For any cell shift an edge vector is
    r = r0 F + u_j - u_i, hence |r0| <= (|r| + 2 max|u|) / s with s the smallest singular value of F, and no edge
    shorter than the cutoff is missed as long as

        (cutoff + 2 max|u|) / s <= cutoff + skin .

    For a cell that does not change this is the usual 2 max|dr| <= skin. The same vector may be taken from every u,
    since only differences count; the mean is, so that a drifting structure needs no search. Atoms that are wrapped
    between calls jump by a cell vector and so bring about a search.

    Args:
        elements: the symbols the model knows, ordered by atomic number.
        cutoff: A.
        skin: A; 0 searches whenever an atom has moved.
        device: where the candidates are kept and the graphs are made.

    Raises:
        SimulationError: the skin is negative or not finite.
    """

    def __init__(self, elements: Sequence[str], cutoff: float, skin: float, device: torch.device) -> None:
        if not (skin >= 0 and np.isfinite(skin)):
            raise SimulationError(f"the skin of the neighbor list must be a length >= 0 A, got {skin}")
        self.elements = list(elements)
        self.cutoff = cutoff
        self.skin = skin
        self.device = device
        self.num_searches = 0
        """How often the candidates were searched so far."""
        self._search_result: tuple[Atoms, GraphGeometry] | None = None
        self._shifts: tuple[NDArray[np.float64], Tensor] | None = None
        """The cell, and the shift vectors of all candidates in it."""

    def graph(self, atoms: Atoms) -> GraphGeometry:
        """The graph of `atoms` on the device: geometry only, no labels.

        Raises:
            UnknownElementError, DataError: as `build_geometry`.
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

    # One assignment each, so that an interrupt never leaves halves that do not belong together.
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
        """Whether candidates may be missing for `atoms` (see the class)."""
        if not np.array_equal(atoms.numbers, searched.numbers) or not np.array_equal(atoms.pbc, searched.pbc):
            return True
        undeformed = searched.positions
        smallest_stretch = 1.0
        if atoms.pbc.any() and not np.array_equal(atoms.cell, searched.cell):
            if not atoms.pbc.all():
                return True  # which deformation the directions without a cell vector follow is not defined
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
        return not within  # positions that are not finite compare false: the search reports them


# Searching the places of a mask once, and taking rows by number, is several times faster than indexing with masks.
def _places(mask: Tensor) -> Tensor:
    """The numbers of the items where a mask is true."""
    return torch.nonzero(mask).squeeze(1)


def _kept_pairs(candidates: GraphGeometry, inside: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs of the edges that are kept: an edge and its reverse are equally long, so both are or neither is."""
    kept = inside.index_select(0, candidates.pair_edges[:, 0])
    edge_number, pair_number = (torch.cumsum(chosen, dim=0) - 1 for chosen in (inside, kept))
    edge_pair = pair_number.index_select(0, candidates.edge_pair.index_select(0, edges))
    pair_edges = candidates.pair_edges.index_select(0, _places(kept))
    return edge_pair, edge_number.index_select(0, pair_edges.flatten()).view(-1, 2)


def _kept_order(order: Tensor, kept: Tensor) -> Tensor:
    """The permutation `order` of a list after the items where `kept` is false were dropped and the rest renumbered."""
    new_number = torch.cumsum(kept, dim=0) - 1
    return new_number.index_select(0, order.index_select(0, _places(kept.index_select(0, order))))
