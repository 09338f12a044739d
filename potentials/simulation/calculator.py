"""The potential as an ASE calculator."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from potentials.compilation import compile_for_md
from potentials.devices import choose_device
from potentials.model_file import load
from potentials.potential import Potential
from potentials.simulation.skin_neighbor_list import SkinNeighborList


class PotentialCalculator(Calculator):
    """Energy [eV], per-atom energies [eV], forces [eV/A] and stress [eV/A^3, Voigt order, ASE's sign] of a potential.

    Everything comes from one pass: forces always, the stress whenever the cell is periodic in three directions. The
    free energy is the energy: the potential has no electronic temperature.

    Args:
        potential: a potential, or the path of a model file. A potential is put into evaluation mode.
        device: "cpu", "cuda" or "auto" (a GPU where there is one). Without it a potential stays where it is, and a
            file is loaded on the CPU. A potential handed over is moved, not copied.
        skin: A, added to the cutoff when neighbours are searched; a larger skin means fewer searches of longer lists.
        compiled: compute with `potential.compile_for_md()`, made at the first calculation; what happens to the
            potential's weights after that has no effect. `compiled_potential.compilation` says what was done.

    Raises:
        SimulationError: the device is not there, or the skin is negative.
        ModelFileError: the model file cannot be read.
        UnknownElementError: (on calculating) the structure has an element that the potential does not know.
        PropertyNotImplementedError: (on calculating) the stress is asked of a structure without a 3D periodic cell.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "energies", "forces", "stress"]

    def __init__(
        self, potential: Potential | str | Path, device: str | None = None, skin: float = 0.5, compiled: bool = True
    ) -> None:
        super().__init__()
        if isinstance(potential, str | Path):
            self.potential = load(potential, device=choose_device(device or "cpu"))
        else:
            self.potential = potential if device is None else potential.to(choose_device(device))
        self.potential.eval()
        self.device = next((p.device for p in self.potential.parameters()), torch.device("cpu"))
        self.compiled = compiled
        self.neighbors = SkinNeighborList(self.potential.elements, self.potential.cutoff, skin, self.device)

    @cached_property
    def compiled_potential(self) -> Potential:
        """What computes."""
        return compile_for_md(self.potential) if self.compiled else self.potential

    @property
    def num_neighbor_searches(self) -> int:
        """How often neighbours were searched so far."""
        return self.neighbors.num_searches

    def fingerprint(self) -> str:
        """A short hash of elements, cutoff, precision and all numbers of the potential: which one this is."""
        potential = self.potential
        digest = hashlib.sha256(repr((potential.elements, potential.cutoff, potential.precision)).encode())
        for name, value in [*potential.named_parameters(), *potential.named_buffers()]:
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """Which of positions, numbers, cell and pbc differ at all from those the results belong to; called by ASE.

        Nothing else matters to a potential, and this is several times faster than ASE's comparison within a tolerance.
        """
        if self.atoms is None:
            return list(all_changes)
        names = ("positions", "numbers", "cell", "pbc")
        return [name for name in names if not np.array_equal(getattr(atoms, name), getattr(self.atoms, name))]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results` with all the properties that the structure has; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        periodic = bool(self.atoms.pbc.all())
        if "stress" in properties and not periodic:
            raise PropertyNotImplementedError(
                "the stress is defined for structures that are periodic in three directions; "
                f"{self.atoms.get_chemical_formula()} has pbc = {self.atoms.pbc.tolist()}"
            )
        graph = self.neighbors.graph(self.atoms)
        prediction = self.compiled_potential(graph, forces=True, stress=periodic, create_graph=False)
        energy = float(prediction.energy.item())
        self.results = {"energy": energy, "free_energy": energy, "energies": _float64(prediction.node_energies)}
        if prediction.forces is not None:
            self.results["forces"] = _float64(prediction.forces)
        if prediction.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(_float64(prediction.stress)[0])

    def todict(self, skip_default: bool = True) -> dict[str, Any]:
        """What ASE writes into trajectories about the calculator."""
        return {"skin": self.neighbors.skin}


def _float64(values: torch.Tensor) -> np.ndarray:
    return values.detach().to(device="cpu", dtype=torch.float64).numpy()
