"""Conversion of Allegro models from nequip-allegro 0.8."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from potentials.config.train import Precision
from potentials.equivariant import Irrep, Layout
from potentials.equivariant.couplings import wigner_3j
from potentials.errors import ConversionError
from potentials.interop.foreign_state import ForeignState, check_hyperparameters, converted_config, fill
from potentials.interop.nequip_models import converted_model, hidden_layers, state_without_prefix
from potentials.models.allegro import AllegroConfig, DenseAllegro
from potentials.models.allegro.dense import DenseLayer
from potentials.models.blocks import ScalarNetwork
from potentials.models.radial import BesselBasis
from potentials.potential import Potential

PEER = "nequip-allegro"
EMBEDDING = "radial_chemical_embed.type_embed.center_embed.weight"

_NETWORKS = {"scalar_embed_mlp": "embedding_mlp", "allegro_mlp": "latent_mlp", "readout_mlp": "readout_mlp"}
_WIDTHS = {"scalar_embed_mlp": 64, "allegro_mlp": 64, "readout_mlp": 32}
_LINEAR = (None, "None", "null")
USED = ("r_max", "type_names", "l_max", "radial_chemical_embed", "avg_num_neighbors")
DEFAULTS: dict[str, Any] = {
    "parity": True, "num_layers": 2, "num_scalar_features": 64, "num_tensor_features": 16, "forward_normalize": True,
    "radial_chemical_embed_dim": None,
} | {f"{name}_hidden_layers_depth": 1 for name in _NETWORKS} | {
    f"{name}_hidden_layers_width": width for name, width in _WIDTHS.items()
} | {f"{name}_nonlinearity": "silu" for name in _NETWORKS}  # fmt: skip
"""Arguments of `AllegroModel` that the conversion uses, with its defaults."""
FIXED: dict[str, tuple[Any, ...]] = {
    "model": ("AllegroModel",), "per_edge_type_cutoff": (None,), "pair_potential": (),
    "weight_individual_irreps": (True,), "tp_path_channel_coupling": (True, False), "chemical_species": (),
    # Contained in the state dict or without effect.
    "per_type_energy_scales": (), "per_type_energy_shifts": (), "per_type_energy_scales_trainable": (),
    "per_type_energy_shifts_trainable": (), "do_derivatives": (), "seed": (), "model_dtype": (), "compile_mode": (),
} | {f"{name}_nonlinearity": ("silu", *_LINEAR) for name in _NETWORKS} | {
    name: () for name in DEFAULTS if not name.endswith("nonlinearity")
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "r_max": (int, float), "type_names": (list, tuple), "l_max": (int,), "radial_chemical_embed": (Mapping,),
    "num_layers": (int,), "num_scalar_features": (int,), "num_tensor_features": (int,),
    "radial_chemical_embed_dim": (int, type(None)), "avg_num_neighbors": (int, float),
} | {f"{name}_hidden_layers_{part}": (int,) for name in _NETWORKS for part in ("depth", "width")}  # fmt: skip
_RADIAL = {"num_bessels": 8, "bessel_trainable": False, "polynomial_cutoff_p": 6}


def potential_from_allegro(
    hyperparameters: Mapping[str, Any], state_dict: Mapping[str, Tensor], precision: Precision = "float64"
) -> Potential:
    """Convert a model of nequip-allegro (`AllegroModel`) to a potential with the same energies.

    Args:
        hyperparameters: the arguments of `AllegroModel` by name. Energy scales and shifts are taken from the state
            dict. `type_names` must be chemical symbols unless `chemical_species` is given.
        state_dict: the model's state dict, parameters and buffers.
        precision: precision of the potential.

    Raises:
        ConversionError: a hyperparameter or tensor is missing, or the family does not support a setting of the model.
    """
    check_hyperparameters(hyperparameters, USED, FIXED, PEER, TYPES)
    given = DEFAULTS | dict(hyperparameters)
    state = state_without_prefix(state_dict, EMBEDDING)
    return converted_model(
        given,
        state,
        PEER,
        precision,
        partial(_config, given),
        lambda model, order: _Filling(given, state, order).fill(cast(DenseAllegro, model)),
    )


def _config(given: Mapping[str, Any], shared: dict[str, Any]) -> AllegroConfig:
    radial = _radial(given["radial_chemical_embed"])
    section = {
        **shared,
        "name": "allegro",
        "scalars": "dense",
        "channels": given["num_tensor_features"],
        "scalar_channels": given["num_scalar_features"],
        "embedding_channels": given["radial_chemical_embed_dim"],
        "layers": given["num_layers"],
        "degree": given["l_max"],
        "parity": given["parity"],
        "radial": {
            "size": radial["num_bessels"],
            "trainable": bool(radial["bessel_trainable"]),
            "envelope_power": radial["polynomial_cutoff_p"],
        },
    }
    return converted_config(AllegroConfig, section | _hidden_layers(given), PEER)


def _hidden_layers(given: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the hidden layers of our networks; a network without activations is one linear map."""
    return {
        ours: [] if given[f"{theirs}_nonlinearity"] in _LINEAR else hidden_layers(given, f"{theirs}_hidden_layers")
        for theirs, ours in _NETWORKS.items()
    }


