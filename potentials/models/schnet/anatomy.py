"""The anatomy of SchNet: its scalars, and the sums over neighbors between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from potentials.equivariant import message_table
from potentials.models.anatomy import (
    Anatomy,
    MessageRound,
    NodeFeatures,
    Recording,
    anatomy_of_network,
    harmonic_paths,
    of_each_edge,
)
from potentials.models.blocks import EdgeEmbedding
from potentials.models.schnet.network import SCALARS, Interaction, SchNet

_REMARK = "SchNet's features are scalars: they have a magnitude but no direction."


@anatomy_of_network.register
def _anatomy(network: SchNet) -> Anatomy:
    channels = network.embedding.shape[1]
    interactions = cast("list[Interaction]", network.interactions)
    features = [NodeFeatures("x, species embedding", SCALARS, lambda seen: seen.argument(interactions[0]).unsqueeze(1))]
    rounds = []
    for number, interaction in enumerate(interactions, start=1):
        rounds.append(_messages(f"layer {number}", interaction, network.edges, channels))
        features.append(NodeFeatures(f"x, features after layer {number}", SCALARS, _scalars_of(interaction)))
    return Anatomy(0, features, rounds, network.edges.radial, channels, remark=_REMARK)


def _messages(name: str, interaction: Interaction, edges: EdgeEmbedding, channels: int) -> MessageRound:
    coupling = message_table(SCALARS, 0, SCALARS)
    return MessageRound(
        name,
        coupling.table,
        coupling.blocks,
        harmonic_paths(coupling),
        sent=lambda seen: seen.result(interaction.sent).unsqueeze(1) * interaction.scale,
        harmonics=lambda seen: seen.result(edges)[0],
        weights=lambda seen, topology: of_each_edge(seen.result(interaction.filters), channels, topology),
        summed=lambda seen: seen.argument(interaction.first).unsqueeze(1),
        radial=interaction.filters,
    )


def _scalars_of(module: nn.Module) -> Callable[[Recording], Tensor]:
    return lambda seen: seen.result(module).unsqueeze(1)
