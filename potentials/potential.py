"""The potential: a model of node energies plus the physics around it."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from potentials.config.families import FamilyConfig
from potentials.config.train import Precision
from potentials.data.geometry import GraphGeometry
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology
from potentials.kernels.memory import Workspace, use_workspace
from potentials.models.zbl import ZBLRepulsion
from potentials.torch_state import plain_torch_state

if TYPE_CHECKING:
    from potentials.data.graph import AtomicGraph

Graph: TypeAlias = "AtomicGraph | GraphGeometry"
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
    virial: Tensor | None = None
    """[B, 3, 3] eV, dE/dstrain of any frame; computed together with the stress."""
    node_virials: Tensor | None = None
    """[N, 3, 3] eV; they add up to dE/dstrain."""


@dataclass(frozen=True)
class Compilation:
    """What was done to a potential that was compiled for molecular dynamics."""

    knots: int | None
    """Of the splines that stand for the radial networks; None where those are evaluated."""
    radial_error: float
    """Largest relative difference between a spline and its function, or their derivatives, at any distance."""
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

    PyTorch's own conversions work: `potential.double()` is `with_precision("float64")` in place. Half precision is
    refused. Pickling a potential stores the contents of its model file.
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
        self.source: str | None = None
        """The model file that it was loaded from, or `builtin:NAME`."""
        with torch.inference_mode(False), _default_dtype(MODEL_DTYPE[precision]):
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
        self.compiled_form: tuple[str, Potential] | None = None
        """What `compile_for_md` made of this potential, and for which weights and device."""

    def forward(
        self,
        graph: Graph,
        *,
        forces: bool = True,
        stress: bool = False,
        node_virials: bool = False,
        create_graph: bool | None = None,
    ) -> Prediction:
        """Predict for one graph or a batch of them.

        Args:
            graph: an `AtomicGraph`, a batch made by `collate`, or a `GraphGeometry`.
            forces: compute forces.
            stress: compute the virial and the stress of each frame.
            node_virials: compute each atom's share of the virial: half of r_e (x) g_e to both ends of an edge.
            create_graph: keep what is needed to differentiate the forces; when training by default.

        Raises:
            PotentialsError: a potential that was compiled for molecular dynamics is to be trained, or the model's
                weights were converted to another precision than the potential's.
        """
        create_graph = self.training if create_graph is None else create_graph
        if create_graph and self.compilation is not None:
            raise PotentialsError("a potential that was compiled for molecular dynamics cannot be trained")
        derivatives = forces or stress or node_virials
        self._check_dtype()
        # Forces are derivatives: they are there whatever mode the caller is in.
        differentiable = derivatives or (create_graph and torch.is_grad_enabled())
        memory = use_workspace(self.workspace)
        with plain_torch_state(), torch.set_grad_enabled(differentiable), memory:
            if graph.positions.is_inference():
                graph = graph.clone()
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

    def _check_dtype(self) -> None:
        parameter = next(self.model.parameters(), None)
        expected = MODEL_DTYPE[self.precision]
        if parameter is not None and parameter.dtype != expected:
            raise PotentialsError(
                f"the weights of this {self.precision} potential are {parameter.dtype}, expected {expected}; convert "
                "the potential, not its model, by potential.double() or potential.float()"
            )

    def with_precision(self, precision: Precision) -> Potential:
        """The potential in another precision: itself where it is in that one already, else a copy.

        Constants such as coupling coefficients are made anew in the new precision; only weights are converted.

        Raises:
            PotentialsError: the potential was compiled for molecular dynamics.
        """
        if precision == self.precision:
            return self
        self._refuse_compiled("converted to another precision")
        energies = dict(zip(self.elements, self.reference_energies.tolist(), strict=True))
        with plain_torch_state():
            with torch.random.fork_rng(devices=[]):
                converted = Potential(self.config, energies, precision, self.metadata)
            converted.model.load_state_dict(self.model.state_dict())
            converted.source = self.source
            for parameter, original in zip(converted.parameters(), self.parameters(), strict=True):
                parameter.requires_grad_(original.requires_grad)
            return converted.to(self.scale.device).train(self.training)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Potential:
        """What `to`, `double`, `float`, `half`, `cuda`, ... call. A change of precision is one of the whole potential:
        energies are added in float64 whatever the weights are, and constants of the model are made anew."""
        dtype = MODEL_DTYPE[self.precision]
        # Weights decide: a conversion of parameters that leaves float64 alone does not change the precision.
        target = fn(torch.empty(0, dtype=dtype)).dtype
        with torch.inference_mode(False):
            if target == dtype:
                return super()._apply(_keeping_double(fn), recurse)
            self._refuse_compiled("converted to another precision")
            if target not in (torch.float32, torch.float64):
                raise PotentialsError(f"a potential computes in float32 or float64; it cannot be converted to {target}")
            super()._apply(_keeping_double(fn), recurse)
            self.model._apply(fn)
            self.precision = "float32" if target == torch.float32 else "float64"
            self._renew_constants()
        return self

    def _renew_constants(self) -> None:
        """Give the model's constants, which its state does not hold, the digits of the present precision."""
        with torch.random.fork_rng(devices=[]), torch.device("cpu"), _default_dtype(MODEL_DTYPE[self.precision]):
            fresh = self.config.build()
        kept = self.model.state_dict().keys()
        present = dict(self.model.named_buffers())
        for name, buffer in fresh.named_buffers():
            if name not in kept:
                present[name].data = buffer.to(present[name].device)

    def _refuse_compiled(self, what: str) -> None:
        if self.compilation is not None:
            raise PotentialsError(
                f"a potential that was compiled for molecular dynamics cannot be {what}; do that with the potential "
                "that it was made of, and compile again"
            )

    def fingerprint(self) -> str:
        """A short hash of elements, cutoff, precision and all numbers of the potential: which one this is."""
        digest = hashlib.sha256(repr((self.elements, self.cutoff, self.precision)).encode())
        for name, value in [*self.named_parameters(), *self.named_buffers()]:
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def __deepcopy__(self, memo: dict[int, Any]) -> Potential:
        """An independent copy, without going through the model file."""
        copied = self.__class__.__new__(self.__class__)
        memo[id(self)] = copied
        # The compiled form is made again when it is needed.
        copied.__setstate__(copy.deepcopy(self.__dict__ | {"compiled_form": None}, memo))
        return copied

    def __copy__(self) -> Potential:
        """Another potential with the same model."""
        copied = self.__class__.__new__(self.__class__)
        copied.__setstate__(self.__dict__.copy())
        return copied

    def decay_parameters(self) -> list[nn.Parameter]:
        """The parameters that weight decay acts on; the family names them."""
        return self.model.decay_parameters()  # type: ignore[operator]

    def num_parameters(self) -> int:
        """Number of trainable numbers."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


def _keeping_double(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same change of device or memory, without the change of precision."""

    def kept(tensor: Tensor) -> Tensor:
        changed = fn(tensor)
        return changed if changed.dtype == tensor.dtype else tensor.to(changed.device)

    return kept


