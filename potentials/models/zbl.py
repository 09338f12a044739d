"""Ziegler-Biersack-Littmark repulsion of screened nuclei."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import atomic_numbers, covalent_radii
from torch import Tensor, nn

from potentials.equivariant.envelopes import polynomial_envelope
from potentials.kernels.topology import EdgeTopology


class ZBLRepulsion(nn.Module):
    """Pair energy k Z_u Z_v / r phi(r / a) f(r / r_max) in eV, r in A, half of it on each atom.

    phi(x) = sum_i c_i exp(-b_i x), a = 0.4543 * 0.529 / (Z_u^0.3 + Z_v^0.3) A, k = 14.3996 eV A; r_max is the sum of
    the covalent radii, beyond which the polynomial envelope f is zero. Ziegler, Biersack, Littmark, "The Stopping and
    Range of Ions in Solids" (1985), with the exponent and the envelope of MACE-MP-0b.

    With a cutoff, r_max is the cutoff, and the constants are those of LAMMPS (`pair_style zbl`), which nequip uses:
    a = 0.46850 / (Z_u^0.23 + Z_v^0.23) A, k = 14.399645 eV A.

    Args:
        elements: chemical symbols.
        envelope_power: power of f.
        prefactor: factor of the energy.
        cutoff: A; by default the sums of covalent radii.
    """

    SCREENING = ((0.1818, 3.2), (0.5099, 0.9423), (0.2802, 0.4028), (0.02817, 0.2016))
    SCREENING_OF_LAMMPS = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))
    numbers: Tensor
    radii: Tensor

    def __init__(
        self, elements: Sequence[str], envelope_power: int, prefactor: float = 1.0, cutoff: float | None = None
    ) -> None:
        super().__init__()
        self.envelope_power = envelope_power
        self.prefactor = prefactor
        self.cutoff = cutoff
        of_lammps = (0.23, 0.46850, 14.399645, self.SCREENING_OF_LAMMPS)
        of_mace = (0.3, 0.4543 * 0.529, 14.3996, self.SCREENING)
        self.exponent, self.length, self.coulomb, self.screening = of_mace if cutoff is None else of_lammps
        numbers = [atomic_numbers[symbol] for symbol in elements]
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.float64), persistent=False)
        self.register_buffer("radii", torch.tensor(covalent_radii[numbers], dtype=torch.float64), persistent=False)

    def forward(self, distances: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Map distances [E] in A and species [N] to node energies [N] in eV."""
        sender, receiver = species[topology.senders], species[topology.receivers]
        z_u, z_v = self.numbers[sender], self.numbers[receiver]
        x = distances * (z_u**self.exponent + z_v**self.exponent) / self.length
        screening = sum(c * torch.exp(-b * x) for c, b in self.screening)
        r_max = self.radii[sender] + self.radii[receiver] if self.cutoff is None else self.cutoff
        envelope, _ = polynomial_envelope(distances / r_max, self.envelope_power)
        energies = 0.5 * self.prefactor * self.coulomb * z_u * z_v / distances * screening * envelope
        return energies.new_zeros(species.shape[0]).index_add(0, topology.receivers, energies)
