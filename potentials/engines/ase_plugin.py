"""The calculator as an ASE plugin, entry point group `ase.plugins`."""

from __future__ import annotations

from ase._4.plugins.plugin import CalculatorPlugin

# ASE imports this file whenever it loads its plugins, so the calculator is only named here and imported at first use.
__ase_plugins__ = {
    CalculatorPlugin("potentials", implementation="potentials.potential.PotentialCalculator"),
}
