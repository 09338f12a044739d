"""The anatomy of MACE: its features, the sums A over neighbors, and the products of A with itself."""

from __future__ import annotations

from typing import cast

import numpy as np
from torch import Tensor

from potentials.equivariant import Layout
from potentials.models.anatomy import (
    Anatomy,
    ManyBodyProducts,
    MessageRound,
    NodeFeatures,
    anatomy_of_network,
    argument_of,
    harmonic_paths,
    of_each_edge,
)
from potentials.models.blocks import EdgeEmbedding
from potentials.models.mace.network import MACE, Features, Interaction, Product


@anatomy_of_network.register
def _anatomy(network: MACE) -> Anatomy:
    config = network.config
    interactions = cast("list[Interaction]", network.interactions)
    products = cast("list[Product]", network.products)
    elements = NodeFeatures(
        "h, species embedding", Layout.natural(0), lambda seen: _of_each_atom(seen.argument(interactions[0]))
    )
    features, rounds, counted = [elements], [], []
    atomic_basis = Layout.natural(config.edge_degree)
    parts = zip(interactions, products, network.readouts, strict=True)
    for number, (interaction, product, readout) in enumerate(parts, start=1):
        rounds.append(_messages(f"layer {number}", interaction, network.edges, config.channels))
        features += [
            NodeFeatures(f"A, atomic basis of layer {number}", atomic_basis, argument_of(product)),
            NodeFeatures(f"h, features after layer {number}", product.outputs, argument_of(readout)),
        ]
        counted.append(_counted(f"layer {number}", product))
    return Anatomy(config.edge_degree, features, rounds, network.edges.radial, config.channels, many_body=counted)


def _messages(name: str, interaction: Interaction, edges: EdgeEmbedding, channels: int) -> MessageRound:
    coupling = interaction.coupling
    return MessageRound(
        name,
        coupling.table,
        coupling.blocks,
        harmonic_paths(coupling),
        sent=lambda seen: seen.argument(interaction).of_atoms(seen.result(interaction.linear_up)),
        harmonics=lambda seen: seen.result(edges)[0],
        weights=lambda seen, topology: of_each_edge(seen.result(interaction.radial_network), channels, topology),
        summed=lambda seen: seen.argument(interaction.linear),
        radial=interaction.radial_network,
    )


def _counted(name: str, product: Product) -> ManyBodyProducts:
    starts = [block.start for block in product.outputs.slices()]
    block_of_term = np.searchsorted(starts, product.table.output_of_term, side="right") - 1
    terms = np.bincount(block_of_term, minlength=len(starts)).tolist()
    return ManyBodyProducts(
        name,
        dict(zip(product.outputs, product.paths, strict=True)),
        dict(zip(product.outputs, terms, strict=True)),
        product.weights.numel(),
    )


def _of_each_atom(features: Features) -> Tensor:
    return features.of_atoms(features.values)
