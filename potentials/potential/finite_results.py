"""Check that predictions are finite, and find the atoms responsible if not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from potentials.errors import SimulationError
from potentials.potential.edges import Graph, edge_vectors, frame_of_node
from potentials.potential.prediction import Prediction

_TOO_CLOSE = 0.3
"""A; shorter than any bond, so such a pair is the likely reason."""


def check_finite(prediction: Prediction, graph: Graph, name: Callable[[int], str]) -> None:
    """Check that energies, forces and virials are finite.

    Args:
        prediction: prediction for the graph.
        graph: one or more structures.
        name: function that returns the name of a structure by its index in the graph.

    Raises:
        SimulationError: a value is NaN or infinite; the message names the structure and the atoms.
    """
    results = (prediction.energy, prediction.node_energies, prediction.forces, prediction.virial)
    if all(bool(torch.isfinite(values).all()) for values in results if values is not None):
        return
    frames = frame_of_node(graph)
    wrong = ~torch.isfinite(prediction.energy)
    for values in (prediction.node_energies, prediction.forces):
        if values is not None:
            wrong[frames[~torch.isfinite(values.reshape(len(frames), -1)).all(dim=1)]] = True
    if prediction.virial is not None:
        wrong |= ~torch.isfinite(prediction.virial).all(dim=2).all(dim=1)
    number = int(torch.nonzero(wrong)[0])
    raise SimulationError(f"{name(number)}: {_reason(prediction, graph, frames, number)}")


def _reason(prediction: Prediction, graph: Graph, frames: Tensor, number: int) -> str:
    first_atom = int(torch.nonzero(frames == number)[0])
    senders, receivers = graph.edge_index
    inside = torch.nonzero(frames[senders] == number).flatten()
    what = "energy or forces are not finite"
    if len(inside):
        distances = torch.linalg.vector_norm(edge_vectors(graph)[inside], dim=1)
        nearest = int(distances.argmin())
        edge, distance = inside[nearest], float(distances[nearest])
        pair = sorted((int(senders[edge]) - first_atom, int(receivers[edge]) - first_atom))
        if distance < _TOO_CLOSE:
            return f"{what}: atoms {pair[0]} and {pair[1]} (counted from 0) are {distance:.3g} A apart; move them apart"
    atoms = torch.nonzero((frames == number) & ~torch.isfinite(prediction.node_energies)).flatten() - first_atom
    where = f" at atoms {', '.join(str(int(atom)) for atom in atoms[:5])} (counted from 0)" if len(atoms) else ""
    return f"{what}{where}; the structure is probably far from the training data. Start from another structure"
