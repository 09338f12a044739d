"""Inputs of a potential for one structure: positions, cell, species and edges, without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from potentials.data.geometry.neighbor_list import edge_pairs, neighbor_list
from potentials.errors import UnknownElementError


@dataclass(frozen=True)
class GraphGeometry:
    """The geometry of a structure of N atoms and E edges; floating point fields are float64.

    The fields are those of the same names of `AtomicGraph`, which adds labels and can be batched. A calculator needs
    neither, and avoids the seconds for importing torch_geometric.
    """

    positions: Tensor
    """[N, 3] A."""
    cell: Tensor
    """[1, 3, 3], cell vectors in rows, A; zero along directions that are not periodic."""
    pbc: Tensor
    """[1, 3] bool."""
    species: Tensor
    """[N] int64, index into the model's elements."""
    edge_index: Tensor
    """[2, E] int64, (sender, receiver), sorted by receiver."""
    cell_shifts: Tensor
    """[E, 3], integers S: r = x[receiver] - x[sender] + S @ cell."""
    receiver_degree: Tensor
    """[N] int64, edges that end at an atom."""
    sender_degree: Tensor
    """[N] int64, edges that start at an atom."""
    sender_order: Tensor
    """[E] int64, the permutation that sorts the edges by sender."""
    edge_pair: Tensor
    """[E] int64, the pair of an edge: an edge and its reverse, W = E / 2 of them."""
    pair_edges: Tensor
    """[W, 2] int64, the two edges of each pair."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def apply(self, function: Callable[[Tensor], Tensor]) -> GraphGeometry:
        """Return a geometry with a function applied to each field."""
        return GraphGeometry(**{name: function(tensor) for name, tensor in self.tensors().items()})

    def to(self, device: torch.device | str) -> GraphGeometry:
        """Return the geometry on a device."""
        return self.apply(lambda tensor: tensor.to(device))

    def clone(self) -> GraphGeometry:
        """Return a copy of all fields."""
        return self.apply(torch.clone)


def build_geometry(atoms: Atoms, elements: Sequence[str], cutoff: float) -> GraphGeometry:
    """Build the geometry of a structure: neighbor list, degrees and edge pairs.

    Args:
        atoms: the structure, in A.
        elements: chemical symbols of the model, ordered by atomic number.
        cutoff: A.

    Raises:
        UnknownElementError: the structure has an element that is not in `elements`.
        DataError: a position is not finite, or a periodic direction has no cell vector.
    """
    pbc = np.asarray(atoms.pbc, dtype=bool)
    cell = np.where(pbc[:, None], np.asarray(atoms.cell), 0.0)
    edge_index, cell_shifts = neighbor_list(atoms.positions, cell, pbc, cutoff)
    edge_pair, pair_edges = edge_pairs(edge_index, cell_shifts)
    num_atoms = len(atoms)
    return GraphGeometry(
        positions=torch.tensor(atoms.positions, dtype=torch.float64),
        cell=torch.tensor(cell, dtype=torch.float64)[None],
        pbc=torch.tensor(pbc)[None],
        species=_species(atoms, elements),
        edge_index=torch.from_numpy(edge_index),
        cell_shifts=torch.from_numpy(cell_shifts).to(torch.float64),
        receiver_degree=torch.from_numpy(np.bincount(edge_index[1], minlength=num_atoms)),
        sender_degree=torch.from_numpy(np.bincount(edge_index[0], minlength=num_atoms)),
        sender_order=torch.from_numpy(np.argsort(edge_index[0], kind="stable")),
        edge_pair=torch.from_numpy(edge_pair),
        pair_edges=torch.from_numpy(pair_edges),
    )


def _species(atoms: Atoms, elements: Sequence[str]) -> Tensor:
    index = {symbol: number for number, symbol in enumerate(elements)}
    symbols = atoms.get_chemical_symbols()
    unknown = sorted(set(symbols) - set(index))
    if unknown:
        raise UnknownElementError(
            f"the structure {atoms.get_chemical_formula()} contains {', '.join(unknown)}; "
            f"the model supports {', '.join(elements)}"
        )
    return torch.tensor([index[symbol] for symbol in symbols], dtype=torch.int64)
