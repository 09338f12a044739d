"""Predictions of a potential: energies, and properties derived from g_e = dE/dr_e, their derivative to edge vectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from potentials.kernels import EdgeTopology
from potentials.potential.edges import Graph, frame_of_node


@dataclass(frozen=True)
class Prediction:
    """Prediction for B frames with N atoms in total; quantities that were not requested are None."""

    energy: Tensor
    """[B] eV, float64, including reference energies (E0)."""
    node_energies: Tensor
    """[N] eV, float64; their sum is the energy."""
    forces: Tensor | None = None
    """[N, 3] eV/A."""
    stress: Tensor | None = None
    """[B, 3, 3] eV/A^3, dE/dstrain / volume; NaN for frames that are not periodic in all three directions."""
    virial: Tensor | None = None
    """[B, 3, 3] eV, dE/dstrain of any frame; computed together with the stress."""
    node_virials: Tensor | None = None
    """[N, 3, 3] eV; their sum is dE/dstrain."""


def assemble_prediction(
    graph: Graph,
    topology: EdgeTopology,
    node_energies: Tensor,
    vectors: Tensor,
    gradient: Tensor | None,
    forces: bool,
    stress: bool,
    node_virials: bool,
) -> Prediction:
    """Compute energies, forces and stress from node energies and their derivative with respect to edge vectors.

    F_i = sum_{e from i} g_e - sum_{e to i} g_e. The virial of a frame is the symmetrized sum_e r_e (x) g_e, and the
    stress is the virial divided by |det cell|. A node virial is half of r_e (x) g_e for each end of an edge.

    Args:
        graph: one frame or a batch of B frames, with N atoms and E edges in total.
        topology: edges of the graph.
        node_energies: [N] eV.
        vectors: r_e, [E, 3] A.
        gradient: g_e = dE/dr_e, [E, 3] eV/A; None if only energies are requested.
        forces: compute forces.
        stress: compute the virial and the stress of each frame.
        node_virials: compute the contribution of each atom to the virial.
    """
    frame = frame_of_node(graph)
    num_frames = graph.cell.shape[0]
    energy = node_energies.new_zeros(num_frames).index_add(0, frame, node_energies)
    if gradient is None:
        return Prediction(energy, node_energies)
    virial = _virial(vectors, gradient, frame, topology, num_frames) if stress else None
    return Prediction(
        energy,
        node_energies,
        _forces(gradient, topology) if forces else None,
        None if virial is None else _stress(graph, virial),
        virial,
        _node_virials(vectors, gradient, topology) if node_virials else None,
    )


def _forces(gradient: Tensor, topology: EdgeTopology) -> Tensor:
    zeros = gradient.new_zeros(topology.num_nodes, 3)
    return zeros.index_add(0, topology.senders, gradient).index_add(0, topology.receivers, -gradient)


def _virial(vectors: Tensor, gradient: Tensor, frame: Tensor, topology: EdgeTopology, num_frames: int) -> Tensor:
    """Compute the symmetrized sum_e r_e (x) g_e of each frame, [F, 3, 3] eV."""
    shares = _pair_virials(vectors, gradient)
    if num_frames == 1:
        # Not a matrix product, whose rounding may depend on the number of threads, and which a GPU may compute in TF32.
        virial = shares.sum(0, keepdim=True)
    else:
        virial = gradient.new_zeros(num_frames, 3, 3).index_add(0, frame[topology.receivers], shares)
    return 0.5 * (virial + virial.transpose(1, 2))


def _stress(graph: Graph, virial: Tensor) -> Tensor:
    periodic = graph.pbc.all(dim=1)
    first, second, third = graph.cell.unbind(1)
    volume = (first * torch.linalg.cross(second, third)).sum(1).abs()
    # The placeholder volume keeps derivatives finite for frames without stress.
    volume = torch.where(periodic, volume, torch.ones_like(volume))
    stress = virial / volume.to(virial.dtype)[:, None, None]
    return torch.where(periodic[:, None, None], stress, torch.full_like(stress, torch.nan))


def _node_virials(vectors: Tensor, gradient: Tensor, topology: EdgeTopology) -> Tensor:
    half = 0.5 * _pair_virials(vectors, gradient)
    zeros = half.new_zeros(topology.num_nodes, 3, 3)
    return zeros.index_add(0, topology.senders, half).index_add(0, topology.receivers, half)


def _pair_virials(vectors: Tensor, gradient: Tensor) -> Tensor:
    """Compute r_e (x) g_e of each edge, [E, 3, 3] eV."""
    return vectors.unsqueeze(2) * gradient.unsqueeze(1)
