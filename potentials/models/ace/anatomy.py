"""The anatomy of linear ACE: the neighbor densities, and the number of their products."""

from __future__ import annotations

from torch import Tensor

from potentials.equivariant import Irrep, Layout, message_table
from potentials.kernels import EdgeTopology
from potentials.models.ace.network import ACE
from potentials.models.anatomy import (
    Anatomy,
    ManyBodyProducts,
    MessageRound,
    NodeFeatures,
    Recording,
    anatomy_of_network,
    argument_of,
    harmonic_paths,
)
from potentials.models.radial_functions import RadialFunctions

_REMARK = (
    "Linear ACE learns only the coefficients of its products; densities and radial functions are fixed. "
    "Each channel is one combination of neighbor species and radial function."
)


@anatomy_of_network.register
def _anatomy(model: ACE) -> Anatomy:
    channels = model.num_species * model.num_radial
    layout = Layout.natural(model.degree)
    features = [NodeFeatures("A, densities of the neighbors", layout, argument_of(model.products))]
    products = [
        ManyBodyProducts("invariant products", {Irrep(0, 1): model.products.counts}, {}, model.coefficients.numel())
    ]
    rounds = [_densities(model)]
    return Anatomy(model.degree, features, rounds, model.edges.radial, channels, products, remark=_REMARK)


def _densities(model: ACE) -> MessageRound:
    coupling = message_table(Layout.natural(0), model.degree, Layout.natural(model.degree))

    def weights(seen: Recording, topology: EdgeTopology) -> Tensor:
        return model.weights(seen.result(model.edges)[1].values)[topology.edge_pair]

    def radial(basis: RadialFunctions) -> RadialFunctions:
        values, slopes = (model.weights(functions).flatten(1) for functions in (basis.values, basis.slopes))
        return RadialFunctions(values, slopes, basis.distances, basis.at)

    return MessageRound(
        "densities",
        coupling.table,
        coupling.blocks,
        harmonic_paths(coupling),
        sent=lambda seen: model.sent(seen.argument(model.edges, 1)),
        harmonics=lambda seen: seen.result(model.edges)[0],
        weights=weights,
        summed=argument_of(model.products),
        radial=radial,
        learned=False,
    )
