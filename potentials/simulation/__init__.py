"""Simulation: the ASE calculator of a potential, molecular dynamics and relaxation, on ASE's own engines.

`PotentialCalculator` is all that other programs need; `run_md` and `relax` are what the commands `md` and `relax` call.
Each is imported when it is used, for the calculator needs nothing of what the others import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "PotentialCalculator": "calculator",
    "MDSettings": "md_settings",
    **dict.fromkeys(("MDResult", "run_md"), "molecular_dynamics"),
    **dict.fromkeys(("RelaxationResult", "RelaxationSettings", "relax", "relax_frames"), "relaxation"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
