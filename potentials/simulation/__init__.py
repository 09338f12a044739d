"""Simulation: molecular dynamics and relaxation with a potential's calculator, based on ASE.

The commands `md` and `relax` call `run_md` and `relax`. Each is imported on first use, because their dependencies
differ.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from potentials.simulation.md_settings import MDSettings
    from potentials.simulation.molecular_dynamics import MDResult, run_md
    from potentials.simulation.relaxation import RelaxationResult, RelaxationSettings, relax, relax_frames

__all__ = [
    "MDResult",
    "MDSettings",
    "RelaxationResult",
    "RelaxationSettings",
    "relax",
    "relax_frames",
    "run_md",
]

_HOMES = {
    "MDSettings": "md_settings",
    **dict.fromkeys(("MDResult", "run_md"), "molecular_dynamics"),
    **dict.fromkeys(("RelaxationResult", "RelaxationSettings", "relax", "relax_frames"), "relaxation"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
