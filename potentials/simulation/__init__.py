"""Simulation: the ASE calculator of a potential, molecular dynamics and relaxation, on ASE's own engines.

`PotentialCalculator` is all that other programs need; `run_md` and `relax` are what the commands `md` and `relax` call.
"""

from potentials.simulation.calculator import PotentialCalculator
from potentials.simulation.md_settings import MDSettings
from potentials.simulation.molecular_dynamics import MDResult, run_md
from potentials.simulation.relaxation import RelaxationResult, RelaxationSettings, relax, relax_frames

__all__ = [
    "MDResult",
    "MDSettings",
    "PotentialCalculator",
    "RelaxationResult",
    "RelaxationSettings",
    "relax",
    "relax_frames",
    "run_md",
]
