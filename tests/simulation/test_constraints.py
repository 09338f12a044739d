"""Constraints in dynamics and relaxation, against counting by hand and velocity Verlet of ASE."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, fcc100
from ase.calculators.emt import EMT
from ase.constraints import (
    ExternalForce,
    FixAtoms,
    FixBondLength,
    FixBondLengths,
    FixCartesian,
    FixCom,
    FixConstraint,
    FixedLine,
    FixedMode,
    FixedPlane,
    FixInternals,
    FixLinearTriatomic,
    FixScaled,
    FixSubsetCom,
    Hookean,
    MirrorForce,
)
from morse_family import morse_potential

from potentials.errors import SimulationError
from potentials.potential import PotentialCalculator
from potentials.simulation import MDSettings, RelaxationSettings, relax, run_md
from potentials.simulation.constraints import removed_degrees_of_freedom
from potentials.simulation.md_log import read_log
from potentials.simulation.structures import read_structure

LOW = [0, 1, 2, 3]


def slab() -> Atoms:
    atoms = fcc100("Cu", (2, 2, 3), a=3.5639, vacuum=6.0)
    atoms.pbc = True
    atoms.rattle(0.02, seed=1)
    return atoms


def run(atoms: Atoms, output: Path, **settings: object):
    overwrite = bool(settings.pop("overwrite", False))
    calculator = PotentialCalculator(morse_potential())
    return run_md(calculator, atoms, MDSettings(**settings), output, overwrite=overwrite, progress=False)


class Frozen(FixConstraint):
    """Of a user, without a way into files."""

    def get_removed_dof(self, atoms):
        return 0


CONSTRAINTS = {
    "FixAtoms": (FixAtoms(LOW), 12),
    "FixAtoms, named twice": ([FixAtoms(LOW), FixAtoms([3, 4])], 15),
    "FixAtoms and planes": ([FixAtoms(LOW), *[FixedPlane(k, (0, 0, 1)) for k in (3, 4)]], 13),
    "FixCartesian": ([FixCartesian(k, (True, True, False)) for k in LOW], 8),
    "FixScaled": (FixScaled(LOW, (True, False, False)), 4),
    "FixedPlane": (FixedPlane(LOW, (1, 1, 1)), 4),
    "FixedLine": (FixedLine(0, (0, 0, 1)), 2),
    "FixedMode": (FixedMode(np.ones((12, 3))), 1),
    "FixBondLength": (FixBondLength(0, 1), 1),
    "FixBondLengths": (FixBondLengths([[0, 1], [2, 3]]), 2),
    "Hookean": (Hookean(0, 1, 5.0, 2.0), 0),
    "FixCom": (FixCom(), 3),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_dynamics_conserve_the_energy_with_every_constraint(name: str, tmp_path: Path) -> None:
    constraint, removed = CONSTRAINTS[name]
    atoms = slab()
    atoms.set_constraint(constraint)
    assert removed_degrees_of_freedom(atoms) == removed
    result = run(atoms, tmp_path / "md.traj", temperature=300.0, timestep=1.0, steps=60, every=10)
    assert result.drift is not None
    assert result.drift.largest < 0.2
    first = read_log(result.log)[0]
    assert first.temperature_K == pytest.approx(300.0)
    assert first.kinetic_energy_eV == pytest.approx(300.0 * units.kB * (36 - removed) / 2)
    frames = ase.io.read(result.trajectory, index=":")
    if name.startswith("FixAtoms"):
        assert np.array_equal(frames[0].positions[LOW], frames[-1].positions[LOW])
    if name == "FixBondLength":
        assert frames[-1].get_distance(0, 1, mic=True) == pytest.approx(
            frames[0].get_distance(0, 1, mic=True), abs=1e-9
        )


def test_velocities_of_fixed_atoms_are_no_kinetic_energy(tmp_path: Path) -> None:
    atoms = slab()
    atoms.set_velocities(np.full((12, 3), 0.01))
    moving = atoms.get_momenta()[4:]
    atoms.set_constraint(FixAtoms(LOW))
    result = run(atoms, tmp_path / "md.traj", keep_velocities=True, timestep=1.0, steps=20, every=1)
    assert result.drift is not None
    assert result.drift.largest < 0.2
    first = read_log(result.log)[0]
    kinetic_energy = (moving**2).sum() / (2 * atoms.get_masses()[0])
    assert first.kinetic_energy_eV == pytest.approx(kinetic_energy, rel=1e-12)
    assert first.temperature_K == pytest.approx(2 * kinetic_energy / (24 * units.kB), rel=1e-12)


@pytest.mark.parametrize("constraint", [FixBondLengths([[0, 1], [2, 3]]), FixAtoms(LOW), Hookean(0, 1, 5.0, 2.0)])
def test_a_run_with_constraints_continues_to_the_bit(constraint: FixConstraint, tmp_path: Path) -> None:
    atoms = slab()
    atoms.set_constraint(constraint)
    settings = {"ensemble": "langevin", "timestep": 2.0, "every": 5}
    run(atoms, tmp_path / "md.traj", steps=10, **settings)
    run(atoms, tmp_path / "md.traj", steps=30, **settings)
    run(atoms, tmp_path / "whole.traj", steps=30, **settings)
    last, whole = ase.io.read(tmp_path / "md.traj"), ase.io.read(tmp_path / "whole.traj")
    assert np.array_equal(last.positions, whole.positions)
    assert np.array_equal(last.get_momenta(), whole.get_momenta())


def test_a_run_leaves_the_constraints_of_its_structure_alone(tmp_path: Path) -> None:
    atoms = slab()
    atoms.set_constraint(FixBondLength(0, 1))
    run(atoms, tmp_path / "md.traj", steps=1)
    assert atoms.constraints[0].bondlengths is None
    relax(EMT(), atoms, RelaxationSettings(steps=1))
    assert atoms.constraints[0].bondlengths is None


def test_linear_molecules(tmp_path: Path) -> None:
    atoms = Atoms("Cu3", [[0, 0, 0], [0, 0, 2.5], [0, 0, 5.0]])
    atoms.set_constraint(FixLinearTriatomic([(0, 1, 2)]))
    result = run(atoms, tmp_path / "md.traj", timestep=1.0, steps=20, every=5)
    assert read_log(result.log)[0].temperature_K == pytest.approx(300.0)
    y = ase.io.read(result.trajectory)
    assert y.get_angle(0, 1, 2) == pytest.approx(180.0, abs=1e-4)


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (MirrorForce(0, 1), "MirrorForce; remove it"),
        (FixSubsetCom(LOW), "FixSubsetCom does not constrain positions and velocities"),
        (ExternalForce(0, 1, 1e-5), "ExternalForce does not"),
        (FixInternals(bonds=[[None, [0, 1]]]), "FixInternals does not"),
        (Frozen(), "Frozen cannot be stored"),
        (FixAtoms([30]), "FixAtoms refers to atom 30, but the structure has atoms 0 to 11"),
        (FixBondLengths([[0, 1], [2, 30]]), "FixBondLengths refers to atom 30"),
        (FixedMode(np.ones((5, 3))), "FixedMode is for 5 atoms"),
    ],
)
def test_constraints_that_dynamics_cannot_have(constraint: FixConstraint, words: str, tmp_path: Path) -> None:
    atoms = slab()
    atoms.set_constraint(constraint)
    with pytest.raises(SimulationError, match=words):
        run(atoms, tmp_path / "md.traj", steps=1)
    assert not list(tmp_path.iterdir())


def test_constraints_that_depend_on_cell_and_masses(tmp_path: Path) -> None:
    skewed = bulk("Cu") * (2, 2, 2)
    skewed.set_constraint(FixScaled([0], (True, False, False)))
    with pytest.raises(SimulationError, match="FixScaled does not constrain"):
        run(skewed, tmp_path / "md.traj", steps=1)
    unequal = slab()
    unequal.set_masses([10.0] + [60.0] * 11)
    unequal.set_constraint(FixedMode(np.ones((12, 3))))
    with pytest.raises(SimulationError, match="FixedMode does not constrain"):
        run(unequal, tmp_path / "md.traj", steps=1)


def test_constraints_that_do_not_converge(tmp_path: Path) -> None:
    atoms = slab()
    lengths = FixBondLengths([[0, 1], [0, 1]], bondlengths=[2.0, 3.0])
    atoms.set_constraint(lengths)
    with pytest.raises(SimulationError, match=r"FixBondLengths.*Did not converge"):
        run(atoms, tmp_path / "md.traj", steps=2)
    with pytest.raises(SimulationError, match=r"FixBondLengths.*Did not converge"):
        relax(EMT(), atoms, RelaxationSettings(steps=3))


def test_supercells_of_constraints(tmp_path: Path) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.set_constraint(FixBondLength(0, 1))
    ase.io.write(tmp_path / "a.traj", atoms)
    assert isinstance(read_structure(str(tmp_path / "a.traj")).constraints[0], FixBondLengths)
    with pytest.raises(SimulationError, match='supercell "2 1 1": ASE cannot repeat the constraint FixBondLengths'):
        read_structure(str(tmp_path / "a.traj"), supercell="2 1 1")
    atoms.set_constraint(FixAtoms([0]))
    ase.io.write(tmp_path / "b.traj", atoms)
    assert read_structure(str(tmp_path / "b.traj"), supercell="2 1 1").constraints[0].index.tolist() == [0, 4]


def _changed(what: str) -> Atoms:
    atoms = slab()
    atoms.set_constraint(FixAtoms(LOW))
    if what == "masses":
        atoms.set_masses([2.0] * 12)
    elif what == "constraints":
        atoms.set_constraint(FixAtoms([0]))
    elif what == "elements":
        atoms.numbers[0] = 28
    elif what == "pbc":
        atoms.pbc[2] = False
    elif what == "cell":
        atoms.cell[2, 2] += 1.0
    return atoms


@pytest.mark.parametrize("what", ["masses", "constraints", "elements", "pbc", "cell"])
def test_a_run_is_not_continued_with_another_structure(what: str, tmp_path: Path) -> None:
    run(_changed("nothing"), tmp_path / "md.traj", steps=2)
    before = (tmp_path / "md.traj").read_bytes()
    with pytest.raises(SimulationError, match=rf"cannot be continued.*{what}"):
        run(_changed(what), tmp_path / "md.traj", steps=4)
    assert (tmp_path / "md.traj").read_bytes() == before
    run(_changed("nothing"), tmp_path / "md.traj", steps=4)
