"""The potential: a model of node energies and the physics around it.

`Potential` predicts energies, forces and stress of graphs. It can be saved to a model file, loaded, compiled for
molecular dynamics, and used as an ASE calculator. All of this is in one package, so that a potential always has these
methods.
"""

from potentials.potential.calculator import PotentialCalculator
from potentials.potential.compilation import Compilation, compile_for_md
from potentials.potential.edges import Graph, edge_topology, edge_vectors, frame_of_node
from potentials.potential.heads import Head, MultiHeadPotential
from potentials.potential.model_file import load, save
from potentials.potential.potential import MODEL_DTYPE, Potential
from potentials.potential.prediction import Prediction

__all__ = [
    "MODEL_DTYPE",
    "Compilation",
    "Graph",
    "Head",
    "MultiHeadPotential",
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
