"""The potential: a model of node energies plus the physics around it, and everything that makes it usable.

`Potential` predicts energies, forces and stress of graphs. It is saved to a model file and loaded from one, compiled
for molecular dynamics, and handed to other programs as an ASE calculator; all of that is in this room, so that a
potential has these methods wherever it is imported from.
"""

from potentials.potential.calculator import PotentialCalculator
from potentials.potential.compilation import Compilation, compile_for_md
from potentials.potential.edges import Graph, edge_topology, edge_vectors, frame_of_node
from potentials.potential.model_file import load, save
from potentials.potential.potential import MODEL_DTYPE, Potential
from potentials.potential.prediction import Prediction

__all__ = [
    "MODEL_DTYPE",
    "Compilation",
    "Graph",
    "Potential",
    "PotentialCalculator",
    "Prediction",
    "compile_for_md",
    "edge_topology",
    "edge_vectors",
    "frame_of_node",
    "load",
    "save",
]
