"""Ziegler-Biersack-Littmark repulsion of screened nuclei."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import atomic_numbers, covalent_radii
from torch import Tensor, nn

from potentials.equivariant.envelopes import polynomial_envelope
from potentials.kernels.topology import EdgeTopology


class ZBLRepulsion(nn.Module):
    """Pair energy 14.3996 Z_u Z_v / r phi(r / a) f(r / (R_u + R_v)) in eV, r in A, half of it on each atom.

    phi(x) = sum_k c_k exp(-b_k x), a = 0.4543 * 0.529 / (Z_u^0.3 + Z_v^0.3) A; R are the covalent radii, and the
    polynomial envelope f is zero beyond their sum. Ziegler, Biersack, Littmark, "The Stopping and Range of Ions in
    Solids" (1985), with the exponent and the envelope of MACE-MP-0b.
    """

    SCREENING = ((0.1818, 3.2), (0.5099, 0.9423), (0.2802, 0.4028), (0.02817, 0.2016))
    numbers: Tensor
    radii: Tensor

    def __init__(self, elements: Sequence[str], envelope_power: int, prefactor: float = 1.0) -> None:
        super().__init__()
        self.envelope_power = envelope_power
        self.prefactor = prefactor
        numbers = [atomic_numbers[symbol] for symbol in elements]
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.float64), persistent=False)
        self.register_buffer("radii", torch.tensor(covalent_radii[numbers], dtype=torch.float64), persistent=False)

    def forward(self, distances: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Map distances [E] in A and species [N] to node energies [N] in eV."""
        sender, receiver = species[topology.senders], species[topology.receivers]
        z_u, z_v = self.numbers[sender], self.numbers[receiver]
        x = distances * (z_u**0.3 + z_v**0.3) / (0.4543 * 0.529)
        screening = sum(c * torch.exp(-b * x) for c, b in self.SCREENING)
        envelope, _ = polynomial_envelope(distances / (self.radii[sender] + self.radii[receiver]), self.envelope_power)
        energies = 0.5 * self.prefactor * 14.3996 * z_u * z_v / distances * screening * envelope
        return energies.new_zeros(species.shape[0]).index_add(0, topology.receivers, energies)
