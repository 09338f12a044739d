"""SevenNet's published weights give SevenNet's results for 200 structures (scripts/make_sevennet_oracle.py).

The weights are in the package sevenn of the package index; `make published-weights` puts them into build/sevennet.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from potentials.interop import import_model
from potentials.potential import Potential

pytestmark = pytest.mark.slow

ORACLE = Path(__file__).parent / "sevennet.npz"
FILES = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-0_22May2024": "SevenNet_0__22May2024/checkpoint_sevennet_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
    "7net-mf-0": "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
}


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    return dict(np.load(ORACLE))


def structures(oracle: dict[str, Any]) -> list[Atoms]:
    stops = np.cumsum(oracle["sizes"])[:-1]
    numbers, positions = (np.split(oracle[key], stops) for key in ("numbers", "positions"))
    rest = zip(numbers, positions, oracle["cells"], oracle["pbc"], strict=True)
    return [Atoms(z, x, cell=cell, pbc=pbc) for z, x, cell, pbc in rest]


def test_the_structures_are_of_many_kinds(oracle: dict[str, Any]) -> None:
    chosen = structures(oracle)
    assert len(chosen) >= 200
    assert len({z for atoms in chosen if atoms.pbc.all() for z in atoms.numbers}) >= 40
    assert any(atoms.pbc.tolist() == [True, True, False] for atoms in chosen)
    assert any(len(atoms) == 1 for atoms in chosen)


@pytest.mark.parametrize("name", ["7net-0", "7net-0_22May2024", "7net-l3i5", "7net-mf-0", "7net-mf-0/PBE"])
def test_results_are_those_of_sevennet(name: str, oracle: dict[str, Any], sevennet_weights: Path) -> None:
    metadata = json.loads(str(oracle["metadata"]))
    file, modal = sevennet_weights / FILES[name.partition("/")[0]], metadata["models"][name]
    potential = import_model(file, modal)
    assert potential.precision == "float32"
    chosen = structures(oracle)
    energies, forces, stresses = computed(potential, chosen)
    theirs, exact = ({key: oracle[f"{name}/{key}{ending}"] for key in ("energies", "forces")} for ending in ("", "64"))
    sizes, atoms = oracle["sizes"], np.repeat(np.arange(len(chosen)), oracle["sizes"])
    for found, key, per, bound in ((energies, "energies", sizes, 1e-5), (forces, "forces", 1.0, 1e-4)):
        assert np.abs((found - exact[key]) / per).max() < bound
        # SevenNet's own rounding, which is larger than the bound in places, is allowed for.
        rounding = np.abs((theirs[key] - exact[key]) / per)
        assert (np.abs((found - theirs[key]) / per) < bound + rounding).all()
    periodic = np.isfinite(stresses).all(axis=1)
    assert periodic.sum() > 100
    assert np.abs(stresses - oracle[f"{name}/stresses"])[periodic].max() < 1e-5
    energies, forces, _ = computed(import_model(file, modal, "float64"), chosen)
    np.testing.assert_allclose(energies, exact["energies"], rtol=1e-9)
    largest = np.array([np.abs(exact["forces"][atoms == number]).max() for number in range(len(chosen))])
    assert (np.abs(forces - exact["forces"]).max(axis=1) <= 1e-9 * np.maximum(largest[atoms], 1e-3)).all()


def computed(potential: Potential, chosen: list[Atoms]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    calculator = potential.calculator(compiled=False)
    energies, forces, stresses = [], [], []
    for atoms in chosen:
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress() if atoms.pbc.all() else np.full(6, np.nan))
    return np.array(energies), np.concatenate(forces), np.array(stresses)
