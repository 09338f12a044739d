"""One pass of a potential over a structure, with everything its network did on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from potentials.data.graph import AtomicGraph, build_graph
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology
from potentials.models.anatomy import Anatomy, MessageRound, NodeFeatures, Recording, anatomy_of_network, recorded
from potentials.potential import Potential, Prediction, edge_topology, edge_vectors


@dataclass(frozen=True, eq=False)
class Observation:
    """What was seen.

    Args:
        graph: of the structure.
        topology: of its edges.
        recording: what the network's modules were given and gave back.
        prediction: energies and forces.
    """

    graph: AtomicGraph
    topology: EdgeTopology
    recording: Recording
    prediction: Prediction

    @property
    def forces(self) -> NDArray[np.float64]:
        """[N, 3] eV/A."""
        if self.prediction.forces is None:
            raise PotentialsError("the observation was made without forces")
        return self.prediction.forces.detach().numpy().astype(np.float64)

    @property
    def node_energies(self) -> NDArray[np.float64]:
        """[N] eV, isolated-atom energies included."""
        return self.prediction.node_energies.detach().numpy()

    @property
    def energy(self) -> float:
        """Of the structure, eV."""
        return float(self.prediction.energy[0])

    def features(self, place: NodeFeatures) -> NDArray[np.float64]:
        """[N, components, C] at a place of the network."""
        with torch.no_grad():
            return place.read(self.recording).detach().numpy().astype(np.float64)

    def messages(self, place: MessageRound) -> NDArray[np.float64]:
        """[E, components, C] of a round of messages."""
        with torch.no_grad():
            return place.messages(self.recording, self.topology).detach().numpy().astype(np.float64)

    @property
    def edge_vectors(self) -> NDArray[np.float64]:
        """[E, 3] A, from sender to receiver."""
        return edge_vectors(self.graph).numpy()


def observe(potential: Potential, atoms: Atoms) -> Observation:
    """Let a potential on the CPU predict a structure, and record what its network does.

    Raises:
        UnknownElementError, DataError: as `build_graph`.
    """
    graph = build_graph(atoms, potential.elements, potential.cutoff)
    with recorded(potential.model) as recording:
        prediction = potential(graph)
    return Observation(graph, edge_topology(graph), recording, prediction)


def anatomy_of(potential: Potential) -> Anatomy:
    """The parts of a potential's network.

    Raises:
        PotentialsError: its family does not say what they are.
    """
    anatomy = anatomy_of_network(potential.model)
    if anatomy is None:
        raise PotentialsError(
            f"the family {potential.config.name} does not provide its features and messages; a function "
            "registered with `anatomy_of_network` must describe its network (see potentials/models/anatomy.py)"
        )
    return anatomy
