"""Model families and their common building blocks.

A family maps (edge vectors, species, topology) to node energies, independent of positions, cells, units or labels. It
is a package: `config.py` contains its configuration, `network.py` its modules with the equations of the paper,
`anatomy.py` the description used for visualization, and `__init__.py` registers it. A small family can be a single
file. All packages and files of this folder are imported here, so a family is added by adding a folder or a file.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
