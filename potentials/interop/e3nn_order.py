"""Order of the weights of NequIP's layers in programs that build them from e3nn's modules, which differs from ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from potentials.equivariant import Irrep, Layout
from potentials.interop.foreign_state import fill
from potentials.models.nequip import SCALAR, Convolution, LinearSelfConnection, NequIPConfig, SelfConnection

Path = tuple[Irrep, int, Irrep]
"""Sender irrep, harmonic degree, receiver irrep."""


class LayerOfPeer:
    """Blocks, paths and widths of one layer in the order of the other program.

    Args:
        config: the configuration.
        inputs: irreps of the input features, in the order of the other program.
        wanted: irreps of the output, in its order; those that no path reaches are left out.

    Attributes:
        outputs: irreps of the output features.
        gated: the outputs of degree > 0, each with gates among the even scalars of the convolution.
        paths: the couplings of the tensor product, by input, harmonic degree and receiver.
    """

    def __init__(self, config: NequIPConfig, inputs: Sequence[Irrep], wanted: Sequence[Irrep]) -> None:
        is_natural = config.parity != "ignored"
        harmonics = [Irrep(degree, (-1) ** degree if is_natural else 1) for degree in range(config.degree + 1)]
        self.config = config
        self.inputs = list(inputs)
        self.outputs = [
            irrep for irrep in wanted if any(irrep in source.products(Y) for source in inputs for Y in harmonics)
        ]
        self.gated = [irrep for irrep in self.outputs if irrep.degree > 0]
        self.paths: list[Path] = [
            (source, Y.degree, target)
            for source in inputs
            for Y in harmonics
            for target in source.products(Y)
            if target in self.outputs
        ]

    def channels(self, irrep: Irrep) -> int:
        """Return the number of channels of an irrep."""
        return self.config.channels_of(irrep.degree)

    def width(self, irrep: Irrep) -> int:
        """Return the channels of the convolution's output; the even scalars include the gates."""
        gates = sum(self.channels(gated) for gated in self.gated) if irrep == SCALAR else 0
        return self.channels(irrep) + gates

    def shapes_of_linear_1(self) -> list[tuple[int, int]]:
        """Return the shape of the matrix of each input block."""
        return [(self.channels(irrep), self.channels(irrep)) for irrep in self.inputs]

    def fill_linear_1(self, convolution: Convolution, blocks: Sequence[Tensor]) -> None:
        """Copy the matrices of the input blocks."""
        by_irrep = dict(zip(self.inputs, blocks, strict=True))
        for irrep, weight in zip(convolution.linear_1.layout, convolution.linear_1.weights, strict=True):
            fill(weight, by_irrep[irrep])

    def radial_weights(
        self, convolution: Convolution, columns: Tensor, sign: Callable[[tuple[int, int, int]], int], by_output: bool
    ) -> Tensor:
        """Sort the last matrix of the radial network by our paths.

        Args:
            convolution: our layer.
            columns: the matrix [H, paths and channels of the senders].
            sign: sign of the other program's coupling of three degrees relative to ours.
            by_output: whether the other program sorts the paths by receiver instead of sender.
        """
        paths = sorted(self.paths, key=lambda path: path[2]) if by_output else self.paths
        parts = columns.split([self.channels(source) for source, _, _ in paths], dim=1)
        by_path = dict(zip(paths, parts, strict=True))
        ours = convolution.coupling.paths
        return torch.cat([by_path[path] * sign((path[0].degree, path[1], path[2].degree)) for path in ours], dim=1)

    def shapes_of_linear_2(self) -> list[tuple[int, int]]:
        """Return the shapes of the matrices of the outputs, sorted by degree, odd before even."""
        rows = dict.fromkeys(sorted(self.outputs), 0)
        for source, _, target in self.paths:
            rows[target] += self.channels(source)
        return [(number, self.width(target)) for target, number in rows.items()]

    def fill_linear_2(self, convolution: Convolution, blocks: Sequence[Tensor]) -> None:
        """Copy one matrix for each output irrep, sorted odd before even; rows are paths in their order."""
        by_irrep = {}
        for target, block in zip(sorted(self.outputs), blocks, strict=True):
            theirs = [path for path in self.paths if path[2] == target]
            parts = dict(zip(theirs, block.split([self.channels(path[0]) for path in theirs]), strict=True))
            by_irrep[target] = torch.cat([parts[path] for path in convolution.coupling.paths if path[2] == target])
        for irrep, weight in zip(convolution.linear_2.layout, convolution.linear_2.weights, strict=True):
            fill(weight, by_irrep[irrep][:, : self.channels(irrep)])
        if convolution.gates is not None:
            (weight,) = convolution.gates.weights
            fill(weight, self.gates(convolution, by_irrep[SCALAR]))

    def kept(self) -> list[Irrep]:
        """Return the input irreps that are outputs too, which self-connections map."""
        return [irrep for irrep in self.inputs if irrep in self.outputs]

    def fill_self_connection(self, convolution: Convolution, blocks: Sequence[Tensor]) -> None:
        """Copy one matrix [..., width] for each of the kept irreps."""
        by_irrep = dict(zip(self.kept(), blocks, strict=True))
        for weight, irrep in _matrices(convolution.self_connection, convolution.outputs.layout, self.inputs):
            fill(weight, by_irrep[irrep][..., : self.channels(irrep)])
        for weight, irrep in _matrices(convolution.gates_self_connection, Layout([SCALAR]), self.inputs):
            fill(weight, self.gates(convolution, by_irrep[irrep]))

    def gates(self, convolution: Convolution, scalars: Tensor) -> Tensor:
        """Select the gates among the output channels of the even scalars, in our order."""
        parts = scalars[..., self.channels(SCALAR) :].split([self.channels(irrep) for irrep in self.gated], dim=-1)
        by_irrep = dict(zip(self.gated, parts, strict=True))
        return torch.cat([by_irrep[irrep] for irrep, _ in convolution.gate.gated], dim=-1)


def _matrices(
    module: SelfConnection | LinearSelfConnection | None, outputs: Layout, inputs: Sequence[Irrep]
) -> list[tuple[Tensor, Irrep]]:
    """Return the matrix of each irrep that a self-connection maps."""
    if module is None:
        return []
    mapped = [irrep for irrep in outputs if irrep in inputs]
    found = list(module.weights) if isinstance(module, SelfConnection) else module.table.matrices(module.weight[0])
    return list(zip(found, mapped, strict=True))
