"""The anatomy of E3x: its features, and the messages of each layer, weighted by attention if enabled."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from potentials.equivariant import AttentionWeights
from potentials.kernels import EdgeTopology
from potentials.models.anatomy import (
    Anatomy,
    MessageRound,
    NodeFeatures,
    Recording,
    anatomy_of_network,
    argument_of,
    harmonic_paths,
    of_each_edge,
    result_of,
)
from potentials.models.e3x.layouts import SCALARS
from potentials.models.e3x.network import Attention, E3x, Layer, Messages

_ATTENTION = "Neighbors are weighted by attention: the weights of a message depend on the features of both atoms."


@anatomy_of_network.register
def _anatomy(network: E3x) -> Anatomy:
    layers = cast("list[Layer]", network.layers)
    features = [NodeFeatures("x, species embedding", SCALARS, argument_of(layers[0]))]
    rounds = []
    remark = ""
    for number, layer in enumerate(layers, start=1):
        messages, weights = layer.messages, None
        if isinstance(messages, Attention):
            remark, weights, messages = _ATTENTION, messages.weights, messages.messages
        rounds.append(_messages(f"layer {number}", messages, network, weights))
        features.append(NodeFeatures(f"x, features after layer {number}", layer.outputs, result_of(layer)))
    return Anatomy(network.degree, features, rounds, network.edges.radial, network.channels, remark=remark)


def _messages(name: str, messages: Messages, network: E3x, attention: AttentionWeights | None) -> MessageRound:
    coupling = messages.coupling

    def weights(seen: Recording, topology: EdgeTopology) -> Tensor:
        filters = of_each_edge(seen.result(messages.filters), network.channels, topology)
        return filters if attention is None else filters * seen.result(attention).unsqueeze(1)

    return MessageRound(
        name,
        coupling.table,
        coupling.blocks,
        harmonic_paths(coupling),
        sent=lambda seen: seen.argument(messages) * messages.factor,
        harmonics=lambda seen: seen.result(network.edges)[0],
        weights=weights,
        summed=argument_of(messages.paths),
        radial=messages.filters,
    )
