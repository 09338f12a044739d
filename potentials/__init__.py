"""E(3)-equivariant interatomic potentials: training from one YAML file, and use from ASE.

`potentials.load(path)` gives a `Potential`, `potential.save(path)` writes one, and `potential.calculator()` is an ASE
calculator (of `potential.compile_for_md()`, a faster copy). Nothing heavy is imported until one of the names is used.
"""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any

from potentials.openmp import bound_waiting

if TYPE_CHECKING:
    from potentials.model_file import load
    from potentials.potential import Potential, Prediction
    from potentials.simulation.calculator import PotentialCalculator

    __version__: str

bound_waiting()

__all__ = ["Potential", "Prediction", "__version__", "load"]

_HOMES = {"load": "model_file", "Potential": "potential", "Prediction": "potential"}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("potentials")
    if name in _HOMES:
        potential = import_module("potentials.potential").Potential
        potential.calculator, potential.save, potential.compile_for_md = _calculator, _save, _compile_for_md
        value = getattr(import_module(f"potentials.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'potentials' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


# Calculator and model file stand above the potential in the house, so it cannot import them; this file may.
def _calculator(potential: Potential, **options: Any) -> PotentialCalculator:
    """An ASE calculator of this potential; the options are those of `PotentialCalculator`."""
    from potentials.simulation.calculator import PotentialCalculator

    return PotentialCalculator(potential, **options)


def _save(potential: Potential, path: str | PathLike[str]) -> None:
    """Write this potential to a model file."""
    from potentials.model_file import save

    save(potential, path)


def _compile_for_md(potential: Potential) -> Potential:
    """A faster copy of this potential for molecular dynamics; see `potentials.compilation.compile_for_md`."""
    from potentials.compilation import compile_for_md

    return compile_for_md(potential)
