"""Conversion of SevenNet models (`checkpoint_NAME.pth`), which are NequIP networks with channels that differ by degree.

A model with several modals (levels of theory) has inputs of its linear maps that state the modal. For one modal these
are constants, which become biases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from ase.data import chemical_symbols
from torch import Tensor

from potentials.config.train import Precision
from potentials.equivariant import Irrep
from potentials.errors import ConversionError
from potentials.interop.e3nn_order import LayerOfPeer
from potentials.interop.foreign_state import ForeignState, check_hyperparameters, converted_config, fill
from potentials.interop.irreps import parse_irreps
from potentials.interop.pickles import StoredTensor
from potentials.models.nequip import SCALAR, Convolution, NequIP, NequIPConfig
from potentials.models.radial import BesselBasis
from potentials.potential import Potential

PEER = "SevenNet"
USED = (
    "version", "_type_map", "cutoff", "channel", "lmax", "is_parity", "num_convolution_layer",
    "weight_nn_hidden_neurons", "radial_basis", "cutoff_function",
)  # fmt: skip
FIXED: dict[str, tuple[Any, ...]] = {
    "_model_type": ("E3_equivariant_model",), "interaction_type": ("nequip",), "readout_as_fcn": (False,),
    "self_connection_type": ("linear", "nequip"), "optimize_by_reduce": (True,), "act_radial": ("silu",),
    "act_scalar": ({"e": "silu", "o": "tanh"},), "act_gate": ({"e": "silu", "o": "tanh"},), "lmax_edge": (-1,),
    "lmax_node": (-1,),
}  # fmt: skip
"""Settings that determine the energies; all others are those of the training."""
_NUMBER = (int, float)
TYPES: dict[str, tuple[type, ...]] = {
    "_type_map": (Mapping,), "cutoff": _NUMBER, "channel": (int,), "lmax": (int,), "is_parity": (bool,),
    "num_convolution_layer": (int,), "weight_nn_hidden_neurons": (list,), "radial_basis": (Mapping,),
    "cutoff_function": (Mapping,),
}  # fmt: skip
_MOST_DEGREES, _MOST_LAYERS = 8, 100
_OLD_NAMES = {
    "EdgeEmbedding": "edge_embedding", "reducing nn input to hidden": "reduce_input_to_hidden",
    "reducing nn hidden to energy": "reduce_hidden_to_energy", "rescale atomic energy": "rescale_atomic_energy",
}  # fmt: skip
_SILU = 1.6791767923989418
"""e3nn's factor of silu in the radial networks."""
_IGNORED = ("output_mask",)


def is_sevennet_checkpoint(content: Any) -> bool:
    """Return whether the content of a file is a checkpoint of SevenNet."""
    return (
        isinstance(content, Mapping)
        and isinstance(content.get("model_state_dict"), Mapping)
        and isinstance(content.get("config"), Mapping)
        and "cutoff_function" in content["config"]
    )


class _Modal(NamedTuple):
    """The chosen modal: its position, and the number of modals; (0, 0) if the model has none."""

    position: int
    number: int


