"""Generate the fixture for tests of SevenNet's published weights: structures and SevenNet's results for them.

    <environment with sevenn>/bin/python scripts/make_sevennet_oracle.py --output tests/interop/sevennet.npz

The structures are crystals of 40 elements and binary compounds, rattled, strained and hot, molecules, surfaces, single
atoms and pairs. The results of each model in float32 are those of SevenNet's ASE calculator; those in float64 are of
the same network with coupling tensors in float64.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Iterator

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.data import atomic_numbers, covalent_radii, reference_states
from make_foreign_files import sevenn_predict
from make_oracles import Arrays, versions

MODELS = {"7net-0": None, "7net-0_22May2024": None, "7net-l3i5": None, "7net-mf-0": "R2SCAN", "7net-mf-0/PBE": "PBE"}
ELEMENTS = [
    "Li", "Be", "C", "Na", "Mg", "Al", "Si", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ge",
    "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Cs", "Ba", "Ta", "W", "Pt", "Au",
    "Pb",
]  # fmt: skip
COMPOUNDS = {"NaCl": 5.64, "MgO": 4.21, "LiF": 4.03, "KBr": 6.6, "CaO": 4.81, "TiN": 4.24, "PbS": 5.94, "FeO": 4.33}
MOLECULES = [
    "H2O", "CH4", "NH3", "CO2", "C2H6", "CH3CH2OH", "C6H6", "H2O2", "N2", "O2", "SO2", "CH3Cl", "PH3", "C2H2", "HCN",
    "CH3SH", "SiH4", "HF", "LiH", "Si2H6",
]  # fmt: skip


def rattled(atoms: Atoms, size: float, seed: int) -> Atoms:
    """Displace the atoms of a copy at random; size in A."""
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(scale=size, size=(len(atoms), 3))
    return moved


def strained(atoms: Atoms, size: float, seed: int) -> Atoms:
    """Strain the cell of a copy at random."""
    moved = atoms.copy()
    strain = np.random.default_rng(seed).normal(scale=size, size=(3, 3))
    moved.set_cell(atoms.cell.array @ (np.eye(3) + 0.5 * (strain + strain.T)), scale_atoms=True)
    return moved


def crystal_of(symbol: str) -> Atoms:
    """Return the primitive crystal of an element, or an fcc crystal where ASE's has a basis of several atoms."""
    number = atomic_numbers[symbol]
    if reference_states[number]["symmetry"] in ("fcc", "bcc", "hcp", "diamond"):
        return bulk(symbol)
    return bulk(symbol, "fcc", a=2 * np.sqrt(2) * covalent_radii[number])


def structures() -> Iterator[Atoms]:
    """Yield the structures in a fixed order."""
    for seed, symbol in enumerate(ELEMENTS):
        crystal = crystal_of(symbol)
        yield rattled(crystal * (2, 1, 1), 0.05, seed)
        yield strained(rattled(crystal * (2, 1, 1), 0.1, seed), 0.04, seed)
        yield rattled(crystal * (2, 2, 1), 0.2, seed)
    for seed, (name, length) in enumerate(COMPOUNDS.items()):
        crystal = bulk(name, "rocksalt", a=length)
        yield strained(rattled(crystal * (2, 1, 1), 0.05, seed), 0.03, seed)
        yield rattled(crystal * (2, 2, 1), 0.2, seed)
    for seed, name in enumerate(MOLECULES):
        yield rattled(molecule(name), 0.03, seed)
        yield rattled(molecule(name), 0.15, seed)
    for seed, symbol in enumerate(("Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")):
        yield rattled(fcc111(symbol, (2, 2, 3), vacuum=6.0), 0.1, seed)
    for seed, symbol in enumerate(("H", "C", "O", "Si", "Fe", "Cu", "Cs", "U")):
        yield Atoms(symbol)
        yield Atoms([symbol] * 2, [[0, 0, 0], [1.3 + 0.2 * seed, 0.1, 0.2]])
    grid = 2.6 * np.stack(np.meshgrid(*[range(2)] * 3), axis=-1).reshape(-1, 3)
    yield rattled(Atoms("HOCNSiFeCuAu", grid, cell=[5.2] * 3, pbc=True), 0.1, 0)


def results(name: str, modal: str | None, chosen: list[Atoms]) -> Arrays:
    """Return energies, forces and stresses of one model."""
    from sevenn.calculator import SevenNetCalculator

    calculator = SevenNetCalculator(name.partition("/")[0], device="cpu", modal=modal)
    energies, forces, stresses = [], [], []
    for atoms in chosen:
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress() if atoms.pbc.all() else np.full(6, np.nan))
        atoms.calc = None
    found = {"energies": np.array(energies), "forces": np.concatenate(forces), "stresses": np.array(stresses)}
    model = in_double_precision(calculator.model)
    exact = [sevenn_predict(model, atoms, str(modal)) for atoms in chosen]
    found["energies64"] = np.array([float(prediction["energy"].detach()) for prediction in exact])
    found["forces64"] = np.concatenate([prediction["forces"].detach().numpy() for prediction in exact])
    return {f"{name}/{key}": value for key, value in found.items()}


def in_double_precision(model: torch.nn.Module) -> torch.nn.Module:
    """Convert a model to float64, with exact coupling tensors."""
    from e3nn import o3

    model.double()
    for name, buffer in model.named_buffers():
        if "_w3j_" in name:
            degrees = [int(part) for part in name.rpartition("_w3j_")[2].split("_")]
            buffer.copy_(o3.wigner_3j(*degrees, dtype=torch.float64))
    return model


def main() -> None:
    """Write the fixture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chosen = list(structures())
    arrays: Arrays = {
        "numbers": np.concatenate([atoms.numbers for atoms in chosen]),
        "positions": np.concatenate([atoms.positions for atoms in chosen]),
        "cells": np.array([atoms.cell.array for atoms in chosen]),
        "pbc": np.array([atoms.pbc for atoms in chosen]),
        "sizes": np.array([len(atoms) for atoms in chosen]),
    }
    for name, modal in MODELS.items():
        arrays |= results(name, modal, chosen)
        print(name, "computed", flush=True)
    metadata = {"models": MODELS, "versions": versions(["sevenn", "e3nn", "torch", "numpy", "ase"])}
    np.savez_compressed(arguments.output, metadata=np.array(json.dumps(metadata)), **arrays)  # type: ignore[arg-type]
    print(f"{len(chosen)} structures, {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
