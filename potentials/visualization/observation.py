"""Evaluation of a potential on a structure with a recording of its network."""

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
    """Results of one evaluation.

    Args:
        graph: graph of the structure.
        topology: topology of the edges.
        recording: inputs and outputs of the network's modules.
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
        """Energy of the structure, eV."""
        return float(self.prediction.energy[0])

    def features(self, place: NodeFeatures) -> NDArray[np.float64]:
        """Return the node features [N, components, C] at a layer of the network."""
        with torch.no_grad():
            return place.read(self.recording).detach().numpy().astype(np.float64)

    def messages(self, place: MessageRound) -> NDArray[np.float64]:
        """Return the messages [E, components, C] of a message-passing layer."""
        with torch.no_grad():
            return place.messages(self.recording, self.topology).detach().numpy().astype(np.float64)

    @property
    def edge_vectors(self) -> NDArray[np.float64]:
        """[E, 3] A, from sender to receiver."""
        return edge_vectors(self.graph).numpy()


def observe(potential: Potential, atoms: Atoms) -> Observation:
    """Evaluate a potential on the CPU for a structure, and record its network.

    Raises:
        UnknownElementError, DataError: as `build_graph`.
    """
    graph = build_graph(atoms, potential.elements, potential.cutoff)
    with recorded(potential.model) as recording:
        prediction = potential(graph)
    return Observation(graph, edge_topology(graph), recording, prediction)


def anatomy_of(potential: Potential) -> Anatomy:
    """Return the description of the layers of a potential's network.

    Raises:
        PotentialsError: the model family does not describe its layers.
    """
    anatomy = anatomy_of_network(potential.model)
    if anatomy is None:
        raise PotentialsError(
            f"the family {potential.config.name} does not provide its features and messages; a function "
            "registered with `anatomy_of_network` must describe its network (see potentials/models/anatomy.py)"
        )
    return anatomy
