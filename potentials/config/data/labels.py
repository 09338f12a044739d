"""Labels of frames: keys, units, and the signs and orders of stresses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from potentials.config.base import FiniteNumber, StrictConfig
from potentials.config.elements import ElementSymbol
from potentials.config.messages.descriptions import Description
from potentials.units import EnergyUnit, ForceUnit, StressUnit

SignConvention = Literal["tension-positive", "compression-positive"]
SixOrder = Literal["xx yy zz yz xz xy", "xx yy zz xy yz xz", "xx yy zz xy xz yz"]
KeyName = Annotated[str, Description("the name of a key of the frames", "keys of the frames")]
ReferenceSource = Literal["auto", "isolated-atoms", "least-squares", "zero"]
ReferenceEnergies = ReferenceSource | dict[ElementSymbol, FiniteNumber]


def _key_alone(value: Any) -> Any:
    """Expand `energy: REF_energy` to `energy: {key: REF_energy}`."""
    return {"key": value} if isinstance(value, str) else value


class EnergyLabel(StrictConfig):
    """Total energy of a frame."""

    key: str = "energy"
    """Entry of the frame (calculator result or `atoms.info`) that holds the energy."""
    unit: EnergyUnit = "eV"
    """Unit of the energies in the files."""


class ForcesLabel(StrictConfig):
    """Forces on the atoms, minus the gradient of the energy."""

    key: str = "forces"
    """Entry of the frame (calculator result or `atoms.arrays`) that holds the forces."""
    unit: ForceUnit = "eV/A"
    """Unit of the forces in the files."""


class StressLabel(StrictConfig):
    """Stress of a periodic frame, as a 3x3 matrix, nine numbers or six."""

    key: str = "stress"
    """Entry of the frame (calculator result or `atoms.info`) that holds the stress."""
    unit: StressUnit = "eV/A^3"
    """Unit of the stresses in the files."""
    sign: SignConvention = "tension-positive"
    """`tension-positive` is ASE's (dE/dstrain / volume); VASP prints `compression-positive`."""
    order: SixOrder = "xx yy zz yz xz xy"
    """Order of the components if six are given.
    ASE's is `xx yy zz yz xz xy`, VASP prints `xx yy zz xy yz xz`."""


class VirialLabel(StrictConfig):
    """Virial of a periodic frame: the stress times the volume, in energy units."""

    key: str = "virial"
    """Entry of the frame (`atoms.info`) that holds the virial."""
    unit: EnergyUnit = "eV"
    """Unit of the virials in the files."""
    sign: SignConvention
    """`compression-positive` is -dE/dstrain (GAP, MACE); `tension-positive` is dE/dstrain. Must be given."""
    order: SixOrder = "xx yy zz yz xz xy"
    """Order of the components if six are given."""


EnergySetting = Annotated[EnergyLabel | None, BeforeValidator(_key_alone, KeyName | EnergyLabel | None)]
ForcesSetting = Annotated[ForcesLabel | None, BeforeValidator(_key_alone, KeyName | ForcesLabel | None)]
StressSetting = Annotated[StressLabel | None, BeforeValidator(_key_alone, KeyName | StressLabel | None)]
VirialSetting = Annotated[VirialLabel | None, BeforeValidator(_key_alone, VirialLabel | None)]
