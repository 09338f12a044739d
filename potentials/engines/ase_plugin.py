"""The calculator in ASE's list of plugins, entry point group `ase.plugins`."""

from __future__ import annotations

from ase._4.plugins.plugin import CalculatorPlugin

# ASE loads this file whenever it loads its plugins: the calculator is named here and imported when it is asked for.
__ase_plugins__ = {
    CalculatorPlugin("potentials", implementation="potentials.potential.PotentialCalculator"),
}