def _radial(given: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(given.get("_target_", "")).rpartition(".")[2]
    unknown = [name for name in given if name not in ("_target_", *_RADIAL)]
    if kind != "TwoBodyBesselScalarEmbed" or unknown:
        found = f"{kind or 'no class'}({', '.join(map(str, unknown)) or '...'})"
        raise ConversionError(
            f"hyperparameters of {PEER}:\n  radial_chemical_embed: expected TwoBodyBesselScalarEmbed with "
            f"{', '.join(_RADIAL)}, got {found}; other embeddings are not supported"
        )
    return _RADIAL | dict(given)


class _Filling:
    """Copies weights in the order of the forward pass.

    Args:
        given: the hyperparameters, with defaults.
        state: the state dict.
        order: sorts the peer's types by atomic number.
    """

    def __init__(self, given: Mapping[str, Any], state: ForeignState, order: list[int]) -> None:
        self.given, self.state, self.order = given, state, order

    def fill(self, model: DenseAllegro) -> None:
        """Copy all weights."""
        radial = cast(BesselBasis, model.edges.radial.basis)
        prefix = "radial_chemical_embed."
        roots = self.state.take(f"{prefix}bessel_encode.bessel_weights", len(radial.frequencies))
        fill(radial.frequencies, roots * (math.pi / model.cutoff))
        for name, parameter in (("center", model.receiver_embedding), ("neighbor", model.sender_embedding)):
            theirs = self.state.take(f"{prefix}type_embed.{name}_embed.weight", *parameter.shape)
            fill(parameter, theirs[self.order])
        # The peer's Bessel functions are sin(w r) r_c / (pi r), ours sqrt(2 / r_c) sin(w r) / r.
        factor = model.cutoff / math.pi * math.sqrt(model.cutoff / 2)
        self._network(model.radial_map, f"{prefix}type_embed.basis_linear", factor=factor)
        self._network(model.two_body, "scalar_embed_mlp.mlp_module", "scalar_embed_mlp")
        self._network(model.tensors, "tensor_embed.env_embed_linear", weights_from=0)
        scalars = model.scalar_channels
        # This map is normalized by its inputs, whatever `forward_normalize` states.
        self._network(model.first, "allegro.first_layer_env_embed_projection", weights_from=scalars, forward=True)
        for number, layer in enumerate(cast("list[DenseLayer]", model.layers)):
            self._network(layer.latent, f"allegro.latents.{number}", "allegro_mlp", weights_from=scalars)
            self._product(layer, f"allegro.tps.{number}", model.channels)
        # The peer divides the sum over the pairs of an atom by the square root of two.
        self._network(model.readout, "edge_readout.mlp_module", "readout_mlp", factor=1 / math.sqrt(2))

    def _network(
        self,
        network: ScalarNetwork,
        name: str,
        kind: str | None = None,
        factor: float = 1.0,
        weights_from: int | None = None,
        forward: bool | None = None,
    ) -> None:
        """Copy a network.

        Args:
            network: ours.
            name: of theirs.
            kind: prefix of its hyperparameters; None if it is one linear map.
            factor: of the last matrix.
            weights_from: from which output on there are weights of degrees and channels, which they sort by channel.
            forward: whether matrices are normalized by their inputs; by default as the hyperparameters state.
        """
        hidden = [] if kind is None else hidden_layers(self.given, f"{kind}_hidden_layers")
        activation = None if kind is None else self.given[f"{kind}_nonlinearity"]
        is_linear = kind is None or activation in _LINEAR
        is_product = activation is None and bool(hidden)
        sizes = [network.sizes[0], *hidden, network.sizes[-1]]
        matrices = []
        for layer in range(len(sizes) - 1):
            # Activations are modules between the layers, so layer i has index 2 i; products of matrices have none.
            key = f"{name}.mlp.weights.{layer}" if is_product else f"{name}.mlp.{2 * layer}.weight"
            matrix = self.state.take(key, sizes[layer], sizes[layer + 1])
            matrices.append(matrix * self._normalization(layer, sizes, kind, forward))
        if is_linear and len(matrices) > 1:
            matrices = [torch.linalg.multi_dot(matrices)]
        matrices[-1] = matrices[-1] * factor
        if weights_from is not None:
            scalars, weights = matrices[-1].tensor_split([weights_from], dim=1)
            if weights.shape[1]:
                weights = weights.unflatten(1, (self.given["num_tensor_features"], -1)).transpose(1, 2).flatten(1)
            matrices[-1] = torch.cat([scalars, weights], dim=1)
        for ours, matrix, scale in zip(network.weights, matrices, network.scales, strict=True):
            fill(ours, matrix / scale)

    def _normalization(self, layer: int, sizes: list[int], kind: str | None, forward: bool | None) -> float:
        """Return the factor of the matrix of a layer."""
        activation = "silu" if kind is None else self.given[f"{kind}_nonlinearity"]
        forward = self.given["forward_normalize"] if forward is None else forward
        unscaled = 0 if forward else len(sizes) - 2
        gain = 1.0 if activation is None or layer == unscaled else math.sqrt(2)
        return gain / math.sqrt(sizes[layer] if forward else sizes[layer + 1])

    def _product(self, layer: DenseLayer, name: str, channels: int) -> None:
        """Copy the weights of the paths; they sort them by output, then by input."""
        theirs, inputs, outputs = self._their_paths(layer)
        coupled = self.given.get("tp_path_channel_coupling", True)
        weights = self.state.take(f"{name}.weights", channels if coupled else 1, len(theirs)).expand(channels, -1)
        environment = Layout.natural(self.given["l_max"])
        shape = (len(theirs), inputs.dim, environment.dim, outputs.dim)
        is_diagonal = self.state.size(f"{name}.w3j") < math.prod(shape)
        tensors = self.state.take(f"{name}.w3j", *((shape[0], shape[1], shape[3]) if is_diagonal else shape))
        signs = []
        for number, (a, b, irrep) in enumerate(theirs):
            ours = math.sqrt(irrep.dim) * torch.from_numpy(wigner_3j(a.degree, b.degree, irrep.degree))
            block = tensors[number, inputs.slice_of(a)]
            found = block[..., outputs.slice_of(irrep)]
            if is_diagonal:
                ours = ours.diagonal(dim1=0, dim2=1).T
            else:
                found = found[:, environment.slice_of(b)]
            signs.append(self._sign(f"{name}.w3j", found, ours))
        by_path = dict(zip(theirs, (weights * torch.tensor(signs, dtype=weights.dtype)).T, strict=True))
        missing = [path for path in layer.paths if path not in by_path]
        if missing or len(by_path) != len(layer.paths):
            raise ConversionError(f"{name}: the paths of the product are not those of the family")
        fill(layer.product.weights, torch.stack([by_path[path] for path in layer.paths]))

    def _their_paths(self, layer: DenseLayer) -> tuple[list[tuple[Irrep, Irrep, Irrep]], Layout, Layout]:
        """Return the paths of a product in their order, and the irreps of its input and output in their order."""
        inputs = Layout(sorted({a for a, _, _ in layer.paths}, key=_by_parity))
        outputs = Layout(sorted(layer.outputs, key=_by_parity))
        environment = Layout.natural(self.given["l_max"])
        paths = [(a, b, c) for c in outputs for a in inputs for b in environment if c in tuple(a.products(b))]
        return paths, inputs, outputs

    def _sign(self, name: str, theirs: Tensor, ours: Tensor) -> int:
        for sign in (1, -1):
            if torch.allclose(theirs, sign * ours, atol=1e-6):
                return sign
        raise ConversionError(f"{name}: differs from the Wigner 3j tensor by more than a sign")


def _by_parity(irrep: Irrep) -> tuple[int, int]:
    return irrep.degree, -irrep.parity
