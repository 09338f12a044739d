"""The potential as an ASE calculator."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from potentials.config.train import Precision
from potentials.errors import SimulationError
from potentials.potential.compilation import compile_for_md
from potentials.potential.devices import choose_device
from potentials.potential.finite_results import check_finite
from potentials.potential.model_file import load_one
from potentials.potential.potential import Potential
from potentials.potential.prediction import Prediction
from potentials.potential.skin_neighbor_list import SkinNeighborList
from potentials.torch_state import plain_torch_state

_NEUTRAL = {"charge": (0,), "spin": (0, 1)}
"""Entries of `atoms.info` that other programs use, and the values that can be ignored without a warning."""


class PotentialCalculator(Calculator):
    """ASE calculator: energy and per-atom energies [eV], forces [eV/A] and stress [eV/A^3, Voigt order, ASE's sign].

    Energies and forces are computed in one pass, with the stress if the cell is periodic in three directions. If
    requested, the stress is computed for every cell with a volume, as dE/dstrain / |det cell|, as ASE's own calculators
    do for slabs. `stresses` are per-atom virials divided by that volume; their sum is the stress. The free energy
    equals the energy, because the potential has no electronic temperature.

    A calculator is thread-safe (calculations run one at a time) and can be pickled, with the potential as the contents
    of its model file. `parameters` and `info` identify the model; ASE writes `parameters` to trajectories and
    databases.

    Args:
        potential: a potential, or the path of a model file. A potential is put into evaluation mode.
        device: "cpu", "cuda" or "auto" (a GPU if available). By default a potential stays on its device, and a file is
            loaded on the CPU. A potential given as object is moved, not copied.
        skin: length added to the cutoff in the neighbor search, A; with a larger skin, searches are less frequent and
            lists are longer.
        compiled: compute with `potential.compile_for_md()`, called at the first calculation; later changes of the
            weights have no effect. `compiled_potential.compilation` describes the result.
        precision: "float32", "float64" or "mixed" (or `torch.float32`, `torch.float64`), if different from that of the
            potential; a potential given as object is then copied.
        head: head (level of theory), if the potential has several.

    Raises:
        SimulationError: the device is not available, the skin is negative, or the precision does not exist; (when
            calculating) the energy or forces are not finite, for example because atoms coincide.
        ModelFileError: the model file cannot be read.
        UnknownElementError: (when calculating) the structure has an element that the potential does not support.
        PropertyNotImplementedError: (when calculating) stress was requested for a structure whose cell has no volume.
    """

    atoms: Atoms | None
    """Structure of the results; None after an error."""
    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "energies", "forces", "stress", "stresses"]

    def __init__(
        self,
        potential: Potential | str | os.PathLike[str],
        device: str | None = None,
        skin: float = 0.5,
        compiled: bool = True,
        precision: Precision | torch.dtype | None = None,
        head: str | None = None,
    ) -> None:
        super().__init__()
        chosen = None if precision is None else _precision(precision)
        if isinstance(potential, str | os.PathLike):
            self.potential = load_one(potential, choose_device(device or "cpu"), chosen, head)
        else:
            converted = potential.select_head(head).with_precision(chosen or potential.precision)
            self.potential = converted if device is None else converted.to(choose_device(device))
        self.potential.eval()
        self.device = self.potential.scale.device
        self.compiled = compiled
        self.skin = skin
        self.parameters.update(
            model=self.potential.source or "not loaded from a file",
            fingerprint=self.potential.fingerprint(),
            precision=self.potential.precision,
            compiled=compiled,
            skin=float(skin),
        )
        self._warned_of: set[str] = set()
        self._prepare()

    def _prepare(self) -> None:
        """Create the members that are not pickled."""
        self._lock = threading.RLock()
        self.neighbors = SkinNeighborList(self.potential.elements, self.potential.cutoff, self.skin, self.device)

    def __getstate__(self) -> dict[str, Any]:
        """Return all state except the compiled potential, the neighbor list and the lock, which are created again."""
        left_behind = ("compiled_potential", "neighbors", "_lock")
        return {name: value for name, value in self.__dict__.items() if name not in left_behind}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def __repr__(self) -> str:
        given = {name: value for name, value in self.info.items() if name not in ("elements", "units")}
        listing = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"PotentialCalculator({listing}, device='{self.device}')"

    def _get_name(self) -> str:
        """Return the name that ASE writes to trajectories and databases."""
        return "potentials"

    @property
    def info(self) -> dict[str, Any]:
        """Model description: file, fingerprint, family, elements, cutoff [A], precision, and the units of results."""
        potential = self.potential
        return {
            "model": self.parameters["model"],
            "fingerprint": self.parameters["fingerprint"],
            "family": potential.config.name,
            "elements": list(potential.elements),
            "cutoff": potential.cutoff,
            "precision": potential.precision,
            **({"head": potential.metadata["head"]} if "head" in potential.metadata else {}),
            "units": {"energy": "eV", "forces": "eV/A", "stress": "eV/A^3"},
        }

    @cached_property
    def compiled_potential(self) -> Potential:
        """The potential used for calculations, compiled if requested."""
        return compile_for_md(self.potential) if self.compiled else self.potential

    @property
    def num_neighbor_searches(self) -> int:
        """Number of neighbor searches so far."""
        return self.neighbors.num_searches

    def fingerprint(self) -> str:
        """Return a short hash of elements, cutoff, precision and all weights, which identifies the potential."""
        return self.potential.fingerprint()

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """List which of positions, numbers, cell and pbc differ from those of the results; called by ASE.

        Other properties do not affect the energy; this is several times faster than ASE's comparison with a tolerance.
        """
        if self.atoms is None:
            return list(all_changes)
        names = ("positions", "numbers", "cell", "pbc")
        return [name for name in names if not np.array_equal(getattr(atoms, name), getattr(self.atoms, name))]

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """Return a result, computed if necessary; called by ASE. Threads never get results of another structure."""
        with self._lock:
            return super().get_property(name, atoms, allow_calculation)

    def calculate_properties(self, atoms: Atoms, properties: Sequence[str]) -> Any:
        """Compute several properties in one calculation; called by ASE."""
        with self._lock:
            return super().calculate_properties(atoms, properties)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results` with the properties defined for the structure; called by ASE. After an error it is empty."""
        with self._lock, plain_torch_state():
            structure: Atoms | None = self.atoms if atoms is None else atoms.copy()
            # After an error or interrupt, the results of the previous structure must not remain.
            self.reset()
            if structure is None:
                raise SimulationError("expected a structure; none was given, and none was calculated before")
            self._warn_of_ignored(structure)
            results = self._results(structure, properties)
            self.atoms, self.results = structure, results

    def _results(self, atoms: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        wants_stress = any(name in properties for name in ("stress", "stresses"))
        periodic = bool(atoms.pbc.all())
        if wants_stress and not periodic and atoms.cell.rank < 3:
            raise PropertyNotImplementedError(
                "the stress is the strain derivative of the energy divided by the volume of the cell, but the cell of "
                f"{atoms.get_chemical_formula()} has no volume: {atoms.cell.tolist()}, pbc = {atoms.pbc.tolist()}"
            )
        graph = self.neighbors.graph(atoms)
        prediction = self.compiled_potential(
            graph,
            forces=True,
            stress=periodic or wants_stress,
            node_virials="stresses" in properties,
            create_graph=False,
        )
        check_finite(prediction, graph, lambda _: atoms.get_chemical_formula())
        return _as_results(prediction, abs(float(np.linalg.det(atoms.cell))))

    def _warn_of_ignored(self, atoms: Atoms) -> None:
        for name, neutral in _NEUTRAL.items():
            value = atoms.info.get(name)
            if value is None or name in self._warned_of or bool(np.isin(value, neutral).all()):
                continue
            self._warned_of.add(name)
            warnings.warn(
                f'atoms.info["{name}"] = {value} is ignored: this potential does not depend on it', stacklevel=2
            )

    def todict(self, skip_default: bool = True) -> dict[str, Any]:
        """Return the parameters that ASE writes to trajectories and databases."""
        return dict(self.parameters)


def _precision(given: Precision | torch.dtype) -> Precision:
    name = str(given).removeprefix("torch.")
    for precision in get_args(Precision):
        if name == precision:
            return precision
    raise SimulationError(f"precision: expected one of {', '.join(get_args(Precision))}, got {given}")


def _as_results(prediction: Prediction, volume: float) -> dict[str, Any]:
    energy = float(prediction.energy.item())
    results = {"energy": energy, "free_energy": energy, "energies": _float64(prediction.node_energies)}
    if prediction.forces is not None:
        results["forces"] = _float64(prediction.forces)
    if prediction.virial is not None:
        results["stress"] = full_3x3_to_voigt_6_stress(_float64(prediction.virial)[0] / volume)
    if prediction.node_virials is not None:
        virials = _float64(prediction.node_virials)
        symmetric = 0.5 * (virials + virials.transpose(0, 2, 1)) / volume
        results["stresses"] = np.array([full_3x3_to_voigt_6_stress(virial) for virial in symmetric]).reshape(-1, 6)
    return results


def _float64(values: torch.Tensor) -> np.ndarray:
    return values.detach().to(device="cpu", dtype=torch.float64).numpy()
