"""nequip 0.19.1 for `train_peer.py`.

Degree 2 with parity, 32 features, 4 layers, 8 Bessel functions, p 6, radial MLP [64, 64], cutoff 5, float32; E0s from
the isolated atoms, force RMS as energy scale; its default loss (energy per atom and forces, 1 : 1), batch 5, Adam 0.01,
EMA 0.99.
"""

from __future__ import annotations

from typing import Any

import ase.data
import numpy as np
import torch
from nequip.data import AtomicDataDict, compute_neighborlist_, from_ase
from nequip.model import NequIPGNNModel
from nequip.utils.global_state import set_global_state

CUTOFF = 5.0
BATCH_SIZE = 5


class Peer:
    """Model, batches, loss and optimizer."""

    def __init__(self, train: list[Any], e0: dict[int, float], seed: int) -> None:
        set_global_state()
        self.numbers = sorted(e0)
        self.e0 = e0
        symbols = [ase.data.chemical_symbols[z] for z in self.numbers]
        graphs = [self._graph(atoms) for atoms in train]
        edges = sum(graph["edge_index"].shape[1] for graph in graphs)
        self.model = NequIPGNNModel(
            seed=seed, model_dtype="float32", type_names=symbols, r_max=CUTOFF, num_layers=4, l_max=2, num_features=32,
            parity=True, radial_mlp_depth=2, radial_mlp_width=64, num_bessels=8, polynomial_cutoff_p=6,
            avg_num_neighbors=edges / sum(map(len, train)), compile_mode="eager",
            per_type_energy_scales=float(np.sqrt(np.mean([np.mean(a.get_forces() ** 2) for a in train]))),
            per_type_energy_shifts=0.0,
        )  # fmt: skip
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        self.clip = None

    def _graph(self, atoms: Any) -> dict[str, torch.Tensor]:
        graph = compute_neighborlist_(from_ase(atoms), r_max=CUTOFF)
        graph[AtomicDataDict.ATOM_TYPE_KEY] = torch.tensor([self.numbers.index(int(z)) for z in atoms.numbers])
        # Total energies exceed the precision of float32, so the energies of the isolated atoms are subtracted.
        energy = atoms.get_potential_energy() - sum(self.e0[int(z)] for z in atoms.numbers)
        graph[AtomicDataDict.TOTAL_ENERGY_KEY] = torch.tensor([[energy]], dtype=torch.float64)
        return graph

    def batches(self, frames: list[Any], shuffle: bool, seed: int = 0) -> Any:
        """Return nequip's batches of these frames."""
        graphs: Any = [self._graph(atoms) for atoms in frames]
        return torch.utils.data.DataLoader(
            graphs,
            batch_size=BATCH_SIZE,
            shuffle=shuffle,
            drop_last=shuffle,
            collate_fn=AtomicDataDict.batched_from_list,
            generator=torch.Generator().manual_seed(seed),
        )

    def predict(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return energies without those of the isolated atoms, forces, and labels of the forces."""
        labels = (AtomicDataDict.TOTAL_ENERGY_KEY, AtomicDataDict.FORCE_KEY)
        out = self.model({key: value for key, value in batch.items() if key not in labels})
        return out["total_energy"].flatten(), out["forces"], batch["forces"]

    def loss(self, batch: Any) -> torch.Tensor:
        """Compute the mean squared errors of energies per atom and of forces."""
        energies, forces, wanted = self.predict(batch)
        per_atom = (energies - batch["total_energy"].flatten()) / batch["num_atoms"].flatten()
        return per_atom.square().mean() + (forces - wanted).square().mean()
