"""Conversion of models trained by other programs: MACE (mace-torch) and NequIP.

The functions take hyperparameters and a state dict of plain tensors, never a pickled module. Export these from the
files of the other program in an environment where it is installed.
"""

from potentials.interop.mace_torch import potential_from_mace
from potentials.interop.nequip import potential_from_nequip

__all__ = ["potential_from_mace", "potential_from_nequip"]
