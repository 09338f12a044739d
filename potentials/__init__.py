"""E(3)-equivariant interatomic potentials: training from one YAML file, and use from ASE.

`potentials.load(path)` gives a `Potential`, `potentials.import_model(path)` converts a model file of another program,
`potential.save(path)` writes a model file, and `potential.calculator()` is an ASE calculator (of
`potential.compile_for_md()`, a faster copy). Nothing heavy is imported until one of the names is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from potentials.openmp import bound_waiting

if TYPE_CHECKING:
    from potentials.interop import import_model
    from potentials.potential import Potential, Prediction, load

    __version__: str

bound_waiting()

__all__ = ["Potential", "Prediction", "__version__", "import_model", "load"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("potentials")
    if name in __all__:
        module = "potentials.interop" if name == "import_model" else "potentials.potential"
        value = getattr(import_module(module), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'potentials' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
