"""The potential: a model of node energies plus the physics around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from potentials.config.families import FamilyConfig
from potentials.config.train import Precision
from potentials.data.graph import AtomicGraph
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology
from potentials.kernels.memory import Workspace, use_workspace
from potentials.models.zbl import ZBLRepulsion

MODEL_DTYPE = {"float32": torch.float32, "float64": torch.float64, "mixed": torch.float32}
GEOMETRY_DTYPE = {"float32": torch.float32, "float64": torch.float64, "mixed": torch.float64}


@dataclass(frozen=True)
class Prediction:
    """What a potential says of B frames with N atoms in all; `None` for what was not asked."""

    energy: Tensor
    """[B] eV, float64, isolated-atom energies included."""
    node_energies: Tensor
    """[N] eV, float64; they add up to the energy."""
    forces: Tensor | None = None
    """[N, 3] eV/A."""
    stress: Tensor | None = None
    """[B, 3, 3] eV/A^3, dE/dstrain / volume; NaN for frames that are not periodic in all three directions."""
    node_virials: Tensor | None = None
    """[N, 3, 3] eV; they add up to dE/dstrain."""


@dataclass(frozen=True)
class Compilation:
    """What was done to a potential that was compiled for molecular dynamics."""

    knots: int | None
    """Of the splines that stand for the radial networks; None where those are evaluated."""
    force_error: float
    """Largest difference of a force component that the splines made on the test clusters, eV/A."""
    note: str
    """The same in words."""


class Potential(nn.Module):
    """Energy, forces and stress of atomic structures.

    E = sum_i (scale_z e_i + shift_z + E0_z + ZBL_i), where the family gives e_i from the edge vectors r_e. One
    derivative g_e = dE/dr_e gives everything else: F_i = sum_{e from i} g_e - sum_{e to i} g_e and
    stress = sum_e r_e (x) g_e / |det cell|.

    Args:
        config: the family's configuration with `elements`, `average_neighbors`, `scale` and `shift` given.
        reference_energies: energy of each isolated atom, eV, by chemical symbol.
        precision: `float32`, `float64`, or `mixed`: the model in float32, geometry and sums in float64.
        metadata: free JSON about the training, kept in the model file.
    """

    scale: Tensor
    shift: Tensor
    reference_energies: Tensor

    def __init__(
        self,
        config: FamilyConfig,
        reference_energies: Mapping[str, float],
        precision: Precision = "float32",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        elements = _resolved_elements(config)
        missing = [symbol for symbol in elements if symbol not in reference_energies]
        if missing:
            raise PotentialsError(
                f"reference energies: expected one for each of {', '.join(elements)}; missing {', '.join(missing)}"
            )
        self.config = config
        self.elements = elements
        self.cutoff = config.cutoff
        self.precision = precision
        self.metadata = metadata or {}
        with _default_dtype(MODEL_DTYPE[precision]):
            self.model: nn.Module = config.build()
        zbl = config.zbl
        self.zbl = ZBLRepulsion(elements, zbl.envelope_power, zbl.prefactor) if zbl else None
        self.register_buffer("scale", _per_element(config.scale, elements), persistent=False)
        self.register_buffer("shift", _per_element(config.shift, elements), persistent=False)
        energies = torch.tensor([reference_energies[symbol] for symbol in elements], dtype=torch.float64)
        self.register_buffer("reference_energies", energies, persistent=False)
        self.compilation: Compilation | None = None
        """What `compile_for_md` did; None for a potential that can be trained and saved."""
        self.workspace: Workspace | None = None

    def forward(
        self,
        graph: AtomicGraph,
        *,
        forces: bool = True,
        stress: bool = False,
        node_virials: bool = False,
        create_graph: bool | None = None,
    ) -> Prediction:
        """Predict for one graph or a batch of them.

        Args:
            graph: an `AtomicGraph`, or a batch made by `collate`.
            forces: compute forces.
            stress: compute the stress of each frame.
            node_virials: compute each atom's share of the virial: half of r_e (x) g_e to both ends of an edge.
            create_graph: keep what is needed to differentiate the forces; when training by default.

        Raises:
            PotentialsError: a potential that was compiled for molecular dynamics is to be trained.
        """
        create_graph = self.training if create_graph is None else create_graph
        if create_graph and self.compilation is not None:
            raise PotentialsError("a potential that was compiled for molecular dynamics cannot be trained")
        derivatives = forces or stress or node_virials
        # Forces are derivatives: they are there whatever mode the caller is in.
        differentiable = derivatives or (create_graph and torch.is_grad_enabled())
        memory = use_workspace(self.workspace)
        with torch.inference_mode(False), torch.set_grad_enabled(differentiable), memory:
            topology = edge_topology(graph)
            vectors = edge_vectors(graph).to(GEOMETRY_DTYPE[self.precision])
            if derivatives:
                vectors = vectors.detach().requires_grad_()
            node_energies = self._node_energies(vectors, graph.species, topology)
            gradient = None
            if derivatives:
                (gradient,) = torch.autograd.grad(
                    node_energies.sum(), vectors, create_graph=create_graph, materialize_grads=True
                )
            if not create_graph:
                node_energies, vectors = node_energies.detach(), vectors.detach()
            return _prediction(graph, topology, node_energies, vectors, gradient, forces, stress, node_virials)

    def _node_energies(self, vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """[N] float64 eV, with scale, shift, reference energies and repulsion."""
        energies = self.model(vectors.to(MODEL_DTYPE[self.precision]), species, topology).to(torch.float64)
        energies = energies * self.scale[species] + (self.shift + self.reference_energies)[species]
        if self.zbl is not None:
            distances = torch.linalg.vector_norm(vectors, dim=1)
            energies = energies + self.zbl(distances, species, topology)
        return energies

    def decay_parameters(self) -> list[nn.Parameter]:
        """The parameters that weight decay acts on; the family names them."""
        return self.model.decay_parameters()  # type: ignore[operator]

    def num_parameters(self) -> int:
        """Number of trainable numbers."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


