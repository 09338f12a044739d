"""The anatomy of PONITA: its features on the grid of orientations, and the convolutions over space."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from potentials.equivariant import Irrep, Layout
from potentials.models.anatomy import (
    Anatomy,
    MessageRound,
    NodeFeatures,
    Recording,
    anatomy_of_network,
    argument_of,
    result_of,
)
from potentials.models.ponita.network import ConvNextBlock, Ponita

_REMARK = (
    "PONITA's features are functions on a grid of orientations, shown as dots around the atoms; its kernels depend "
    "on the position of a neighbor relative to an orientation, not on the distance alone."
)
_REMARK_WITHOUT_GRID = "Without orientations PONITA's features are scalars."


@anatomy_of_network.register
def _anatomy(network: Ponita) -> Anatomy:
    layout = Layout([Irrep(0, 1)])  # without orientations; otherwise the grid defines the components
    features, rounds = [], []
    for number, block in enumerate(cast("list[ConvNextBlock]", network.blocks), start=1):
        rounds.append(_messages(f"layer {number}", block))
        features.append(NodeFeatures(f"x, features after layer {number}", layout, result_of(block), network.grid))
    remark = _REMARK if network.orientations else _REMARK_WITHOUT_GRID
    return Anatomy(0, features, rounds, None, network.embedding.shape[1], remark=remark)


def _messages(name: str, block: ConvNextBlock) -> MessageRound:
    """Describe the convolution over space, which that over the sphere follows directly."""

    def harmonics(seen: Recording) -> Tensor:
        kernels: Tensor = seen.argument(block, 1)
        return kernels.new_ones(kernels.shape[0], 1)

    return MessageRound(
        name,
        block.table,
        (),
        (),
        sent=argument_of(block),
        harmonics=harmonics,
        weights=lambda seen, topology: block.kernel(seen.argument(block, 1)) * block.scale,
        summed=None,
    )
