"""What models of nequip and nequip-allegro have in common: types of atoms, scale and shift, ZBL repulsion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from torch import Tensor, nn

from potentials.config.families import FamilyConfig
from potentials.config.train import Precision
from potentials.errors import ConversionError
from potentials.interop.foreign_state import ForeignState
from potentials.potential import Potential

_IGNORED = ("output_mask",)
_MOST_LAYERS = 20
"""Hidden layers of a network, as in our configurations."""


def state_without_prefix(state_dict: Mapping[str, Tensor], known: str) -> ForeignState:
    """Return a state without the prefixes that wrappers add to names (`model.func.`, `sole_model.model.func.`).

    Args:
        state_dict: the state dict.
        known: a name without prefix.

    Raises:
        ConversionError: the state dict does not contain the name once.
    """
    found = [name for name in state_dict if name.endswith(known)]
    if len(found) != 1:
        raise ConversionError(f"{known}: expected once in the state dict, found {len(found)} times")
    prefix = found[0][: -len(known)]
    return ForeignState({name.removeprefix(prefix): tensor for name, tensor in state_dict.items()}, _IGNORED)


def converted_model(
    given: Mapping[str, Any],
    state: ForeignState,
    peer: str,
    precision: Precision,
    config_of: Callable[[dict[str, Any]], FamilyConfig],
    fill_model: Callable[[nn.Module, list[int]], None],
) -> Potential:
    """Convert a model to a potential with the same energies.

    Args:
        given: the hyperparameters.
        state: all tensors of the model.
        peer: name of the other program.
        precision: of the potential.
        config_of: completes the settings that both families have to a configuration.
        fill_model: fills the parameters of the network; it is given the order that sorts the peer's types by atomic
            number.

    Raises:
        ConversionError: types are not elements, the pair potential is not supported, or tensors are missing or left.
    """
    symbols = list(given.get("chemical_species") or given["type_names"])
    unknown = [symbol for symbol in symbols if symbol not in atomic_numbers]
    if unknown or not symbols:
        raise ConversionError(f"type_names: expected chemical symbols, got {', '.join(map(str, unknown)) or 'none'}")
    order = np.argsort([atomic_numbers[symbol] for symbol in symbols]).tolist()
    elements = [symbols[i] for i in order]
    scales = _per_type(state, "scales", 1.0, order)
    # The network gives an isolated atom no energy, so the shift is its energy.
    shifts = _per_type(state, "shifts", 0.0, order)
    config = config_of(
        {
            "cutoff": float(given["r_max"]),
            "elements": elements,
            "average_neighbors": float(given["avg_num_neighbors"]),
            "scale": dict(zip(elements, scales, strict=True)),
            "shift": 0.0,
            "zbl": _repulsion(given.get("pair_potential"), peer),
        }
    )
    state.check("edge_norm._rmax_recip", 1 / config.cutoff)
    if config.zbl is not None:
        state.check("pair_potential.atomic_numbers", [float(atomic_numbers[symbol]) for symbol in symbols])
        state.check("pair_potential._qqr2exesquare", 14.399645 / 2)
    energies = dict(zip(elements, shifts, strict=True))
    potential = Potential(config, energies, precision, {"imported_from": {"program": peer}})
    fill_model(potential.model, order)
    state.finish()
    return potential


def hidden_layers(given: Mapping[str, Any], name: str) -> list[int]:
    """Return the sizes of the hidden layers of a network, of which `name` is the prefix of depth and width.

    Raises:
        ConversionError: depth or width are not possible.
    """
    depth, width = given[f"{name}_depth"], given[f"{name}_width"]
    if not 0 <= depth <= _MOST_LAYERS or width < 1:
        expected = f"a depth from 0 to {_MOST_LAYERS} and a positive width"
        raise ConversionError(f"{name}: expected {expected}, got depth {depth}, width {width}")
    return [width] * depth


def _per_type(state: ForeignState, name: str, default: float, order: list[int]) -> list[float]:
    """Take a scale or shift for each element; `default` if there are none."""
    name = f"per_type_energy_scale_shift.{name}"
    if name not in state:
        return [default] * len(order)
    return state.take(name, -1).expand(len(order))[order].tolist()


def _repulsion(given: Any, peer: str) -> dict[str, Any] | None:
    """Return the settings of the ZBL repulsion; None if there is no pair potential."""
    if given is None:
        return None
    settings = given if isinstance(given, Mapping) else {}
    kind = str(settings.get("_target_")).rpartition(".")[2] if settings else type(given).__name__
    units, power = settings.get("units"), settings.get("polynomial_cutoff_p", 6)
    if kind != "ZBL" or units != "metal" or not isinstance(power, int | float) or not float(power).is_integer():
        expected = "ZBL with units: metal and an integer polynomial_cutoff_p"
        found = f"{kind} with units: {units}, polynomial_cutoff_p: {power}"
        raise ConversionError(
            f"hyperparameters of {peer}:\n  pair_potential: expected {expected}, got {found}; others are not supported"
        )
    return {"range": "cutoff", "envelope_power": int(power)}
