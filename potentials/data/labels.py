"""Energies, forces and stresses of frames, in eV, A and ASE's sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from potentials.data.frames import Frame


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame with what is known about it; what is not known is NaN."""

    frame: Frame
    energy: float
    """eV."""
    forces: NDArray[np.float64]
    """[N, 3], eV/A."""
    stress: NDArray[np.float64]
    """[3, 3], eV/A^3, dE/dstrain / volume (tension positive)."""
    weight: float = 1.0
    energy_weight: float = 1.0
    forces_weight: float = 1.0
    stress_weight: float = 1.0
    group: str = "default"
