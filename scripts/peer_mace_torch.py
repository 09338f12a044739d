"""mace-torch 0.3.16 for `train_peer.py`.

The settings are those of mace-torch's run_train with: float32, ScaleShiftMACE 64x0e+64x1o, max_ell 3, 2 layers,
correlation 3, 8 Bessel functions, p 5, radial MLP [64, 64, 64], RealAgnosticResidualInteractionBlock in both layers,
r_max 5, E0s from the isolated atoms, rms_forces_scaling (its mean as shift), weighted loss 1 : 1000, batch 5, Adam
amsgrad 0.01 with its decay groups (5e-7), gradient clip 10, EMA 0.99. There is no plateau schedule, because its
patience of 50 epochs is not reached.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
import numpy as np
import torch
from e3nn import o3
from mace import data, modules, tools
from mace.data import KeySpecification
from mace.tools import torch_geometric

CUTOFF = 5.0
BATCH_SIZE = 5


class Peer:
    """Model, batches, loss and optimizer."""

    def __init__(self, train: list[Any], e0: dict[int, float], seed: int) -> None:
        torch.manual_seed(seed)
        self.table = tools.AtomicNumberTable(sorted(e0))
        self.loss_function = modules.WeightedEnergyForcesLoss(energy_weight=1.0, forces_weight=1000.0)
        energies = np.array([e0[z] for z in self.table.zs])
        frames = self.batches(train, shuffle=False)
        mean, scale = modules.compute_mean_rms_energy_forces(frames, energies)
        residual = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
        self.model = modules.ScaleShiftMACE(
            r_max=CUTOFF, num_bessel=8, num_polynomial_cutoff=5, max_ell=3, interaction_cls=residual,
            interaction_cls_first=residual, num_interactions=2, num_elements=len(self.table.zs),
            hidden_irreps=o3.Irreps("64x0e+64x1o"), MLP_irreps=o3.Irreps("16x0e"), gate=torch.nn.functional.silu,
            atomic_energies=energies, avg_num_neighbors=float(modules.compute_avg_num_neighbors(frames)),
            atomic_numbers=self.table.zs, correlation=3, radial_type="bessel", radial_MLP=[64, 64, 64],
            atomic_inter_scale=np.asarray(scale).item(), atomic_inter_shift=np.asarray(mean).item(),
        )  # fmt: skip
        self.optimizer = self._optimizer()
        self.clip = 10.0

    def batches(self, frames: list[Any], shuffle: bool, seed: int = 0) -> Any:
        """Return mace-torch's batches of these frames."""
        keys = KeySpecification(info_keys={"energy": "REF_energy"}, arrays_keys={"forces": "REF_forces"})
        graphs = []
        for atoms in frames:
            atoms = atoms.copy() if atoms.calc is None else atoms
            atoms.info["REF_energy"], atoms.arrays["REF_forces"] = atoms.get_potential_energy(), atoms.get_forces()
            config = data.config_from_atoms(atoms, key_specification=keys)
            graphs.append(data.AtomicData.from_config(config, z_table=self.table, cutoff=CUTOFF))
        return torch_geometric.dataloader.DataLoader(
            dataset=graphs,
            batch_size=BATCH_SIZE,
            shuffle=shuffle,
            drop_last=shuffle,
            generator=torch.Generator().manual_seed(seed),
        )

    def predict(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return energies without those of the isolated atoms, forces, and labels of the forces."""
        out = self.model(batch.to_dict(), training=False)
        return out["interaction_energy"], out["forces"], batch.forces

    def loss(self, batch: Any) -> torch.Tensor:
        """Compute the loss of a batch."""
        return self.loss_function(pred=self.model(batch.to_dict(), training=True), ref=batch)

    def _optimizer(self) -> torch.optim.Optimizer:
        """Create Adam with mace-torch's decay groups."""
        model = self.model
        named = dict(model.interactions.named_parameters())
        decayed = {n: p for n, p in named.items() if "linear.weight" in n or "skip_tp_full" in n}
        groups = [
            {"params": model.node_embedding.parameters(), "weight_decay": 0.0},
            {"params": list(decayed.values()), "weight_decay": 5e-7},
            {"params": [p for n, p in named.items() if n not in decayed], "weight_decay": 0.0},
            {"params": model.products.parameters(), "weight_decay": 5e-7},
            {"params": model.readouts.parameters(), "weight_decay": 0.0},
        ]
        return torch.optim.Adam(groups, lr=0.01, amsgrad=True)
