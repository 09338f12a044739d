"""i-PI: a crystal and a molecule, within its process and over a socket."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.fd import calculate_numerical_stress
from clients.guide import snippets

from potentials.potential import PotentialCalculator

SIMULATION = """
<simulation verbosity='low'>
  <output prefix='run'>
    <properties stride='1' filename='out'> [ step, conserved{{electronvolt}}, potential{{electronvolt}} ] </properties>
    <trajectory filename='pos' stride='1' format='xyz' cell_units='angstrom'> positions{{angstrom}} </trajectory>
    <trajectory filename='for' stride='1' format='xyz' cell_units='angstrom'> forces{{ev/ang}} </trajectory>
    <properties stride='1' filename='virial'> [ virial_cv{{ev/ang3}} ] </properties>
  </output>
  <total_steps> {steps} </total_steps>
  <prng> <seed> 7 </seed> </prng>
  {forcefield}
  <system>
    <initialize nbeads='1'>
      <file mode='ase'> start.extxyz </file>
      <velocities mode='thermal' units='kelvin'> 100 </velocities>
    </initialize>
    <forces> <force forcefield='potential'/> </forces>
    <motion mode='dynamics'> <dynamics mode='nve'> <timestep units='femtosecond'> 0.5 </timestep> </dynamics> </motion>
  </system>
</simulation>
"""
STEPS = 20


def _driver() -> str:
    # Without importing it: i-PI loads the file under a name of its own.
    from importlib.util import find_spec

    spec = find_spec("potentials.engines.ipi_driver")
    assert spec is not None
    return str(spec.origin)


def _within(parameters: str) -> str:
    """The snippet of the guide, with other parameters."""
    (snippet,) = snippets("i-PI", "xml")
    before, after = snippet.split("{template: crystal.xyz, model: copper.potential}")
    return f"{before}{{{parameters}}}{after}".replace("DRIVER", _driver())


def _simulate(forcefield: str, **drivers: Mapping[str, str]) -> None:
    binaries = Path(sys.executable).parent
    Path("input.xml").write_text(SIMULATION.format(steps=STEPS, forcefield=forcefield))
    processes = [[sys.executable, str(binaries / "i-pi"), "input.xml"]]
    for address, options in drivers.items():
        text = ",".join(f"{key}={value}" for key, value in options.items())
        arguments = ["-u", "-a", address, "-m", "custom", "-P", _driver(), "-o", text]
        processes.append([sys.executable, str(binaries / "i-pi-driver-py"), *arguments])
    with Path("log").open("w") as log, ExitStack() as stack:
        started = []
        for command in processes:
            started.append(stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log)))
            stack.callback(started[-1].kill)
        try:
            codes = [process.wait(timeout=60) for process in started]
        except subprocess.TimeoutExpired:
            codes = [-1]
    assert codes == [0] * len(processes), Path("log").read_text()[-2000:]


def _compare(atoms: Atoms, calculator: PotentialCalculator, tolerance: float) -> None:
    """What i-PI wrote for each step is what the calculator says of the positions of that step."""
    _, conserved, energies = np.loadtxt("run.out", unpack=True)
    assert len(energies) == STEPS + 1
    positions = ase.io.read("run.pos_0.xyz", ":")
    forces = ase.io.read("run.for_0.xyz", ":")
    assert np.abs(positions[-1].positions - positions[0].positions).max() > 1e-3
    for step in (0, STEPS // 2, STEPS):
        here = atoms.copy()
        here.positions = positions[step].positions
        here.calc = calculator
        # i-PI writes positions with six digits.
        assert energies[step] == pytest.approx(here.get_potential_energy(), abs=tolerance)
        np.testing.assert_allclose(forces[step].positions, here.get_forces(), atol=100 * tolerance)
    # i-PI's order: xx, yy, zz, xy, xz, yz; pressure positive under compression.
    here.positions = positions[0].positions
    stress = calculate_numerical_stress(here, eps=1e-4)
    np.testing.assert_allclose(np.loadtxt("run.virial")[0], -stress[[0, 1, 2, 5, 4, 3]], atol=1e-6, rtol=1e-3)
    assert np.ptp(conserved) < 0.05 * np.ptp(energies) + 1e-5


def _start(atoms: Atoms) -> None:
    """Positions and cell as i-PI wants them: the cell along the axes as an upper triangle, whether periodic or not."""
    if not atoms.cell.rank:
        atoms.cell = [20.0, 20.0, 20.0]
        atoms.center()
    ase.io.write("start.extxyz", atoms)


def test_a_crystal_within_its_process(folder: Path, client: Callable[..., None]) -> None:
    client("ipi")
    atoms = ase.io.read("crystal.xyz")
    _start(atoms)
    _simulate(_within("template: crystal.xyz, model: copper.potential"))
    _compare(atoms, PotentialCalculator("copper.potential"), 1e-4)


def test_a_molecule_within_its_process(folder: Path, client: Callable[..., None]) -> None:
    """Not periodic, in i-PI's cell: through ASE's driver, which asks for the stress of everything."""
    client("ipi")
    atoms = ase.io.read("molecule.xyz")
    _start(atoms)
    _simulate(_within("template: molecule.xyz, model: ethanol.potential"))
    _compare(atoms, PotentialCalculator("builtin:ethanol"), 1e-4)


def test_a_molecule_over_a_socket(folder: Path, client: Callable[..., None]) -> None:
    client("ipi")
    atoms = ase.io.read("molecule.xyz")
    _start(atoms)
    address = f"potentials-{os.getpid()}"
    forcefield = f"<ffsocket mode='unix' name='potential'> <address> {address} </address> </ffsocket>"
    _simulate(forcefield, **{address: {"template": "molecule.xyz", "model": "ethanol.potential"}})
    _compare(atoms, PotentialCalculator("builtin:ethanol"), 1e-4)
