"""Potentials with several heads: levels of theory that share a network and differ in readouts, scale, shift and E0."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NoReturn, cast

import torch
from torch import Tensor, nn

from potentials.config.families import FamilyConfig
from potentials.config.train import Precision
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology
from potentials.models.readouts import ReadoutNetwork
from potentials.potential.edges import Graph, frame_of_node
from potentials.potential.potential import MODEL_DTYPE, Potential, per_element


@dataclass(frozen=True)
class Head:
    """Settings of a head; its readouts are weights of the network."""

    name: str
    reference_energies: Mapping[str, float]
    """E0 in eV, by element."""
    scale: float | dict[str, float]
    """Scale of the node energies in eV, for all elements or by element."""
    shift: float | dict[str, float]
    """Shift of the node energies in eV."""

    def to_json(self) -> dict[str, Any]:
        """Return the entry of this head in a model file."""
        return asdict(self)


class MultiHeadPotential(Potential):
    """A potential with several heads, which share all weights but those of the readouts.

    E = sum_i (scale_{h,z} e_{h,i} + shift_{h,z} + E0_{h,z} + ZBL_i) for a frame of head h. A batch may contain
    frames of different heads (`graph.head`); `select_head` returns the potential of one head.

    Args:
        config: configuration of the family; scale and shift are those of the first head.
        heads: at least two, with different names.
        precision: as for `Potential`.
        metadata: as for `Potential`.

    Raises:
        PotentialsError: fewer than two heads, the same name twice, a reference energy is missing, or the family has no
            readouts.
    """

    def __init__(
        self,
        config: FamilyConfig,
        heads: Sequence[Head],
        precision: Precision = "float32",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        names = [head.name for head in heads]
        if len(names) < 2 or len(set(names)) < len(names):
            raise PotentialsError(f"expected at least two heads with different names, got {', '.join(names) or 'none'}")
        # The constructor of the base builds the network, which has readouts for each head.
        self.head_settings = tuple(heads)
        super().__init__(_of_head(config, heads[0]), heads[0].reference_energies, precision, metadata)
        self.register_buffer("scale", self._stacked("scale"), persistent=False)
        self.register_buffer("shift", self._stacked("shift"), persistent=False)
        self.register_buffer("reference_energies", self._stacked("reference_energies"), persistent=False)

    @classmethod
    def joined(cls, potentials: Mapping[str, Potential]) -> MultiHeadPotential:
        """Join potentials that differ in readouts, scale, shift and reference energies only.

        Args:
            potentials: the potential of each head, by name.

        Raises:
            PotentialsError: they differ in other weights or settings.
        """
        heads = [_head(name, potential) for name, potential in potentials.items()]
        first, *others = potentials.values()
        with torch.random.fork_rng(devices=[]):
            joined = cls(first.config, heads, first.precision, copy.deepcopy(first.metadata))
        of_heads = [potential.network for potential in potentials.values()]
        own = {id(parameter) for parameter in of_heads[0].readout_parameters()}
        shared = [name for name, parameter in of_heads[0].named_parameters() if id(parameter) not in own]
        for potential in others:
            same = _of_head(potential.config, heads[0]) == _of_head(first.config, heads[0])
            state, wanted = potential.model.state_dict(), first.model.state_dict()
            if not same or not all(torch.equal(state[name], wanted[name]) for name in shared):
                raise PotentialsError("heads share all weights but those of the readouts, and these potentials do not")
        joined.network.load_state_dict(of_heads[0].state_dict(), strict=False)
        with torch.no_grad():
            for readouts, network in zip(joined.network.readouts_of_heads(), of_heads, strict=True):
                values = network.first_readouts.parameters()
                for parameter, value in zip(readouts.parameters(), values, strict=True):
                    parameter.copy_(value)
        return joined

    def _stacked(self, name: str) -> Tensor:
        """Return a setting of all heads and elements, [H, Z] float64."""
        return torch.stack([per_element(getattr(head, name), self.elements) for head in self.head_settings])

    def _new_network(self) -> nn.Module:
        network = super()._new_network()
        if not isinstance(network, ReadoutNetwork):
            raise PotentialsError(f"{self.config.name} has no readouts, so it cannot have several heads")
        network.set_number_of_heads(len(self.head_settings))
        return network

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads."""
        return tuple(head.name for head in self.head_settings)

    def select_head(self, name: str | None) -> Potential:
        """Return the potential of one head, with copies of its weights.

        Raises:
            PotentialsError: no head of this name.
        """
        if name not in self.heads:
            self._refuse(None if name is None else f'there is no head "{name}"')
        index = self.heads.index(name)
        head = self.head_settings[index]
        metadata = {**self.metadata, "head": name}
        with torch.random.fork_rng(devices=[]):
            selected = Potential(_of_head(self.config, head), head.reference_energies, self.precision, metadata)
        state = self.network.state_dict()
        selected.model.load_state_dict({key: value for key, value in state.items() if not key.startswith(_OTHERS)})
        with torch.no_grad():
            readouts = selected.network.first_readouts.parameters()
            for parameter, chosen in zip(readouts, self.network.readouts_of_heads()[index].parameters(), strict=True):
                parameter.copy_(chosen)
        selected.source = self.source
        selected.requires_grad_(any(parameter.requires_grad for parameter in self.parameters()))
        return selected.to(self.scale.device).train(self.training)

    def with_new_weights(self, precision: Precision | None = None) -> Potential:
        """Return a potential with the same settings and new random weights, on the CPU."""
        with torch.random.fork_rng(devices=[]):
            return MultiHeadPotential(self.config, self.head_settings, precision or self.precision, self.metadata)

    def _node_energies(self, vectors: Tensor, graph: Graph, topology: EdgeTopology) -> Tensor:
        head = getattr(graph, "head", None)
        if head is None:
            self._refuse()
        species = graph.species
        of_node = head[frame_of_node(graph)]
        network = self.network
        of_heads = network.head_energies(vectors.to(MODEL_DTYPE[self.precision]), species, topology).to(torch.float64)
        energies = of_heads.gather(0, of_node.unsqueeze(0)).squeeze(0)
        constant = (self.shift + self.reference_energies)[of_node, species]
        return self._with_repulsion(energies * self.scale[of_node, species] + constant, vectors, species, topology)

    def _refuse(self, problem: str | None = None) -> NoReturn:
        problem = problem or "a potential with several heads (levels of theory) computes with one of them"
        raise PotentialsError(f"{problem}; choose one of {', '.join(self.heads)} as head")


_OTHERS = "more_readouts."


def _head(name: str, potential: Potential) -> Head:
    energies = dict(zip(potential.elements, potential.reference_energies.tolist(), strict=True))
    config = potential.config
    return Head(name, energies, cast(Any, config.scale), cast(Any, config.shift))


def _of_head(config: FamilyConfig, head: Head) -> FamilyConfig:
    """Return the configuration of the family with scale and shift of a head."""
    return type(config).model_validate({**config.model_dump(), "scale": head.scale, "shift": head.shift})
