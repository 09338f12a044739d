"""Model families, and the blocks they share.

A family maps (edge vectors, species, topology) to node energies and knows nothing of positions, cells, units or labels.
It is a package: `config.py` holds its configuration, `network.py` its modules with the equations of the paper,
`anatomy.py` what pictures show of it, and `__init__.py` registers it. A small family fits into one file. Every package
and file of this folder is imported here, so adding a family is adding a folder or a file.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
