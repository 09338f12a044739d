"""Conversion of model files of mace-torch (`NAME.model`): hyperparameters are attributes of the modules."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from potentials.config.train import Precision
from potentials.errors import ConversionError
from potentials.interop.mace_torch import PEER, potential_from_mace
from potentials.interop.pickles import Record, StoredTensor
from potentials.interop.pickles.modules import class_of, has_submodule, stored_state, submodule, submodules
from potentials.potential import MultiHeadPotential, Potential

_MODELS = ("MACE", "ScaleShiftMACE")
_RADIAL_TYPES = {"BesselBasis": "bessel", "GaussianBasis": "gaussian", "ChebychevBasis": "chebyshev"}
_OPTIONS = (
    "use_so3", "use_agnostic_product", "use_last_readout_only", "use_edge_irreps_first", "edge_irreps", "apply_cutoff",
    "embedding_specs", "keep_last_layer_irreps",
)  # fmt: skip
"""Attributes of the model that are hyperparameters."""


def is_mace_model(content: Any) -> bool:
    """Return whether the content of a file is a model of mace-torch, of any class."""
    return isinstance(content, Record) and type(content).class_name.startswith("mace.")


def potential_from_mace_model(model: Record, head: str | None = None, precision: Precision | None = None) -> Potential:
    """Convert a stored model of mace-torch to a potential with the same energies.

    Args:
        model: the model, from `read_torch_file`.
        head: name of the head to convert; by default all.
        precision: precision of the potential; by default that of the model.

    Returns:
        The potential; a `MultiHeadPotential` if the model has several heads and none is chosen.

    Raises:
        ConversionError: the head is unknown, or the family does not support the class or a setting of the model.
    """
    if class_of(model) not in _MODELS:
        raise ConversionError(f"expected a model of {PEER} of the class {' or '.join(_MODELS)}, got {class_of(model)}")
    heads = _heads(model)
    if head is not None and head not in heads:
        raise ConversionError(f"the model has no head {head}; its heads are {', '.join(heads)}")
    state = stored_state(model)
    hyperparameters = _hyperparameters(model, state)
    potentials = {}
    for number, name in enumerate(heads):
        if head in (None, name):
            of_head = _of_head(state, number, len(heads))
            potentials[name] = potential_from_mace(hyperparameters, of_head, precision or _precision(state))
    chosen = next(iter(potentials.values())) if len(potentials) == 1 else MultiHeadPotential.joined(potentials)
    chosen.metadata["imported_from"] |= {"class": class_of(model), "heads": heads}
    if len(potentials) == 1:
        chosen.metadata["imported_from"]["head"] = next(iter(potentials))
    return chosen


def _heads(model: Record) -> list[str]:
    found = model.attribute("heads") or ["Default"]
    if not isinstance(found, list | tuple):
        raise ConversionError(f"heads: expected a list of names, got {str(found)[:60]}")
    return [str(name) for name in found]


def _precision(state: Mapping[str, Tensor]) -> Precision:
    return "float32" if _tensor(state, "node_embedding.linear.weight").dtype == torch.float32 else "float64"


def _tensor(state: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in state:
        raise ConversionError(f"the model has no tensor {name}")
    return state[name]


def _common(values: Sequence[Any], what: str) -> Any:
    """Return the value that all layers have in common; the family has one for all."""
    if any(value != values[0] for value in values):
        raise ConversionError(f"{what}: expected the same in all layers, got {', '.join(map(str, values))}")
    return values[0]


def _hyperparameters(model: Record, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of mace-torch's constructor, from the attributes and tensors of the model."""
    interactions = list(submodules(submodule(model, "interactions")).values())
    products = list(submodules(submodule(model, "products")).values())
    readouts = list(submodules(submodule(model, "readouts")).values())
    if not interactions or not readouts or len(products) != len(interactions):
        raise ConversionError("the model has no interactions, products and readouts, or different numbers of them")
    embedding = submodule(model, "radial_embedding")
    radial_type = class_of(submodule(embedding, "bessel_fn"))
    given = {
        "model": class_of(model),
        "r_max": _number(state, "r_max"),
        "num_bessel": _number_of_functions(state, radial_type),
        "num_polynomial_cutoff": int(_number(state, "radial_embedding.cutoff_fn.p")),
        "max_ell": submodule(model, "spherical_harmonics").attribute("_lmax"),
        "interaction_cls": _common([class_of(block) for block in interactions[1:] or interactions], "interaction"),
        "interaction_cls_first": class_of(interactions[0]),
        "num_interactions": len(interactions),
        "hidden_irreps": irreps_text(submodule(products[0], "linear").attribute("irreps_out")),
        "MLP_irreps": _hidden_irreps(readouts[-1], model),
        "avg_num_neighbors": _common(
            [_plain_number(block.attribute("avg_num_neighbors")) for block in interactions], "avg_num_neighbors"
        ),
        "atomic_numbers": _tensor(state, "atomic_numbers").tolist(),
        "correlation": [_correlation(product) for product in products],
        "radial_MLP": _hidden_sizes(state),
        "radial_type": _RADIAL_TYPES.get(radial_type, radial_type),
        "distance_transform": _transform(embedding),
        "pair_repulsion": has_submodule(model, "pair_repulsion_fn"),
    }
    if len(readouts) > 1:
        given |= {"readout_cls": class_of(readouts[-1]), "gate": _gate(readouts[-1])}
    return given | {name: model.attribute(name) for name in _OPTIONS if model.attribute(name) is not None}


