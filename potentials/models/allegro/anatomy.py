"""The anatomy of Allegro: the environments of the atoms, and the products of the pair tensors with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn

from potentials.equivariant import Layout, message_table
from potentials.kernels import EdgeTopology
from potentials.models.allegro.dense import DenseAllegro, DenseLayer
from potentials.models.allegro.network import Allegro, PairLayer
from potentials.models.allegro.pairs import SCALAR, NeighborSum, PairNetwork
from potentials.models.anatomy import (
    Anatomy,
    MessageRound,
    NodeFeatures,
    PairProducts,
    Recording,
    anatomy_of_network,
    harmonic_paths,
    result_of,
)
from potentials.models.blocks import EdgeEmbedding

_REMARK = (
    "Allegro has features of pairs of atoms and multiplies them by the environment of one of the two; "
    "the atoms are shown with these environments."
)


Weights = Callable[[Recording], Tensor]
"""Weights of the pairs in an environment, [E, (degree + 1) C]."""


@anatomy_of_network.register
def _anatomy(network: Allegro) -> Anatomy:
    layers = cast("list[PairLayer]", network.layers)
    return _of_layers(network, layers, [result_of(layer.environment.weights) for layer in layers])


@anatomy_of_network.register
def _anatomy_of_dense(network: DenseAllegro) -> Anatomy:
    def after_scalars(module: nn.Module) -> Weights:
        return lambda seen: seen.result(module)[:, network.scalar_channels :]

    layers = cast("list[DenseLayer]", network.layers)
    sources = [network.first, *(layer.latent for layer in layers[:-1])]
    return _of_layers(network, layers, [after_scalars(source) for source in sources])


def _of_layers(network: PairNetwork, layers: Sequence[PairLayer | DenseLayer], weights: Sequence[Weights]) -> Anatomy:
    degree = len(network.repeats) - 1
    features, rounds, products = [], [], []
    for number, (layer, weights_of_layer) in enumerate(zip(layers, weights, strict=True), start=1):
        environment = layer.environment
        rounds.append(_neighbors(f"layer {number}", environment, weights_of_layer, network.edges))
        name = f"environment, weighted by layer {number}"
        features.append(NodeFeatures(name, Layout.natural(degree), result_of(environment)))
        products.append(PairProducts(f"layer {number}", layer.paths, "pair tensors V", "environment"))
    radial = network.edges.radial
    return Anatomy(degree, features, rounds, radial, network.channels, pair_products=products, remark=_REMARK)


def _neighbors(name: str, environment: NeighborSum, of_pairs: Weights, edges: EdgeEmbedding) -> MessageRound:
    """Describe the contribution of each neighbor to an environment."""
    degrees, channels = environment.degrees, environment.channels
    coupling = message_table(Layout([SCALAR]), degrees - 1, Layout.natural(degrees - 1))

    def weights(seen: Recording, topology: EdgeTopology) -> Tensor:
        return of_pairs(seen).unflatten(1, (degrees, channels)) * environment.scale

    def ones(seen: Recording) -> Tensor:
        result: Tensor = seen.result(environment)
        return result.new_ones(result.shape[0], 1, channels)

    return MessageRound(
        name,
        coupling.table,
        coupling.blocks,
        harmonic_paths(coupling),
        sent=ones,
        harmonics=lambda seen: seen.result(edges)[0],
        weights=weights,
        summed=result_of(environment),
    )
