"""Conversion of NequIP models from nequip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from torch import Tensor

from potentials.config.train import Precision
from potentials.equivariant import Irrep
from potentials.errors import ConversionError
from potentials.interop.e3nn_order import LayerOfPeer
from potentials.interop.foreign_state import ForeignState, check_hyperparameters, converted_config, fill
from potentials.interop.nequip_models import converted_model, hidden_layers, state_without_prefix
from potentials.models.nequip import SCALAR, Convolution, NequIP, NequIPConfig
from potentials.models.radial import BesselBasis
from potentials.potential import Potential

PEER = "nequip"

USED = (
    "r_max", "type_names", "num_layers", "l_max", "parity", "num_features", "radial_mlp_depth", "radial_mlp_width",
    "num_bessels", "polynomial_cutoff_p", "avg_num_neighbors",
)  # fmt: skip
FIXED: dict[str, tuple[Any, ...]] = {
    "model": ("NequIPGNNModel",), "readout_mlp_hidden_layers_depth": (0,), "per_edge_type_cutoff": (None,),
    "pair_potential": (), "convnet_sc": (True,), "convnet_resnet": (False,), "learnable_shift": (False,),
    "convnet_nonlinearity_type": ("gate",), "categorical_graph_field_embed": (None,),
    "convnet_nonlinearity_scalars": ({"e": "silu", "o": "tanh"},),
    "convnet_nonlinearity_gates": ({"e": "silu", "o": "tanh"},),
    "type_embed_num_features": (), "bessel_trainable": (), "chemical_species": (),
    # Contained in the state dict or without effect.
    "per_type_energy_scales": (), "per_type_energy_shifts": (), "per_type_energy_scales_trainable": (),
    "per_type_energy_shifts_trainable": (), "readout_mlp_hidden_layers_width": (), "readout_mlp_nonlinearity": (),
    "do_derivatives": (), "seed": (), "model_dtype": (), "compile_mode": (),
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "r_max": (int, float), "type_names": (list, tuple), "num_features": (int, list, tuple), "radial_mlp_depth": (int,),
    "radial_mlp_width": (int,), "avg_num_neighbors": (int, float, Mapping),
}  # fmt: skip
EMBEDDING = "type_embed.embed_module.weight"


def potential_from_nequip(
    hyperparameters: Mapping[str, Any], state_dict: Mapping[str, Tensor], precision: Precision = "float64"
) -> Potential:
    """Convert a NequIP model of nequip (`NequIPGNNModel`) to a potential with the same energies.

    Args:
        hyperparameters: the arguments of `NequIPGNNModel` by name. Energy scales and shifts are taken from the state
            dict. `type_names` must be chemical symbols unless `chemical_species` is given.
        state_dict: the model's state dict, parameters and buffers.
        precision: precision of the potential.

    Returns:
        The potential.

    Raises:
        ConversionError: a hyperparameter or tensor is missing, or the family does not support a setting of the model.
    """
    check_hyperparameters(hyperparameters, USED, FIXED, PEER, TYPES)
    if isinstance(hyperparameters["avg_num_neighbors"], Mapping):
        raise ConversionError(f"hyperparameters of {PEER}: expected a single avg_num_neighbors, got one per type")
    state = state_without_prefix(state_dict, EMBEDDING)
    return converted_model(
        hyperparameters,
        state,
        PEER,
        precision,
        partial(_config, hyperparameters),
        lambda model, order: _fill_model(cast(NequIP, model), state, order),
    )


def _config(given: Mapping[str, Any], shared: dict[str, Any]) -> NequIPConfig:
    features = given["num_features"]
    widths = [features] if isinstance(features, int) else list(features) or [0]
    channels = widths[0] if len(set(widths)) == 1 else widths
    if given.get("type_embed_num_features") not in (None, widths[0]):
        raise ConversionError(
            f"hyperparameters of {PEER}: expected a type embedding with as many features as scalars, got "
            f"num_features={features}, type_embed_num_features={given.get('type_embed_num_features')}"
        )
    section = {
        **shared,
        "name": "nequip",
        "channels": channels,
        "layers": given["num_layers"],
        "degree": given["l_max"],
        "parity": given["parity"],
        "radial": {
            "size": given["num_bessels"],
            "trainable": bool(given.get("bessel_trainable")),
            "envelope_power": given["polynomial_cutoff_p"],
        },
        "radial_mlp": hidden_layers(given, "radial_mlp"),
    }
    return converted_config(NequIPConfig, section, PEER)


def _fill_model(model: NequIP, state: ForeignState, order: list[int]) -> None:
    """Fill the parameters in the order of the forward pass; `order` sorts the peer's types by atomic number."""
    config = model.config
    fill(model.embedding, state.take(EMBEDDING, len(order), config.scalar_channels)[order])
    roots = state.take("bessel_encode.bessel_weights", config.radial.size)
    fill(cast(BesselBasis, model.edges.radial.basis).frequencies, roots * (math.pi / config.cutoff))
    inputs = [SCALAR]
    for layer, convolution in enumerate(model.convolutions):
        wanted = [SCALAR] if layer == config.layers - 1 else _hidden(config)
        theirs = LayerOfPeer(config, inputs, wanted)
        _fill_layer(theirs, cast(Convolution, convolution), state, f"layer{layer}_convnet.conv")
        inputs = theirs.outputs
    (weight,) = model.readout.weights
    fill(weight, state.take("per_atom_energy_readout.mlp_module.mlp.0.weight", *weight.shape))


def _hidden(config: NequIPConfig) -> list[Irrep]:
    """Return the irreps between layers in the order of nequip: even before odd within a degree."""
    degrees = range(config.degree + 1)
    return [Irrep(degree, p) for degree in degrees for p in ((1, -1) if config.parity else ((-1) ** degree,))]


def _fill_layer(theirs: LayerOfPeer, convolution: Convolution, state: ForeignState, prefix: str) -> None:
    """Copy the weights of one layer."""
    theirs.fill_linear_1(convolution, state.take_blocks(f"{prefix}.linear_1.weight", theirs.shapes_of_linear_1()))
    weights = convolution.radial_network.weights
    # Activations are modules between the layers, so layer i has index 2 i.
    taken = [state.take(f"{prefix}.edge_mlp.mlp.{2 * i}.weight", *w.shape) for i, w in enumerate(weights)]
    taken[-1] = theirs.radial_weights(
        convolution, taken[-1], partial(state.coupling_sign, f"{prefix}.tp_scatter.tp."), by_output=False
    )
    # The peer's Bessel functions have the factor 2 / r_c, ours sqrt(2 / r_c).
    taken[0] = taken[0] * math.sqrt(2 / theirs.config.cutoff)
    for weight, value in zip(weights, taken, strict=True):
        fill(weight, value)
    theirs.fill_linear_2(convolution, state.take_blocks(f"{prefix}.linear_2.weight", theirs.shapes_of_linear_2()))
    if convolution.self_connection is not None:
        embedding = theirs.channels(SCALAR)
        shapes = [(theirs.channels(irrep), embedding, theirs.width(irrep)) for irrep in theirs.kept()]
        theirs.fill_self_connection(convolution, state.take_blocks(f"{prefix}.sc.weight", shapes))
