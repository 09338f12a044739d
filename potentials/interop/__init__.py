"""Conversion of models trained by other programs: MACE (mace-torch), NequIP, Allegro and SevenNet.

`import_model` reads a model file. `potential_from_mace`, `potential_from_nequip` and `potential_from_allegro` take
hyperparameters and a state dict of plain tensors. Nothing in a file is executed, and the other program is not needed.
"""

from potentials.interop import starting  # noqa: F401  (registers the reader of starting potentials)
from potentials.interop.allegro import potential_from_allegro
from potentials.interop.importing import import_model
from potentials.interop.mace_torch import potential_from_mace
from potentials.interop.nequip import potential_from_nequip

__all__ = ["import_model", "potential_from_allegro", "potential_from_mace", "potential_from_nequip"]