def potential_from_sevennet(
    content: Mapping[str, Any], head: str | None = None, precision: Precision | None = None
) -> Potential:
    """Convert a checkpoint of SevenNet to a potential with the same energies.

    Args:
        content: the checkpoint, from `read_torch_file`.
        head: name of the modal; required if the model has several.
        precision: precision of the potential; by default that of the model.

    Returns:
        The potential.

    Raises:
        ConversionError: the family does not support a setting of the model, or the modal is missing or unknown.
    """
    given = {str(name): value for name, value in content["config"].items()}
    known = {name: value for name, value in given.items() if name in FIXED or name in USED}
    check_hyperparameters(known, USED, FIXED, PEER, TYPES)
    for name, least, most in (("lmax", 0, _MOST_DEGREES), ("num_convolution_layer", 1, _MOST_LAYERS)):
        if not least <= given[name] <= most:
            raise ConversionError(f"{name}: expected {least} to {most}, got {given[name]}")
    if not 0 < given["cutoff"] < math.inf:
        raise ConversionError(f"cutoff: expected a positive number, got {given['cutoff']}")
    stored = {str(k): v.tensor() for k, v in content["model_state_dict"].items() if isinstance(v, StoredTensor)}
    is_double = any(tensor.dtype == torch.float64 for tensor in stored.values())
    own: Precision = "float64" if is_double else "float32"
    state = ForeignState(_with_new_names(stored), _IGNORED)
    modal = _chosen_modal(given, head)
    order = _order_of_species(given["_type_map"])
    elements = [chemical_symbols[number] for number in sorted(given["_type_map"])]
    scale, shift = (_per_species(state, name, modal, order) for name in ("scale", "shift"))
    denominators = [state.take(f"{t}_convolution.denominator", 1) for t in range(given["num_convolution_layer"])]
    config = _config(given, elements, scale, float(denominators[0]), modal)
    converter = _Converter(config, state, modal, order)
    energies = {symbol: shift[i] + scale[i] * converter.constant_energy for i, symbol in enumerate(elements)}
    metadata = {"imported_from": {"program": PEER, "version": str(given["version"])}}
    potential = Potential(config, energies, precision or own, metadata)
    ratios = torch.cat(denominators) / denominators[0]
    converter.fill_model(cast(NequIP, potential.model), ratios, by_output=_release(given["version"]) >= (0, 11))
    state.finish()
    if modal.number:
        potential.metadata["imported_from"] |= {"head": head, "heads": list(given["_modal_map"])}
    return potential


