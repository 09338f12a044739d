"""Predictions of a potential for many structures, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from potentials.data.graph import AtomicGraph, build_graph, collate
from potentials.data.read import Frame
from potentials.errors import DataError, SimulationError, UnknownElementError
from potentials.potential import Potential, Prediction
from potentials.potential.finite_results import check_finite
from potentials.torch_state import plain_torch_state

REFERENCE_PREFIX = "reference_"
"""Prefix of the names under which existing labels are stored."""
_PREDICTED = ("energy", "free_energy", "energies", "forces", "stress", "stresses", "virial")
_OF_ATOMS = ("energies", "forces", "stresses", "charges", "magmoms")


def predict(
    potential: Potential,
    frames: Iterable[Frame | Atoms],
    batch_size: int = 8,
    stress: bool | Literal["auto"] = "auto",
) -> Iterator[Atoms]:
    """Predict energy, per-atom energies, forces and stress of structures, in batches and in order.

    Each structure is returned as a copy with the predictions as ASE results (`get_potential_energy()` and so on). Its
    `info` and `arrays` are preserved. Its labels, whether calculator results or entries named `energy`, `forces`,
    `stress`, ..., are stored as `info["reference_energy"]`, `arrays["reference_forces"]` and so on. If a structure has
    such reference entries already, as after an earlier prediction, they are preserved and the results of the
    earlier prediction are dropped.

    Args:
        potential: is switched to evaluation mode.
        frames: the structures; errors name file and frame.
        batch_size: structures per batch.
        stress: `"auto"`: for structures with a 3D periodic cell; True: for all; False: for none.

    Yields:
        A copy of each structure, with energies in eV, forces in eV/A and stress in eV/A^3.

    Raises:
        SimulationError: the batch size is below 1, a stress is requested for a structure without a 3D periodic cell, or
            results are not finite, for example because atoms coincide.
        UnknownElementError: a structure contains an element that the potential does not support.
        DataError: the positions or the cell of a structure are not valid.
    """
    if batch_size < 1:
        raise SimulationError(f"batch_size: expected an integer, at least 1, got {batch_size}")
    potential.eval()
    remaining = enumerate(frames)
    while batch := list(islice(remaining, batch_size)):
        structures = [frame if isinstance(frame, Atoms) else frame.atoms for _, frame in batch]
        names = [f"structure {number}" if isinstance(frame, Atoms) else str(frame) for number, frame in batch]
        with plain_torch_state():
            prediction = _predicted(potential, structures, names, stress)
        yield from _with_results(structures, prediction)


def _predicted(
    potential: Potential, structures: list[Atoms], names: list[str], stress: bool | Literal["auto"]
) -> Prediction:
    graphs = [_graph(potential, atoms, name, stress) for atoms, name in zip(structures, names, strict=True)]
    batch = collate(graphs).to(potential.scale.device)
    with_stress = stress is not False and any(bool(atoms.pbc.all()) for atoms in structures)
    prediction = potential(batch, forces=True, stress=with_stress, create_graph=False)
    check_finite(prediction, batch, names.__getitem__)
    return prediction


def _graph(potential: Potential, atoms: Atoms, name: str, stress: bool | Literal["auto"]) -> AtomicGraph:
    if stress is True and not atoms.pbc.all():
        raise SimulationError(
            f"{name}: the stress is defined for structures that are periodic in three directions; "
            f"{atoms.get_chemical_formula()} has pbc = {atoms.pbc.tolist()}"
        )
    try:
        return build_graph(atoms, potential.elements, potential.cutoff)
    except (UnknownElementError, DataError) as error:
        raise type(error)(f"{name}: {error}") from error


def _with_results(structures: list[Atoms], prediction: Prediction) -> Iterator[Atoms]:
    """Yield copies of the structures of a batch with their predictions."""
    sizes = [len(atoms) for atoms in structures]
    node_energies = prediction.node_energies.detach().cpu().double().split(sizes)
    forces = None if prediction.forces is None else prediction.forces.detach().cpu().double().split(sizes)
    stress = None if prediction.stress is None else prediction.stress.detach().cpu().double().numpy()
    for index, atoms in enumerate(structures):
        energy = float(prediction.energy[index])
        results = {"energy": energy, "free_energy": energy, "energies": node_energies[index].numpy()}
        if forces is not None:
            results["forces"] = forces[index].numpy()
        if stress is not None and atoms.pbc.all():
            results["stress"] = full_3x3_to_voigt_6_stress(stress[index])
        copy = _with_labels_set_aside(atoms)
        copy.calc = SinglePointCalculator(copy, **results)
        yield copy


def _with_labels_set_aside(atoms: Atoms) -> Atoms:
    """Return a copy without calculator, whose labels of predicted quantities have the reference prefix."""
    copy = atoms.copy()
    labels = {} if atoms.calc is None else dict(atoms.calc.results)
    for name in _PREDICTED:
        entry = (copy.arrays if name in _OF_ATOMS else copy.info).pop(name, None)
        if entry is not None:
            labels[name] = entry
    known = any(REFERENCE_PREFIX + name in entries for name in _PREDICTED for entries in (copy.info, copy.arrays))
    for name, value in labels.items():
        if known and name in _PREDICTED:
            continue
        key = REFERENCE_PREFIX + name if name in _PREDICTED else name
        (copy.arrays if name in _OF_ATOMS else copy.info).setdefault(key, value)
    return copy
