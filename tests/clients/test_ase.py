"""ASE itself: its plugins, names of calculators, sockets."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ase.calculators.calculator as ase_calculators
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.names import names
from ase.calculators.socketio import SocketClient, SocketIOCalculator
from clients.guide import run_snippets, snippets

from potentials.potential import PotentialCalculator


def test_the_snippet_gives_derivatives_of_the_energy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ase_calculators, "external_calculators", {})
    monkeypatch.setattr(ase_calculators, "names", list(names))
    left = run_snippets("ASE")
    atoms = left["atoms"].copy()
    atoms.calc = left["calculator"]
    assert atoms.get_potential_energy() == pytest.approx(left["energy"], abs=1e-12)
    np.testing.assert_allclose(left["forces"], calculate_numerical_forces(atoms, eps=1e-4), atol=1e-6)
    np.testing.assert_allclose(left["stress"], calculate_numerical_stress(atoms, eps=1e-5), atol=1e-7)


def test_ase_lists_the_calculator_without_importing_it() -> None:
    program = (
        "import sys\n"
        "from ase._4.plugins import plugins\n"
        "(plugin,) = [plugin for plugin in plugins if plugin.name == 'potentials']\n"
        "assert 'torch' not in sys.modules\n"
        "from potentials.potential import PotentialCalculator\n"
        "assert plugin.implementation is PotentialCalculator\n"
        "print(plugin.display())"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.split()[0] == "potentials"


@contextmanager
def _served(name: str, atoms: Atoms, periodic_stress: bool = True) -> Iterator[SocketIOCalculator]:
    """A socket server of ASE with a client of ours behind it, in a thread."""
    with SocketIOCalculator(unixsocket=name, timeout=60) as server:

        def answer() -> None:
            SocketClient(unixsocket=name, timeout=60).run(atoms, use_stress=periodic_stress)

        client = threading.Thread(target=answer, daemon=True)
        client.start()
        yield server
    client.join(timeout=20)
    assert not client.is_alive()


def test_a_slab_over_a_socket(copper: Path) -> None:
    """Two periodic directions and a cell of three vectors: energy, forces and a stress, as the energy changes."""
    slab = fcc111("Cu", (2, 2, 3), a=3.62, vacuum=6.0)
    slab.rattle(0.05, seed=1)
    assert slab.pbc.tolist() == [True, True, False]
    behind = slab.copy()
    behind.calc = PotentialCalculator(copper)
    alone = slab.copy()
    alone.calc = PotentialCalculator(copper)
    with _served(f"potentials-slab-{os.getpid()}", behind) as server:
        slab.calc = server
        for _ in range(2):
            energy, forces, stress = slab.get_potential_energy(), slab.get_forces(), slab.get_stress()
            alone.positions = slab.positions
            assert energy == pytest.approx(alone.get_potential_energy(), abs=1e-10)
            np.testing.assert_allclose(forces, alone.get_forces(), atol=1e-10)
            np.testing.assert_allclose(stress, calculate_numerical_stress(alone, eps=1e-5), atol=1e-8)
            slab.rattle(0.05, seed=2)


def test_a_molecule_over_a_socket(folder: Path) -> None:
    molecule = ase.io.read("molecule.xyz")
    behind, alone = molecule.copy(), molecule.copy()
    behind.calc, alone.calc = PotentialCalculator("builtin:ethanol"), PotentialCalculator("builtin:ethanol")
    with _served(f"potentials-molecule-{os.getpid()}", behind, periodic_stress=False) as server:
        molecule.calc = server
        assert molecule.get_potential_energy() == pytest.approx(alone.get_potential_energy(), abs=1e-7)
        np.testing.assert_allclose(molecule.get_forces(), alone.get_forces(), atol=1e-7)


def test_the_client_of_the_snippet(folder: Path) -> None:
    """In a process of its own, behind ASE's server."""
    (program,) = snippets("Over a socket")
    name = f"potentials-snippet-{os.getpid()}"
    atoms = ase.io.read("crystal.xyz")
    alone = atoms.copy()
    alone.calc = PotentialCalculator("copper.potential")
    with (
        SocketIOCalculator(unixsocket=name, timeout=120) as server,
        subprocess.Popen([sys.executable, "-c", program, name]) as client,
    ):
        atoms.calc = server
        stress = atoms.get_stress()
        server.close()
        assert client.wait(timeout=60) == 0
    np.testing.assert_allclose(stress, alone.get_stress(), atol=1e-10)
