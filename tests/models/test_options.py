"""No option of a family's configuration is dead: each changes what the model predicts or what it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from families.cases import REFERENCE_ENERGIES, shipped_families, with_random_matrices
from families.structures import ethanol
from pydantic import BaseModel

from potentials.config import families
from potentials.config.families import ZBLConfig
from potentials.data.graph import build_graph
from potentials.errors import PotentialsError
from potentials.potential import Potential

BASE: dict[str, Any] = {
    "cutoff": 3.5,
    "elements": ["H", "C", "O"],
    "average_neighbors": 4.0,
    "scale": 2.0,
    "shift": 0.5,
    "channels": 3,
    "radial_mlp": [6],
    "radial": {"envelope_power": 5},
    "zbl": {"envelope_power": 6},
}
FAMILY_BASE: dict[str, dict[str, Any]] = {
    "ace": {"polynomial_degree": 6},
    "allegro": {"layers": 3},
    "e3x": {
        "layers": 4,
        "radial": {"mapping": "exponential", "size": 5, "envelope": "polynomial", "envelope_power": 5},
    },
}
COMMON: dict[str, list[Any]] = {
    "cutoff": [4.0],
    "elements": [["H", "C", "N", "O"]],
    "average_neighbors": [7.0],
    "scale": [3.0, {"H": 2.0, "C": 2.0, "O": 2.5}],
    "shift": [0.6, {"H": 0.5, "C": 0.5, "O": 0.6}],
    "zbl": [None],
    "zbl.envelope_power": [5],
    "zbl.prefactor": [1.1],
    "zbl.range": ["cutoff"],
    "channels": [4],
    "layers": [1, 3],
    "radial_mlp": [[], [6, 6]],
    "radial.basis": ["gaussian", "chebyshev"],
    "radial.size": [7],
    "radial.trainable": [True],
    "radial.envelope": ["cosine", "smooth", "xplor"],
    "radial.envelope_power": [6],
    "radial.distance_transform": ["agnesi"],
}
TESTED_ELSEWHERE = {"ace": {"regularization", "radial.trainable"}, "allegro": {"embedding_channels"}}
"""How coefficients are found (tests/training/linear/test_linear_fit.py); what is refused (test_ace.py); what depends on
another option (test_allegro.py)."""
OPTIONS: dict[str, dict[str, list[Any]]] = {
    "ace": {
        option: values
        for option, values in COMMON.items()
        if option not in ("channels", "layers", "radial_mlp", "radial.trainable")
    }
    | {"correlation": [1, 4], "polynomial_degree": [5, [6, 5, 4]], "angular_degree": [1], "radial.size": [3]},
    "mace": COMMON
    | {
        "feature_degree": [0, 2],
        "edge_degree": [1, 4],
        "correlation": [2, [3, 2], [2, 3]],
        "readout_channels": [8],
        "first_interaction": ["non-residual"],
        "interaction": ["non-residual"],
        "normalization": ["density"],
    },
    "nequip": COMMON
    | {
        "channels": [4, [4, 2]],
        "degree": [0, 2],
        "parity": [False, "ignored"],
        "self_connection": [False, "all layers", "linear"],
        "bias": [True],
        "solid_harmonics": [True],
    },
    "allegro": {option: values for option, values in COMMON.items() if option != "radial_mlp"}
    | {
        "degree": [0, 1],
        "parity": [False],
        "layers": [1, 2],
        "scalars": ["dense"],
        "scalar_channels": [5],
        "embedding_mlp": [[], [7]],
        "latent_mlp": [[], [7]],
        "readout_mlp": [[], [7]],
        "radial.envelope_power": [4],
    },
    "e3x": {option: values for option, values in COMMON.items() if option != "radial_mlp"}
    | {
        "layers": [1, 3, 5],
        "degree": [0, 1, 3],
        "pseudotensors": [True],
        "activation": ["gelu", "mish"],
        "attention_heads": [1, 3],
        "radial.basis": ["chebyshev", "fourier", "gaussian"],
        "radial.mapping": [
            "none",
            "reciprocal",
            "reciprocal damped",
            "reciprocal cuspless",
            "exponential cuspless",
        ],
    },
    "painn": {option: values for option, values in COMMON.items() if option != "radial_mlp"} | {"layers": [1, 2]},
    "ponita": {
        option: values
        for option, values in COMMON.items()
        if option != "radial_mlp" and not option.startswith("radial.")
    }
    | {
        "orientations": [0, 8],
        "basis": [20],
        "polynomial_degree": [2, 4],
        "widening": [2],
        "envelope_power": [5],
    },
    "schnet": {option: values for option, values in COMMON.items() if option != "radial_mlp"}
    | {"layers": [1, 2], "radial.basis": ["bessel", "chebyshev"]},
}
CASES = [
    (family, option, value)
    for family, options in OPTIONS.items()
    for option, values in options.items()
    for value in values
]


def base(family: str) -> dict[str, Any]:
    """`BASE`, as far as the family has it, and what it takes for all of the family's options to matter: with few layers
    pseudotensors are of no use to Allegro and E3x."""
    fields = families()[family].model_fields
    values = {option: value for option, value in BASE.items() if option in fields}
    return values | FAMILY_BASE.get(family, {})


def changed(values: dict[str, Any], option: str, value: Any) -> dict[str, Any]:
    first, _, rest = option.partition(".")
    return values | {first: changed(values[first], rest, value) if rest else value}


def potential(family: str, values: dict[str, Any]) -> Potential:
    config = families()[family].model_validate({"name": family, **values})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return with_random_matrices(Potential(config, REFERENCE_ENERGIES | {"N": -1.0}, "float64").eval())


def parameters(potential: Potential) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what is learned."""
    return {name: tuple(p.shape) for name, p in potential.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(("family", "option", "value"), CASES, ids=lambda value: str(value))
def test_every_option_changes_something(family: str, option: str, value: Any) -> None:
    before, after = potential(family, base(family)), potential(family, changed(base(family), option, value))
    if parameters(before) != parameters(after):
        return
    # With the same random weights, the option itself makes the difference.
    weights = dict(after.named_parameters())
    assert all(torch.equal(p, weights[name]) for name, p in before.named_parameters() if p.requires_grad)
    atoms = ethanol()
    # Close enough for the repulsion to act.
    atoms.positions *= 0.9
    energies = [p(build_graph(atoms, p.elements, p.cutoff), forces=False).energy for p in (before, after)]
    assert abs(energies[0] - energies[1]) > 1e-6


@pytest.mark.parametrize("family", shipped_families())
def test_every_option_is_tested(family: str) -> None:
    def names(config: type[BaseModel], prefix: str = "") -> set[str]:
        nested = {name: field.annotation for name, field in config.model_fields.items() if name == "radial"}
        nested["zbl"] = ZBLConfig
        found = set()
        for name in config.model_fields:
            found |= names(nested[name], f"{name}.") if name in nested else {prefix + name}
        return found

    tested = OPTIONS.get(family, {}).keys() | TESTED_ELSEWHERE.get(family, set()) | {"name", "radial.envelope_onset"}
    untested = names(families()[family]) - tested
    assert not untested, f"add values of {', '.join(sorted(untested))} to OPTIONS in tests/models/test_options.py"


@pytest.mark.parametrize("family", [family for family in shipped_families() if family != "ponita"])
def test_the_onset_of_the_envelope(family: str) -> None:
    section = changed(base(family), "radial.envelope", "xplor")
    graphs = [build_graph(ethanol(), ["H", "C", "O"], 3.5)]
    early, late = (potential(family, changed(section, "radial.envelope_onset", onset)) for onset in (0.2, 0.8))
    energies = [p(graphs[0], forces=False).energy for p in (early, late)]
    assert abs(energies[0] - energies[1]) > 1e-6


@pytest.mark.parametrize("family", shipped_families())
def test_options_that_need_a_change_of_the_model_make_one(family: str) -> None:
    """Widths and degrees change the parameters; envelopes, normalization and scales do not."""
    start = base(family)
    shapes = parameters(potential(family, start))
    for option in {"channels", "layers", "radial_mlp", "radial.size", "radial.trainable"} & OPTIONS[family].keys():
        assert parameters(potential(family, changed(start, option, OPTIONS[family][option][-1]))) != shapes
    same = {"cutoff", "average_neighbors", "scale", "shift", "zbl", "radial.envelope", "radial.envelope_power"}
    for option in same & OPTIONS[family].keys():
        assert parameters(potential(family, changed(start, option, COMMON[option][0]))) == shapes


@pytest.mark.parametrize("family", shipped_families())
@pytest.mark.parametrize("option", ["elements", "average_neighbors", "scale", "shift"])
def test_auto_is_no_value(family: str, option: str) -> None:
    with pytest.raises(PotentialsError, match=f"model.{option}: expected a value, got auto"):
        potential(family, base(family) | {option: "auto"})