def edge_topology(graph: Graph) -> EdgeTopology:
    """Which atom sends to which, as the kernels want it."""
    return EdgeTopology.from_degrees(
        graph.edge_index,
        graph.receiver_degree,
        graph.sender_order,
        graph.sender_degree,
        graph.edge_pair,
        graph.pair_edges,
    )


def edge_vectors(graph: Graph) -> Tensor:
    """r_e = x_receiver - x_sender + shift . cell, [E, 3] A, float64."""
    senders, receivers = graph.edge_index
    vectors = graph.positions.index_select(0, receivers) - graph.positions.index_select(0, senders)
    if len(graph.cell) == 1:
        return vectors + graph.cell_shifts @ graph.cell[0]
    cells = graph.cell[frame_of_node(graph)[senders]]
    return vectors + (graph.cell_shifts.unsqueeze(1) @ cells).squeeze(1)


def frame_of_node(graph: Graph) -> Tensor:
    """The number of the frame that each atom belongs to, [N] int64."""
    batch = getattr(graph, "batch", None)
    return torch.zeros_like(graph.species) if batch is None else batch


def _prediction(
    graph: Graph,
    topology: EdgeTopology,
    node_energies: Tensor,
    vectors: Tensor,
    gradient: Tensor | None,
    forces: bool,
    stress: bool,
    node_virials: bool,
) -> Prediction:
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
    """The symmetric part of sum_e r_e (x) g_e of each frame, [F, 3, 3] eV."""
    if num_frames == 1:
        virial = (vectors.transpose(0, 1) @ gradient).unsqueeze(0)
    else:
        zeros = gradient.new_zeros(num_frames, 3, 3)
        virial = zeros.index_add(0, frame[topology.receivers], _pair_virials(vectors, gradient))
    return 0.5 * (virial + virial.transpose(1, 2))


def _stress(graph: Graph, virial: Tensor) -> Tensor:
    periodic = graph.pbc.all(dim=1)
    first, second, third = graph.cell.unbind(1)
    volume = (first * torch.linalg.cross(second, third)).sum(1).abs()
    # The placeholder volume keeps derivatives of the frames without a stress finite.
    volume = torch.where(periodic, volume, torch.ones_like(volume))
    stress = virial / volume.to(virial.dtype)[:, None, None]
    return torch.where(periodic[:, None, None], stress, torch.full_like(stress, torch.nan))


def _node_virials(vectors: Tensor, gradient: Tensor, topology: EdgeTopology) -> Tensor:
    half = 0.5 * _pair_virials(vectors, gradient)
    zeros = half.new_zeros(topology.num_nodes, 3, 3)
    return zeros.index_add(0, topology.senders, half).index_add(0, topology.receivers, half)


def _pair_virials(vectors: Tensor, gradient: Tensor) -> Tensor:
    """r_e (x) g_e of each edge, [E, 3, 3] eV."""
    return vectors.unsqueeze(2) * gradient.unsqueeze(1)


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


_DEFAULT_DTYPE_LOCK = threading.RLock()


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make new floating tensors of this type for a while; one thread after the other, for the type is the process'."""
    with _DEFAULT_DTYPE_LOCK:
        previous = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(previous)
