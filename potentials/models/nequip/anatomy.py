"""The anatomy of NequIP: its features, and the messages of each convolution."""

from __future__ import annotations

from typing import cast

from potentials.equivariant import Layout
from potentials.models.anatomy import (
    Anatomy,
    MessageRound,
    NodeFeatures,
    anatomy_of_network,
    argument_of,
    harmonic_paths,
    of_each_edge,
    result_of,
)
from potentials.models.blocks import EdgeEmbedding
from potentials.models.nequip.network import SCALAR, Convolution, NequIP, feature_blocks


@anatomy_of_network.register
def _anatomy(network: NequIP) -> Anatomy:
    config, convolutions = network.config, cast("list[Convolution]", network.convolutions)
    scalars = feature_blocks(config, Layout([SCALAR]))
    features = [NodeFeatures("h, species embedding", scalars, argument_of(convolutions[0]))]
    rounds = []
    for number, convolution in enumerate(convolutions, start=1):
        rounds.append(_messages(f"layer {number}", convolution, network.edges))
        name = f"h, features after layer {number}"
        features.append(NodeFeatures(name, convolution.outputs, result_of(convolution)))
    return Anatomy(config.degree, features, rounds, network.edges.radial, config.channel_unit)


def _messages(name: str, convolution: Convolution, edges: EdgeEmbedding) -> MessageRound:
    coupling, channels = convolution.coupling, convolution.channels
    return MessageRound(
        name,
        coupling.table,
        coupling.blocks,
        harmonic_paths(coupling),
        sent=lambda seen: seen.result(convolution.linear_1),
        harmonics=lambda seen: seen.result(edges)[0],
        weights=lambda seen, topology: of_each_edge(seen.result(convolution.radial_network), channels, topology),
        summed=lambda seen: seen.argument(convolution.linear_2),
        radial=convolution.radial_network,
        copies=coupling.copies,
    )
