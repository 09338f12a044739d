"""OpenMM: forces in its units, dynamics, serialized systems, and a part of a larger system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import units
from clients.guide import run_snippets

from potentials.errors import SimulationError
from potentials.potential import PotentialCalculator

PER_MOLE = units.kJ / units.mol


@pytest.fixture
def snippet(folder: Path, client: Callable[..., None]) -> dict[str, Any]:
    """What the first snippet leaves."""
    client("openmm", "openmmml")
    return run_snippets("OpenMM", last=1)


def _expected() -> tuple[float, np.ndarray]:
    """kJ/mol and kJ/mol/nm."""
    atoms = ase.io.read("molecule.xyz")
    atoms.calc = PotentialCalculator("builtin:ethanol")
    return atoms.get_potential_energy() / PER_MOLE, atoms.get_forces() * units.nm / PER_MOLE


def test_energy_and_forces(snippet: dict[str, Any]) -> None:
    energy, forces = _expected()
    assert snippet["energy"]._value == pytest.approx(energy, abs=1e-2)
    np.testing.assert_allclose(snippet["forces"]._value, forces, atol=0.5)


def test_dynamics_in_double_precision(snippet: dict[str, Any]) -> None:
    """Energy is conserved in OpenMM's Verlet steps on its reference platform."""
    import openmm
    from openmm import unit

    context = openmm.Context(
        snippet["system"], openmm.VerletIntegrator(0.0001), openmm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(snippet["atoms"].positions * unit.angstrom)
    state = context.getState(energy=True, forces=True)
    energy, forces = _expected()
    assert state.getPotentialEnergy()._value == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(state.getForces(asNumpy=True)._value, forces, atol=1e-2)
    totals, potential = [], []
    for _ in range(20):
        context.getIntegrator().step(5)
        state = context.getState(energy=True)
        potential.append(state.getPotentialEnergy()._value)
        totals.append(potential[-1] + state.getKineticEnergy()._value)
    assert np.ptp(potential) > 1
    assert np.ptp(totals) < 0.02 * np.ptp(potential)


def test_a_serialized_system(snippet: dict[str, Any]) -> None:
    """Written as XML and read again, the system has the same energy; the weights are in it."""
    import openmm
    from openmm import unit

    text = openmm.XmlSerializer.serialize(snippet["system"])
    system = openmm.XmlSerializer.deserialize(text)
    context = openmm.Context(system, openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(snippet["atoms"].positions * unit.angstrom)
    state = context.getState(energy=True, forces=True)
    energy, forces = _expected()
    assert state.getPotentialEnergy()._value == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(state.getForces(asNumpy=True)._value, forces, atol=1e-2)


def test_a_molecule_among_other_particles(snippet: dict[str, Any]) -> None:
    """A mixed system: ours on the molecule, nothing on an argon atom beside it."""
    import openmm
    from openmm import app, unit
    from openmmml import MLPotential

    topology = snippet["topology"]
    residue = topology.addResidue("AR", topology.addChain())
    topology.addAtom("Ar", app.Element.getBySymbol("Ar"), residue)
    other = openmm.System()
    for atom in topology.atoms():
        other.addParticle(atom.element.mass)
    mixed = MLPotential("potentials", modelPath="builtin:ethanol").createMixedSystem(topology, other, list(range(9)))
    context = openmm.Context(mixed, openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(np.vstack([snippet["atoms"].positions, [3, 3, 3]]) * unit.angstrom)
    state = context.getState(energy=True, forces=True)
    energy, forces = _expected()
    assert state.getPotentialEnergy()._value == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(state.getForces(asNumpy=True)._value, np.vstack([forces, np.zeros(3)]), atol=1e-2)


def test_a_periodic_crystal(snippet: dict[str, Any]) -> None:
    """Box vectors of OpenMM are the cell."""
    import openmm
    from openmm import app, unit
    from openmmml import MLPotential

    atoms = ase.io.read("crystal.xyz")
    topology = app.Topology()
    residue = topology.addResidue("CU", topology.addChain())
    for _ in atoms:
        topology.addAtom("Cu", app.Element.getBySymbol("Cu"), residue)
    topology.setPeriodicBoxVectors(atoms.cell.array * unit.angstrom)
    system = MLPotential("potentials", modelPath="copper.potential").createSystem(topology)
    context = openmm.Context(system, openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(atoms.positions * unit.angstrom)
    for scale in (1.0, 1.02):
        vectors = atoms.cell.array * scale
        context.setPeriodicBoxVectors(*(vectors * unit.angstrom))
        found = context.getState(energy=True).getPotentialEnergy()._value
        here = atoms.copy()
        here.set_cell(vectors)
        here.calc = PotentialCalculator("copper.potential")
        assert found == pytest.approx(here.get_potential_energy() / PER_MOLE, abs=1e-3)


def test_the_force_of_the_second_snippet(snippet: dict[str, Any]) -> None:
    import openmm
    from openmm import unit

    left = run_snippets("OpenMM", first=1, **{name: snippet[name] for name in ("atoms", "openmm", "unit")})
    system = openmm.System()
    for mass in snippet["atoms"].get_masses():
        system.addParticle(mass)
    system.addForce(left["force"])
    context = openmm.Context(system, openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(ase.io.read("molecule.xyz").positions * unit.angstrom)
    state = context.getState(energy=True, forces=True)
    energy, forces = _expected()
    assert state.getPotentialEnergy()._value == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(state.getForces(asNumpy=True)._value, forces, atol=1e-2)


def test_without_a_model_file(snippet: dict[str, Any]) -> None:
    from openmmml import MLPotential

    with pytest.raises(SimulationError, match="modelPath"):
        MLPotential("potentials")