def _with_new_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the modules of checkpoints before release 0.10."""
    renamed = {}
    for name, tensor in tensors.items():
        module, _, rest = name.partition(".")
        module = _OLD_NAMES.get(module, module.replace(" ", "_"))
        renamed[f"{module}.{rest.replace('denumerator', 'denominator')}"] = tensor
    return renamed


def _chosen_modal(given: Mapping[str, Any], head: str | None) -> _Modal:
    modals = given.get("_modal_map") if given.get("use_modality") else {}
    if not isinstance(modals, Mapping) or sorted(map(str, modals.values())) != sorted(map(str, range(len(modals)))):
        raise ConversionError(f"_modal_map: expected the index of each modal, got {str(modals)[:60]}")
    if not modals:
        if head is not None:
            raise ConversionError(f"the model has no named heads; remove the option `head` (given: {head})")
        return _Modal(0, 0)
    if head is None:
        raise ConversionError(f"the model has several modals; choose one of {', '.join(modals)} as head")
    if head not in modals:
        raise ConversionError(f"the model has no modal {head}; expected one of {', '.join(modals)}")
    return _Modal(modals[head], len(modals))


def _order_of_species(type_map: Mapping[int, int]) -> list[int]:
    """Return the species indices of the model, sorted by atomic number."""
    if not all(type(z) is int and 0 < z < len(chemical_symbols) for z in type_map):
        raise ConversionError(f"_type_map: expected atomic numbers, got {str(list(type_map)[:5])[:60]}")
    if not type_map or any(species not in type_map.values() for species in range(len(type_map))):
        raise ConversionError("_type_map: expected each index of a species once")
    numbers = sorted(type_map)
    return [type_map[number] for number in numbers]


def _per_species(state: ForeignState, name: str, modal: _Modal, order: list[int]) -> list[float]:
    """Return scale or shift of each species: one number, one for each species, or one for each modal and species."""
    values = state.take(f"rescale_atomic_energy.{name}", -1)
    species = len(order)
    if modal.number and len(values) == modal.number * species:
        values = values.unflatten(0, (modal.number, species))[modal.position]
    if len(values) not in (1, species):
        raise ConversionError(f"rescale_atomic_energy.{name}: expected 1 or {species} numbers, got {len(values)}")
    return values.expand(species)[order].tolist()


def _config(
    given: Mapping[str, Any], elements: list[str], scale: list[float], denominator: float, modal: _Modal
) -> NequIPConfig:
    degree, is_parity = given["lmax"], given["is_parity"]
    widths = _widths(given)
    section = {
        "name": "nequip",
        "cutoff": float(given["cutoff"]),
        "elements": elements,
        "average_neighbors": denominator**2,
        "scale": scale[0] if len(set(scale)) == 1 else dict(zip(elements, scale, strict=True)),
        "shift": 0.0,
        "channels": widths[0] if len(set(widths)) == 1 else widths,
        "layers": given["num_convolution_layer"],
        "degree": degree,
        "parity": True if is_parity else "ignored",
        "radial": _radial(given),
        "radial_mlp": list(given["weight_nn_hidden_neurons"]),
        "self_connection": "linear" if given.get("self_connection_type") == "linear" else "all layers",
        "bias": bool(given.get("use_bias_in_linear")) or modal.number > 0,
        # The first releases did not normalize the vectors.
        "solid_harmonics": not given.get("_normalize_sph", False),
    }
    return converted_config(NequIPConfig, section, PEER)


def _widths(given: Mapping[str, Any]) -> list[int]:
    """Return the channels of each degree, from `irreps_manual` or `channel`."""
    manual, channel, degree = given.get("irreps_manual"), given["channel"], given["lmax"]
    if not manual:
        return [channel] * (degree + 1)
    if not isinstance(manual, list) or len(manual) != given["num_convolution_layer"] + 1 or len(manual) < 2:
        raise ConversionError(
            f"irreps_manual: expected the irreps before and after each of the {given['num_convolution_layer']} layers, "
            f"got {str(manual)[:60]}"
        )
    first, *hidden, last = [parse_irreps(text) for text in manual]
    scalars = [(channels, irrep) for channels, irrep in (hidden or [last])[0] if irrep.degree == 0]
    widths = {irrep.degree: channels for channels, irrep in (hidden or [last])[0]}
    expected = [Irrep(n, 1) for n in range(degree + 1)]
    is_regular = all(irreps == hidden[0] and [irrep for _, irrep in irreps] == expected for irreps in hidden)
    if given["is_parity"] or not is_regular or [first, last] != [scalars, scalars]:
        raise ConversionError(
            f"irreps_manual: expected only scalars in the first and the last entry, and the same even irreps of every "
            f"degree up to {degree}, with as many scalars, in all others; got {', '.join(manual)}; other features are "
            "not supported"
        )
    return [widths.get(n, channel) for n in range(degree + 1)]


def _radial(given: Mapping[str, Any]) -> dict[str, Any]:
    basis, cutoff_function = given["radial_basis"], given["cutoff_function"]
    if basis.get("radial_basis_name") != "bessel":
        raise ConversionError(f"radial_basis: expected bessel, got {basis.get('radial_basis_name')}; not supported")
    section = {"size": basis.get("bessel_basis_num", 8), "trainable": bool(basis.get("trainable_coeff", True))}
    name = cutoff_function.get("cutoff_function_name")
    if name == "poly_cut":
        return section | {"envelope_power": cutoff_function.get("poly_cut_p_value", 6)}
    onset = cutoff_function.get("cutoff_on")
    if name == "XPLOR" and isinstance(onset, _NUMBER):
        return section | {"envelope": "xplor", "envelope_onset": onset / given["cutoff"]}
    raise ConversionError(
        f"cutoff_function: expected poly_cut, or XPLOR with cutoff_on, got {str(cutoff_function)[:90]}; other "
        "functions are not supported"
    )


class _Converter:
    """Copies the weights in the order of the forward pass.

    Args:
        config: the configuration.
        state: the state dict.
        modal: the chosen modal.
        order: the species of the checkpoint, sorted by atomic number.

    Attributes:
        constant_energy: constant part of the readout, before scale and shift.
    """

    def __init__(self, config: NequIPConfig, state: ForeignState, modal: _Modal, order: list[int]) -> None:
        self.config, self.state, self.modal, self.order = config, state, modal, order
        self.num_species = len(order)
        self.readout, self.constant_energy = self._taken_readout()
        self.embedding = self._taken_embedding()

    def linear(self, name: str, shapes: Sequence[tuple[int, int]], scalars: int) -> tuple[list[Tensor], Tensor]:
        """Take the matrices of a linear map by block, and the bias of the scalars.

        Args:
            name: name of the module.
            shapes: shapes of the matrices.
            scalars: position of the even scalars among the blocks.

        Returns:
            The matrices, scaled for our normalization by the fan-in of each block without the modals; and the bias.
        """
        fan_in, width = shapes[scalars]
        bias = torch.zeros(width, dtype=torch.float64)
        if f"{name}.linear.bias" in self.state:
            bias = bias + self.state.take(f"{name}.linear.bias", width)
        number = self._modals(name, shapes)
        if not number:
            return self.state.take_blocks(f"{name}.linear.weight", shapes), bias
        *blocks, modals = self.state.take_blocks(f"{name}.linear.weight", [*shapes, (number, width)])
        norm = (fan_in + number) ** -0.5
        blocks[scalars] = blocks[scalars] * (norm * fan_in**0.5)
        return blocks, bias + modals[self.modal.position] * norm

    def _modals(self, name: str, shapes: Sequence[tuple[int, int]]) -> int:
        """Return the number of inputs of a linear map that state the modal."""
        size = self.state.size(f"{name}.linear.weight")
        return 0 if size == sum(rows * columns for rows, columns in shapes) else self.modal.number

    def _taken_readout(self) -> tuple[Tensor, float]:
        """Take the readout, two linear maps without activation: their product and the constant part."""
        inputs = self.config.scalar_channels
        hidden = inputs // 2
        (first,), bias = self.linear("reduce_input_to_hidden", [(inputs, hidden)], 0)
        (second,), constant = self.linear("reduce_hidden_to_energy", [(hidden, 1)], 0)
        second = second * hidden**-0.5
        return first @ second, float((bias @ second + constant)[0])

    def _taken_embedding(self) -> Tensor:
        """Take the linear map of one-hot species, [S, C_0]."""
        species, channels = self.num_species, self.config.scalar_channels
        (matrix,), bias = self.linear("onehot_to_feature_x", [(species, channels)], 0)
        embedding = matrix[self.order] * species**-0.5 + bias
        if self.config.self_connection == "all layers" and torch.linalg.matrix_rank(embedding) < species:
            raise ConversionError(
                f"self_connection_type: maps of {species} species cannot be written as linear maps of an embedding "
                f"with {channels} channels; this is only supported for at most {channels} species"
            )
        return embedding

    def fill_model(self, model: NequIP, ratios: Tensor, by_output: bool) -> None:
        """Copy all weights.

        Args:
            model: our network.
            ratios: denominators of the layers, relative to that of the first.
            by_output: whether paths are sorted by receiver, as since release 0.11.
        """
        config = self.config
        fill(model.embedding, self.embedding)
        frequencies = self.state.take("edge_embedding.basis_function.coeffs", config.radial.size)
        fill(cast(BesselBasis, model.edges.radial.basis).frequencies, frequencies)
        (weight,) = model.readout.weights
        fill(weight, self.readout)
        inputs = [SCALAR]
        for t, module in enumerate(model.convolutions):
            convolution = cast(Convolution, module)
            theirs = LayerOfPeer(config, inputs, [SCALAR] if t == config.layers - 1 else self._hidden())
            self._fill_linear_maps(t, theirs, convolution, ratios[t])
            self._fill_radial_network(t, theirs, convolution, by_output)
            self._fill_self_connection(t, theirs, convolution)
            inputs = theirs.outputs

    def _hidden(self) -> list[Irrep]:
        """Return the irreps of the features between layers, in the order of the program."""
        degrees = range(self.config.degree + 1)
        if self.config.parity == "ignored":
            return [Irrep(degree, 1) for degree in degrees]
        return [Irrep(degree, parity) for degree in degrees for parity in (-1, 1)]

    def _fill_linear_maps(self, t: int, theirs: LayerOfPeer, convolution: Convolution, ratio: Tensor) -> None:
        blocks, bias = self.linear(f"{t}_self_interaction_1", theirs.shapes_of_linear_1(), theirs.inputs.index(SCALAR))
        theirs.fill_linear_1(convolution, blocks)
        _fill_bias(convolution.linear_1.bias, bias)
        scalars = sorted(theirs.outputs).index(SCALAR)
        blocks, bias = self.linear(f"{t}_self_interaction_2", theirs.shapes_of_linear_2(), scalars)
        theirs.fill_linear_2(convolution, [block / ratio for block in blocks])
        _fill_bias(convolution.linear_2.bias, bias[: theirs.channels(SCALAR)])
        if convolution.gates is not None:
            _fill_bias(convolution.gates.bias, theirs.gates(convolution, bias))

    def _fill_radial_network(self, t: int, theirs: LayerOfPeer, convolution: Convolution, by_output: bool) -> None:
        weights, name = convolution.radial_network.weights, f"{t}_convolution.weight_nn.layer"
        taken = [self.state.take(f"{name}{layer}.weight", *weight.shape) for layer, weight in enumerate(weights)]
        sign = partial(self.state.coupling_sign, f"{t}_convolution.convolution.")
        taken[-1] = theirs.radial_weights(convolution, taken[-1], sign, by_output)
        # Factors of the Bessel functions, 2 / r_c and sqrt(2 / r_c), and of silu differ.
        taken[0] = taken[0] * math.sqrt(2 / self.config.cutoff)
        for layer, (weight, value) in enumerate(zip(weights, taken, strict=True)):
            fill(weight, value * (_SILU / math.sqrt(2) if layer else 1.0))

    def _fill_self_connection(self, t: int, theirs: LayerOfPeer, convolution: Convolution) -> None:
        kept = [(theirs.channels(irrep), theirs.width(irrep)) for irrep in theirs.kept()]
        name = f"{t}_self_connection_intro"
        if self.config.self_connection == "linear":
            theirs.fill_self_connection(convolution, self.state.take_blocks(f"{name}.linear.weight", kept))
        else:
            by_species = [(rows, self.num_species, columns) for rows, columns in kept]
            blocks = self.state.take_blocks(f"{name}.fc_tensor_product.weight", by_species)
            theirs.fill_self_connection(convolution, [self._of_embedding(block) for block in blocks])

    def _of_embedding(self, by_species: Tensor) -> Tensor:
        """Convert matrices for each species [rows, S, columns] to weights of the embedding [rows, C_0, columns]."""
        factor = (self.config.scalar_channels / self.num_species) ** 0.5
        return torch.einsum("vz,uzw->uvw", torch.linalg.pinv(self.embedding), by_species[:, self.order]) * factor


def _fill_bias(parameter: Tensor | None, value: Tensor) -> None:
    """Copy a bias; without one in our layer it must be zero."""
    if parameter is not None:
        fill(parameter, value.reshape(parameter.shape))
    elif value.any():
        raise ConversionError("the state dict contains biases of linear maps, but use_bias_in_linear is not set")


def _release(version: str) -> tuple[int, ...]:
    """Return major and minor release."""
    try:
        return tuple(int(part) for part in str(version).split(".")[:2])
    except ValueError as error:
        raise ConversionError(f"version: expected a release such as 0.9.1, got {version}") from error