def edge_topology(graph: AtomicGraph) -> EdgeTopology:
    """Which atom sends to which, as the kernels want it."""
    return EdgeTopology.from_degrees(
        graph.edge_index,
        graph.receiver_degree,
        graph.sender_order,
        graph.sender_degree,
        graph.edge_pair,
        graph.pair_edges,
    )


def edge_vectors(graph: AtomicGraph) -> Tensor:
    """r_e = x_receiver - x_sender + shift . cell, [E, 3] A, float64."""
    senders, receivers = graph.edge_index
    vectors = graph.positions[receivers] - graph.positions[senders]
    cells = graph.cell[_frame_of_node(graph)[senders]]
    return vectors + (graph.cell_shifts.unsqueeze(1) @ cells).squeeze(1)


def _frame_of_node(graph: AtomicGraph) -> Tensor:
    batch = getattr(graph, "batch", None)
    return torch.zeros_like(graph.species) if batch is None else batch


def _prediction(
    graph: AtomicGraph,
    topology: EdgeTopology,
    node_energies: Tensor,
    vectors: Tensor,
    gradient: Tensor | None,
    forces: bool,
    stress: bool,
    node_virials: bool,
) -> Prediction:
    frame = _frame_of_node(graph)
    num_frames = graph.cell.shape[0]
    energy = node_energies.new_zeros(num_frames).index_add(0, frame, node_energies)
    if gradient is None:
        return Prediction(energy, node_energies)
    pair_virials = vectors.unsqueeze(2) * gradient.unsqueeze(1) if stress or node_virials else None
    return Prediction(
        energy,
        node_energies,
        _forces(gradient, topology) if forces else None,
        _stress(graph, frame[topology.receivers], pair_virials) if stress and pair_virials is not None else None,
        _node_virials(pair_virials, topology) if node_virials and pair_virials is not None else None,
    )


def _forces(gradient: Tensor, topology: EdgeTopology) -> Tensor:
    zeros = gradient.new_zeros(topology.num_nodes, 3)
    return zeros.index_add(0, topology.senders, gradient).index_add(0, topology.receivers, -gradient)


def _stress(graph: AtomicGraph, frame_of_edge: Tensor, pair_virials: Tensor) -> Tensor:
    virial = pair_virials.new_zeros(graph.cell.shape[0], 3, 3).index_add(0, frame_of_edge, pair_virials)
    virial = 0.5 * (virial + virial.transpose(1, 2))
    periodic = graph.pbc.all(dim=1)
    # The placeholder volume keeps derivatives of the frames without a stress finite.
    volume = torch.where(periodic, torch.linalg.det(graph.cell).abs(), torch.ones_like(graph.cell[:, 0, 0]))
    stress = virial / volume.to(virial.dtype)[:, None, None]
    return torch.where(periodic[:, None, None], stress, torch.full_like(stress, torch.nan))


def _node_virials(pair_virials: Tensor, topology: EdgeTopology) -> Tensor:
    half = 0.5 * pair_virials
    zeros = half.new_zeros(topology.num_nodes, 3, 3)
    return zeros.index_add(0, topology.senders, half).index_add(0, topology.receivers, half)


def _resolved_elements(config: FamilyConfig) -> list[str]:
    unresolved = [
        name for name in ("elements", "average_neighbors", "scale", "shift") if getattr(config, name) == "auto"
    ]
    if unresolved:
        raise PotentialsError(
            f"model.{unresolved[0]}: expected a value, got auto; a potential is made from a resolved configuration "
            "(the data decides what auto stands for)"
        )
    return list(config.elements)


def _per_element(value: Any, elements: list[str]) -> Tensor:
    if isinstance(value, dict):
        missing = [symbol for symbol in elements if symbol not in value]
        if missing:
            raise PotentialsError(f"scale and shift: expected a value for each element; missing {', '.join(missing)}")
        return torch.tensor([value[symbol] for symbol in elements], dtype=torch.float64)
    return torch.full((len(elements),), float(value), dtype=torch.float64)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make new floating tensors of this type for a while."""
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(previous)
