"""The potential: a model of node energies and the physics around it."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, SupportsIndex, cast

import torch
from torch import Tensor, nn

from potentials.config.families import FamilyConfig
from potentials.config.train import Precision
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology
from potentials.kernels.memory import Workspace, use_workspace
from potentials.models.readouts import ReadoutNetwork
from potentials.models.zbl import ZBLRepulsion
from potentials.potential.edges import Graph, edge_topology, edge_vectors
from potentials.potential.prediction import Prediction, assemble_prediction
from potentials.torch_state import plain_torch_state

if TYPE_CHECKING:
    from potentials.potential.calculator import PotentialCalculator
    from potentials.potential.compilation import Compilation

MODEL_DTYPE = {"float32": torch.float32, "float64": torch.float64, "mixed": torch.float32}
GEOMETRY_DTYPE = {"float32": torch.float32, "float64": torch.float64, "mixed": torch.float64}


class Potential(nn.Module):
    """Energy, forces and stress of atomic structures.

    E = sum_i (scale_z e_i + shift_z + E0_z + ZBL_i), where the family computes e_i from the edge vectors r_e. All other
    properties follow from the derivative g_e = dE/dr_e: F_i = sum_{e from i} g_e - sum_{e to i} g_e and
    stress = sum_e r_e (x) g_e / |det cell|.

    PyTorch's conversions work: `potential.double()` is `with_precision("float64")` in place. Half precision is not
    supported. Pickling a potential stores the contents of its model file.

    Args:
        config: configuration of the family with values for `elements`, `average_neighbors`, `scale` and `shift`.
        reference_energies: energies of the isolated atoms (E0) by chemical symbol, eV.
        precision: `float32`, `float64`, or `mixed`: the model in float32, geometry and sums in float64.
        metadata: any JSON about the training, stored in the model file.

    Raises:
        PotentialsError: a reference energy is missing, or the configuration contains `auto`.
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
        """The model file from which the potential was loaded, or `builtin:NAME`."""
        with torch.inference_mode(False):
            self.model: nn.Module = self._new_network()
        zbl = config.zbl
        self.zbl = None
        if zbl is not None:
            range_of_zbl = config.cutoff if zbl.range == "cutoff" else None
            self.zbl = ZBLRepulsion(elements, zbl.envelope_power, zbl.prefactor, range_of_zbl)
        self.register_buffer("scale", per_element(cast(Any, config.scale), elements), persistent=False)
        self.register_buffer("shift", per_element(cast(Any, config.shift), elements), persistent=False)
        self.register_buffer("reference_energies", per_element(reference_energies, elements), persistent=False)
        self.compilation: Compilation | None = None
        """Description of the compilation by `compile_for_md`; None for a potential that can be trained and saved."""
        self.workspace: Workspace | None = None
        self.compiled_form: tuple[str, Potential] | None = None
        """Result of `compile_for_md` for this potential, and the weights and device it is valid for."""

    def _new_network(self) -> nn.Module:
        """Build the network with new random weights, in the precision of the potential."""
        with _default_dtype(MODEL_DTYPE[self.precision]):
            network: nn.Module = self.config.build()
            return network

    @property
    def network(self) -> ReadoutNetwork:
        """The network of a family with readouts.

        Raises:
            PotentialsError: the family has no readouts.
        """
        if not isinstance(self.model, ReadoutNetwork):
            raise PotentialsError(f"{self.config.name} has no readouts")
        return self.model

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads (levels of theory); empty if there is only one."""
        return ()

    def select_head(self, name: str | None) -> Potential:
        """Return the potential of one head; without a name, the potential itself if it has only one head.

        Raises:
            PotentialsError: there is no head of this name; or there are several, and no name is given.
        """
        if name is not None:
            raise PotentialsError(f"there is one head only, without a name; remove the option `head` (given: {name})")
        return self

    def forward(
        self,
        graph: Graph,
        *,
        forces: bool = True,
        stress: bool = False,
        node_virials: bool = False,
        create_graph: bool | None = None,
    ) -> Prediction:
        """Predict energies, forces and stress of one graph or a batch of graphs.

        Args:
            graph: an `AtomicGraph`, a batch from `collate`, or a `GraphGeometry`.
            forces: compute forces.
            stress: compute the virial and the stress of each frame.
            node_virials: compute the contribution of each atom to the virial: half of r_e (x) g_e for each end of an
                edge.
            create_graph: make forces and stress differentiable; the default is true in training mode.

        Returns:
            The `Prediction`; quantities that were not requested are None.

        Raises:
            PotentialsError: a potential compiled for molecular dynamics is in training mode, or the weights of the
                model were converted to another precision than that of the potential.
        """
        create_graph = self.training if create_graph is None else create_graph
        if create_graph and self.compilation is not None:
            raise PotentialsError("a potential compiled for molecular dynamics cannot be trained")
        derivatives = forces or stress or node_virials
        self._check_dtype()
        # Forces are derivatives, so they are computed even if the caller has disabled gradients.
        differentiable = derivatives or (create_graph and torch.is_grad_enabled())
        memory = use_workspace(self.workspace)
        with plain_torch_state(), torch.set_grad_enabled(differentiable), memory:
            if graph.positions.is_inference():
                graph = graph.clone()
            topology = edge_topology(graph)
            vectors = edge_vectors(graph).to(GEOMETRY_DTYPE[self.precision])
            if derivatives:
                vectors = vectors.detach().requires_grad_()
            node_energies = self._node_energies(vectors, graph, topology)
            gradient = None
            if derivatives:
                (gradient,) = torch.autograd.grad(
                    node_energies.sum(), vectors, create_graph=create_graph, materialize_grads=True
                )
            if not create_graph:
                node_energies, vectors = node_energies.detach(), vectors.detach()
            return assemble_prediction(graph, topology, node_energies, vectors, gradient, forces, stress, node_virials)

    def _node_energies(self, vectors: Tensor, graph: Graph, topology: EdgeTopology) -> Tensor:
        """Compute node energies with scale, shift, reference energies and repulsion, [N] float64, eV."""
        species = graph.species
        energies = self.model(vectors.to(MODEL_DTYPE[self.precision]), species, topology).to(torch.float64)
        energies = energies * self.scale[species] + (self.shift + self.reference_energies)[species]
        return self._with_repulsion(energies, vectors, species, topology)

    def _with_repulsion(self, energies: Tensor, vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Add the ZBL energies of the atoms, if there are any."""
        if self.zbl is None:
            return energies
        return energies + self.zbl(torch.linalg.vector_norm(vectors, dim=1), species, topology)

    def _check_dtype(self) -> None:
        parameter = next(self.model.parameters(), None)
        expected = MODEL_DTYPE[self.precision]
        if parameter is not None and parameter.dtype != expected:
            raise PotentialsError(
                f"the weights of this {self.precision} potential are {parameter.dtype}, expected {expected}; convert "
                "the potential, not its model, by potential.double() or potential.float()"
            )

    def with_precision(self, precision: Precision) -> Potential:
        """Convert to another precision; return the potential itself if it already has this precision, otherwise a copy.

        Only weights are converted; constants such as coupling coefficients are computed again in the new precision.

        Raises:
            PotentialsError: the potential is compiled for molecular dynamics.
        """
        if precision == self.precision:
            return self
        self._refuse_compiled("converted to another precision")
        with plain_torch_state():
            converted = self.with_new_weights(precision)
            converted.model.load_state_dict(self.model.state_dict())
            converted.source = self.source
            for parameter, original in zip(converted.parameters(), self.parameters(), strict=True):
                parameter.requires_grad_(original.requires_grad)
            return converted.to(self.scale.device).train(self.training)

    def with_new_weights(self, precision: Precision | None = None) -> Potential:
        """Return a potential with the same settings and new random weights, on the CPU.

        The caller's random numbers are not affected.

        Args:
            precision: by default that of this potential.
        """
        energies = dict(zip(self.elements, self.reference_energies.tolist(), strict=True))
        with torch.random.fork_rng(devices=[]):
            return Potential(self.config, energies, precision or self.precision, self.metadata)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Potential:
        """Apply a conversion; called by `to`, `double`, `float`, `half`, `cuda`, ...

        A change of precision applies to the whole potential: energies are always added in float64, and constants of the
        model are computed again.
        """
        dtype = MODEL_DTYPE[self.precision]
        # The weights determine the precision: a conversion that does not change float64 weights keeps the precision.
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
        """Recompute the constants of the model, which are not in its state dict, in the current precision."""
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            fresh = self._new_network()
        kept = self.model.state_dict().keys()
        present = dict(self.model.named_buffers())
        for name, buffer in fresh.named_buffers():
            if name not in kept:
                present[name].data = buffer.to(present[name].device)

    def _refuse_compiled(self, what: str) -> None:
        if self.compilation is not None:
            raise PotentialsError(
                f"a potential compiled for molecular dynamics cannot be {what}; convert the original potential and "
                "compile it again"
            )

    def fingerprint(self) -> str:
        """Return a short hash of elements, cutoff, precision and all parameters, which identifies the potential."""
        digest = hashlib.sha256(repr((self.elements, self.cutoff, self.precision)).encode())
        for name, value in [*self.named_parameters(), *self.named_buffers()]:
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: str | PathLike[str]) -> None:
        """Write this potential to a model file, atomically: the file is either complete or not created.

        Raises:
            ModelFileError: the folder does not exist or is not writable, or the potential is compiled.
        """
        from potentials.potential.model_file import save

        save(self, path)

    def calculator(
        self,
        device: str | None = None,
        skin: float = 0.5,
        compiled: bool = True,
        precision: Precision | torch.dtype | None = None,
        head: str | None = None,
    ) -> PotentialCalculator:
        """Return an ASE calculator of this potential; the arguments are those of `PotentialCalculator`."""
        from potentials.potential.calculator import PotentialCalculator

        return PotentialCalculator(self, device, skin, compiled, precision, head)

    def compile_for_md(self) -> Potential:
        """Return a faster copy for molecular dynamics; see `potentials.potential.compile_for_md`."""
        from potentials.potential.compilation import compile_for_md

        return compile_for_md(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle the contents of the model file; tables of the kernels are created again on loading."""
        if self.compilation is not None:
            # Splines have no model file; their modules are pickled as ordinary modules.
            return super().__reduce_ex__(protocol)
        from potentials.potential.model_file import pickled

        return pickled(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Potential:
        """Return an independent copy, without serialization to a model file."""
        copied = self.__class__.__new__(self.__class__)
        memo[id(self)] = copied
        # The compiled form is created again when needed.
        copied.__setstate__(copy.deepcopy(self.__dict__ | {"compiled_form": None}, memo))
        return copied

    def __copy__(self) -> Potential:
        """Return another potential that shares the model."""
        copied = self.__class__.__new__(self.__class__)
        copied.__setstate__(self.__dict__.copy())
        return copied

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the parameters with weight decay, as defined by the family."""
        return self.model.decay_parameters()  # type: ignore[operator]

    def readout_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the readouts, as defined by the family."""
        return self.model.readout_parameters()  # type: ignore[operator]

    def num_parameters(self) -> int:
        """Return the number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


def _keeping_double(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Wrap a conversion so that it changes device or memory but not the precision of float64 tensors."""

    def kept(tensor: Tensor) -> Tensor:
        changed = fn(tensor)
        return changed if changed.dtype == tensor.dtype else tensor.to(changed.device)

    return kept


def _resolved_elements(config: FamilyConfig) -> list[str]:
    unresolved = [
        name for name in ("elements", "average_neighbors", "scale", "shift") if getattr(config, name) == "auto"
    ]
    if unresolved:
        raise PotentialsError(
            f"model.{unresolved[0]}: expected a value, got auto; a potential requires a resolved "
            "configuration (auto is resolved from the data)"
        )
    return list(config.elements)


def per_element(value: float | Mapping[str, float], elements: list[str]) -> Tensor:
    """Return a value of each element, [Z] float64, from one for all or a mapping.

    Raises:
        PotentialsError: the mapping lacks an element.
    """
    if isinstance(value, Mapping):
        missing = [symbol for symbol in elements if symbol not in value]
        if missing:
            raise PotentialsError(f"scale and shift: expected a value for each element; missing {', '.join(missing)}")
        return torch.tensor([value[symbol] for symbol in elements], dtype=torch.float64)
    return torch.full((len(elements),), float(value), dtype=torch.float64)


_DEFAULT_DTYPE_LOCK = threading.RLock()


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Set PyTorch's default dtype within the context; one thread at a time, because it applies to the whole process."""
    with _DEFAULT_DTYPE_LOCK:
        previous = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(previous)
