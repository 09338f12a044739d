"""What sizes and memory are measured with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from morse_family import morse_potential

from potentials.errors import SimulationError
from potentials.potential import PotentialCalculator
from potentials.setup.speed import machine, multiplied, peak_memories, seconds_per_call

STRUCTURES = {"crystal": bulk("Cu", cubic=True), "molecule": molecule("O2"), "atom": Atoms("O")}


@pytest.mark.parametrize("atoms", STRUCTURES.values(), ids=STRUCTURES)
def test_a_larger_structure_is_the_same_many_times(atoms: Atoms) -> None:
    calculator = PotentialCalculator(morse_potential(), compiled=False)
    larger = multiplied(atoms, 3, calculator.potential.cutoff)
    assert len(larger) == 8 * len(atoms)
    atoms.calc = larger.calc = calculator
    energy = 8 * atoms.get_potential_energy()
    assert larger.get_potential_energy() == pytest.approx(energy, rel=1e-10)


def test_cells_grow_evenly() -> None:
    np.testing.assert_allclose(multiplied(bulk("Cu", cubic=True), 3, 5.0).cell.lengths(), 2 * 3.61)


def test_a_call_takes_time() -> None:
    calculator = PotentialCalculator(morse_potential(), compiled=False)
    assert 0 < seconds_per_call(calculator, bulk("Cu", cubic=True)) < 5


@pytest.mark.slow
def test_memory_of_a_process_of_its_own(repository: Path) -> None:
    model = repository / "tests" / "model_files" / "0.1.0" / "schnet.potential"
    from potentials.potential.model_file import read_header

    element = read_header(model)["elements"][0]
    structures = [Atoms([element] * count, np.arange(3 * count).reshape(-1, 3) * 1.5) for count in (2, 4)]
    ballast = np.ones(200_000_000)  # 1.6 GB of this process, which are not those of the other
    found = peak_memories(model, structures, "cpu", 300.0)
    del ballast
    assert len(found) == 3
    assert all(10e6 < size < 1.5e9 for size in found)
    assert found[1] <= found[2]


@pytest.mark.slow
def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="nowhere"):
        peak_memories(tmp_path / "nowhere.potential", [Atoms("H")], "cpu", 300.0)


def test_the_machine_is_described() -> None:
    facts = dict(machine(torch.device("cpu")))
    assert facts["processor"]
    assert str(torch.get_num_threads()) in facts["cores, PyTorch threads"]
