"""A plugin for OpenMM-ML, entry point group `openmmml.potentials`: `MLPotential("potentials", modelPath=...)`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openmm
import openmm.app
from openmmml.mlpotential import MLPotentialImplFactory
from openmmml.models.asepotential import ASEPotentialImpl

from potentials.errors import SimulationError


class PotentialImpl(ASEPotentialImpl):
    """Forces of a model file on the atoms of an OpenMM system.

    Args:
        name: name of the potential in OpenMM-ML.
        model_path: model file, or `builtin:ethanol`.
        options: options of `PotentialCalculator`, such as `device`.

    Raises:
        SimulationError: the device is not available.
        ModelFileError: the model file cannot be read.
    """

    def __init__(self, name: str, model_path: str | Path, **options: Any) -> None:
        # OpenMM-ML loads this file whenever it is imported; with other potentials, importing PyTorch is unnecessary.
        from potentials.potential import PotentialCalculator

        super().__init__(name)
        self.calculator = PotentialCalculator(model_path, **options)

    def addForces(
        self,
        topology: openmm.app.Topology,
        system: openmm.System,
        atoms: Iterable[int] | None,
        forceGroup: int,
        **args: Any,
    ) -> None:
        """Add a `PythonForce` on these atoms (None: on all atoms) to the system; called by OpenMM-ML.

        Values are converted between OpenMM's units and eV and A. The force is periodic if the topology has box vectors.
        """
        super().addForces(topology, system, atoms, forceGroup, **{"calculator": self.calculator, **args})

    def getMLLongRange(self) -> bool:
        """Return False: interactions do not reach beyond the cutoff."""
        return False


class PotentialFactory(MLPotentialImplFactory):
    """Factory by which OpenMM-ML creates potentials of this package."""

    def createImpl(self, name: str, **args: Any) -> PotentialImpl:
        """Load `modelPath`; further arguments are those of `PotentialCalculator`. Called by OpenMM-ML.

        Raises:
            SimulationError: `modelPath` is not given.
        """
        options = dict(args)
        path = options.pop("modelPath", None)
        if path is None:
            raise SimulationError(
                f'MLPotential("{name}") needs the model file: MLPotential("{name}", modelPath="best.potential")'
            )
        return PotentialImpl(name, path, **options)