def irreps_text(irreps: Any) -> str:
    """Return irreps of e3nn as text such as `64x0e+64x1o`: a tuple of (multiplicity, (degree, parity)).

    Raises:
        ConversionError: the value is not such a tuple.
    """
    parts = []
    for part in _elements(irreps):
        multiplicity, irrep = _elements(part)
        degree, parity = _elements(irrep)
        parts.append(f"{multiplicity}x{degree}{'e' if parity == 1 else 'o'}")
    return "+".join(parts)


def _elements(record: Any) -> tuple[Any, ...]:
    """Return the elements of a tuple, or of a record of a subclass of tuple."""
    content = record.arguments if isinstance(record, Record) else record
    if isinstance(record, Record) and len(content) == 1 and isinstance(content[0], tuple | list):
        content = content[0]
    if not isinstance(content, tuple | list):
        raise ConversionError(f"expected irreps of e3nn, got {record!r}")
    return tuple(content)


def _number_of_functions(state: Mapping[str, Tensor], radial_type: str) -> int:
    """Return the number of Bessel functions; other types have other tensors, and are refused with their name."""
    if radial_type != "BesselBasis":
        return 0
    return _tensor(state, "radial_embedding.bessel_fn.bessel_weights").numel()


def _number(state: Mapping[str, Tensor], name: str) -> float:
    if name not in state or state[name].numel() != 1:
        raise ConversionError(f"the model has no scalar {name}")
    return float(state[name].item())


def _plain_number(value: Any) -> float:
    if isinstance(value, StoredTensor):
        value = value.tensor().item()
    if not isinstance(value, int | float):
        raise ConversionError(f"avg_num_neighbors: expected a number, got {value!r}")
    return float(value)


def _hidden_irreps(readout: Record, model: Record) -> str:
    """Return the hidden features of one head; all heads together have as many times more."""
    if readout.attribute("hidden_irreps") is None:
        return "1x0e"  # without a nonlinear readout the argument has no effect
    text = irreps_text(readout.attribute("hidden_irreps"))
    heads = len(_heads(model))
    matched = re.fullmatch(r"(\d+)x0e", text)
    if matched is None or int(matched[1]) % heads:
        raise ConversionError(f"hidden features of the readout: expected scalars for {heads} heads, got {text}")
    return f"{int(matched[1]) // heads}x0e"


def _correlation(product: Record) -> int:
    contraction = submodule(product, "symmetric_contractions", "contractions", "0")
    return 1 + len(submodule(contraction, "weights").mapping("_parameters"))


def _hidden_sizes(state: Mapping[str, Tensor]) -> list[int]:
    sizes: list[int] = []
    while (name := f"interactions.0.conv_tp_weights.layer{len(sizes)}.weight") in state:
        sizes.append(state[name].shape[1])
    return sizes[:-1]


def _transform(embedding: Record) -> str | None:
    if not has_submodule(embedding, "distance_transform"):
        return None
    return class_of(submodule(embedding, "distance_transform")).removesuffix("Transform")


def _gate(readout: Record) -> str:
    """Return the name of the activation of a nonlinear readout; a model may have none."""
    activations = list(submodules(submodule(readout, "non_linearity", "acts")).values())
    return class_of(activations[0].attribute("f")) if activations else "None"


def _of_head(state: Mapping[str, Tensor], number: int, heads: int) -> dict[str, Tensor]:
    """Return the state dict of a model with this head alone.

    Energies, scale and shift have a row for each head. A linear readout has a column for each head. The hidden features
    of a nonlinear readout are grouped by head, and the last layer only uses those of the head; e3nn divides it by the
    square root of their number, which is `heads` times larger than with one head.
    """
    single = dict(state)
    name = "atomic_energies_fn.atomic_energies"
    energies = torch.atleast_2d(_tensor(state, name))
    single[name] = _of_heads(name, energies, heads)[number] if len(energies) > 1 else energies[0]
    for name in ("scale_shift.scale", "scale_shift.shift"):
        if name in state:
            values = torch.atleast_1d(state[name])
            single[name] = _of_heads(name, values, heads)[number] if len(values) > 1 else values[0]
    if heads == 1:
        return single
    for name in [name for name in state if name.startswith("readouts.") and name.endswith(".weight")]:
        prefix, _, layer = name.removesuffix(".weight").rpartition(".")
        if layer == "linear":
            single[name] = _grouped(name, state[name], -1, heads)[:, number]
            continue
        last = _grouped(f"{prefix}.linear_2.weight", _tensor(state, f"{prefix}.linear_2.weight"), heads, -1, heads)
        if layer == "linear_1":
            single[name] = _grouped(name, state[name], -1, heads, last.shape[1])[:, number].flatten()
        elif layer == "linear_2":
            single[name] = last[number, :, number] / heads**0.5
    return single


def _of_heads(name: str, values: Tensor, heads: int) -> Tensor:
    if len(values) != heads:
        raise ConversionError(f"{name}: expected values for {heads} heads, got {len(values)}")
    return values


def _grouped(name: str, weights: Tensor, *shape: int) -> Tensor:
    """Reshape weights; the factors of their number are those of the heads and their features."""
    factor = abs(math.prod(shape))
    if weights.numel() == 0 or weights.numel() % factor:
        raise ConversionError(f"{name}: expected a multiple of {factor} weights, got {weights.numel()}")
    return weights.reshape(shape)
