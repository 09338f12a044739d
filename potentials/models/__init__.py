"""Model families, one file each with its configuration beside it, and the blocks they share.

A family maps (edge vectors, species, topology) to node energies and knows nothing of positions, cells, units or labels.
Every module of this folder that registers a family is found here: adding a family is adding a file.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
