"""A driver for i-PI, which loads it by the path of this file (mode `custom`).

To print the path: `python -c "from potentials.engines import ipi_driver; print(ipi_driver.__file__)"`.
"""

from __future__ import annotations

from typing import Any

from ipi.pes._ase import ASEDriver

from potentials.potential import PotentialCalculator

__DRIVER_NAME__ = "potentials"
__DRIVER_CLASS__ = "PotentialDriver"


class PotentialDriver(ASEDriver):
    """Driver that computes energy, forces and virial for i-PI, in its atomic units.

    i-PI sends positions and a cell at each step; elements and periodic directions are those of the template, so a
    molecule needs a template without periodic directions.

    Args:
        template: file with a structure with the elements in i-PI's order, in any format of ASE.
        model: model file, or `builtin:ethanol`.
        device: "cpu", "cuda" or "auto".
        skin: skin of the neighbor list, A; see `PotentialCalculator`.
        head: head of the model, if it has several.
        options: options of i-PI's `ASEDriver`.

    Raises:
        SimulationError: the device is not available.
        ModelFileError: the model file cannot be read.
    """

    def __init__(
        self,
        template: str,
        model: str,
        device: str = "cpu",
        skin: float = 0.5,
        head: str | None = None,
        *args: Any,
        **options: Any,
    ) -> None:
        self.model, self.device, self.skin, self.head = model, device, skin, head
        super().__init__(template, *args, **options)

    def check_parameters(self) -> None:
        """Read the template and load the model; called by i-PI."""
        super().check_parameters()
        self.ase_calculator = PotentialCalculator(self.model, device=self.device, skin=self.skin, head=self.head)
