"""Which configurations of each family the physics suite runs. A new family joins by adding an entry to `VARIANTS`.

The first variant of each family is part of `make test`, the others are part of `make test-all`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from families.structures import ELEMENTS

import potentials.models  # noqa: F401  (registers the families)
from potentials.config import FamilyConfig, families
from potentials.config.train import Precision
from potentials.potential import Potential

REFERENCE_ENERGIES = {"H": -1.3, "C": -2.4, "O": -3.7}
COMMON: dict[str, Any] = {
    "cutoff": 3.5,
    "elements": ELEMENTS,
    "average_neighbors": 4.0,
    "scale": 11.0,
    "shift": 0.2,
}


@dataclass(frozen=True)
class Variant:
    """One configuration of a family.

    Attributes:
        options: what differs from the family's defaults and from `COMMON`.
        symmetry_tolerance: of energies in eV, forces in eV/A and stress in eV/A^3, relative to the largest.
        unused_parameters: patterns of the names of parameters that no energy depends on; say why beside it.
        partly_unused_parameters: the same where some of the numbers matter.
        reflections: whether energies are invariant under reflections.
    """

    options: Mapping[str, Any]
    symmetry_tolerance: float = 1e-10
    unused_parameters: tuple[str, ...] = ()
    partly_unused_parameters: tuple[str, ...] = ()
    reflections: bool = True


# The last layer makes scalars of proper tensors only, so the pseudovectors (1e) of the layer before it, their gates and
# the radial weights of their paths are never used; the published architecture has these weights.
_NEQUIP_PSEUDOVECTORS: dict[str, Any] = {
    "partly_unused_parameters": (
        "convolutions.1.linear_2.weight",
        "convolutions.2.linear_1.weight",
        "convolutions.1.radial_network.weight",
        "convolutions.1.gates.weight",
        "convolutions.1.gates_self_connection.weights.0",
    ),
}

_NEQUIP_PSEUDOVECTORS_AND_BIASES: dict[str, Any] = {
    "partly_unused_parameters": (
        "convolutions.1.linear_2.weight",
        "convolutions.2.linear_1.weight",
        "convolutions.1.radial_network.weight",
        "convolutions.1.gates.weight",
        "convolutions.1.gates.bias",
        "convolutions.1.gates_self_connection.weight",
    ),
}

VARIANTS: dict[str, dict[str, Variant]] = {
    "ace": {
        "four factors": Variant(
            {"correlation": 4, "polynomial_degree": [8, 6, 5, 5], "radial": {"size": 6}, "scale": 30.0, "shift": 0.2}
        ),
        "three factors": Variant(
            {
                "correlation": 3,
                "polynomial_degree": 6,
                "angular_degree": 3,
                "radial": {"basis": "chebyshev", "size": 5, "envelope": "smooth", "distance_transform": "agnesi"},
                "zbl": True,
                "scale": {"H": 70.0, "C": 130.0, "O": 110.0},
                "shift": {"H": 0.1, "C": -0.3, "O": 0.2},
            }
        ),
        "pairs": Variant(
            {"correlation": 1, "radial": {"basis": "gaussian", "size": 8, "envelope_power": 6}, "scale": 3.0}
        ),
    },
    "allegro": {
        # Random weights are tamed: products of three layers grow with the number of neighbors.
        "parity": Variant(
            {
                "channels": 3,
                "scalar_channels": 8,
                "layers": 3,
                "degree": 1,
                "latent_mlp": [8],
                "average_neighbors": 40.0,
                "scale": 3.0,
            }
        ),
        "no parity": Variant(
            {
                "channels": 4,
                "scalar_channels": 6,
                "degree": 2,
                "parity": False,
                "latent_mlp": [8, 8],
                "radial": {"basis": "bessel", "trainable": True, "envelope_power": 5},
                "zbl": True,
                "scale": {"H": 0.7, "C": 1.3, "O": 1.1},
                "shift": {"H": 0.1, "C": -0.3, "O": 0.2},
            }
        ),
        "dense": Variant(
            {
                "scalars": "dense",
                "channels": 3,
                "scalar_channels": 8,
                "layers": 3,
                "degree": 1,
                "embedding_channels": 6,
                "embedding_mlp": [7],
                "latent_mlp": [8],
                "average_neighbors": 40.0,
                "scale": 3.0,
            }
        ),
        "one layer": Variant({"channels": 4, "scalar_channels": 6, "layers": 1, "degree": 0, "latent_mlp": [8]}),
    },
    "e3x": {
        "proper": Variant({"channels": 4, "scale": 3.0}),
        "pseudotensors": Variant(
            {
                "channels": 3,
                "layers": 4,
                "degree": 1,
                "pseudotensors": True,
                "activation": "mish",
                "radial": {"mapping": "exponential cuspless", "size": 6, "trainable": True, "envelope": "polynomial"},
                "zbl": True,
                "scale": {"H": 7.0, "C": 13.0, "O": 11.0},
                "shift": {"H": 0.1, "C": -0.3, "O": 0.2},
            }
        ),
        "invariant": Variant(
            {
                "channels": 6,
                "layers": 2,
                "degree": 0,
                "activation": "gelu",
                "radial": {"basis": "gaussian", "mapping": "reciprocal damped", "size": 8},
            }
        ),
        "attention": Variant(
            {
                "channels": 4,
                "degree": 2,
                "pseudotensors": True,
                "attention_heads": 2,
                "radial": {"basis": "fourier", "mapping": "none", "size": 6},
                # Means over neighbors vary less than sums.
                "scale": 15.0,
                "shift": -3.0,
            }
        ),
    },
    "painn": {
        # With as many functions as by default random energies are rough.
        "bessel": Variant({"channels": 6, "radial": {"size": 6}, "scale": 3.0}),
        "gaussian": Variant(
            {
                "channels": 4,
                "layers": 2,
                "radial": {"basis": "gaussian", "size": 6, "trainable": True, "envelope": "smooth"},
                "zbl": True,
                "scale": {"H": 7.0, "C": 13.0, "O": 11.0},
                "shift": {"H": 0.1, "C": -0.3, "O": 0.2},
            }
        ),
    },
    "ponita": {
        "distances": Variant({"channels": 6, "layers": 2, "orientations": 0, "basis": 8, "widening": 2}),
        # The grid breaks the symmetry under rotations; how far depends on the weights.
        "orientations": Variant(
            {
                "channels": 8,
                "layers": 2,
                "orientations": 40,
                "polynomial_degree": 2,
                "basis": 8,
                "widening": 2,
                "zbl": True,
                "scale": {"H": 9.1, "C": 16.9, "O": 14.3},
                "shift": {"H": 4.1, "C": 3.7, "O": 4.2},
            },
            symmetry_tolerance=0.1,
        ),
    },
    "schnet": {
        # As many Gaussians as by default make random energies rough: 0.07 A wide, where a step moves atoms by 0.02 A.
        "gaussian": Variant({"channels": 6, "radial": {"basis": "gaussian", "size": 12}, "scale": 3.0}),
        "bessel": Variant(
            {
                "channels": 4,
                "layers": 2,
                "radial": {"basis": "bessel", "size": 6, "trainable": True, "envelope": "smooth"},
                "zbl": True,
                "scale": {"H": 7.0, "C": 13.0, "O": 11.0},
                "shift": {"H": 0.1, "C": -0.3, "O": 0.2},
            }
        ),
    },
    "mace": {
        "residual": Variant({"channels": 4}),
        "non-residual": Variant(
            {
                "channels": 4,
                "feature_degree": 2,
                "edge_degree": 2,
                "correlation": [3, 2],
                "first_interaction": "non-residual",
                "interaction": "non-residual",
                "normalization": "density",
                "radial": {"basis": "gaussian", "trainable": True, "envelope": "smooth"},
                "radial_mlp": [16],
                "zbl": True,
                "scale": {"H": 7.0, "C": 13.0, "O": 11.0},
                "shift": {"H": 0.1, "C": -0.3, "O": 0.2},
            }
        ),
        "three layers": Variant(
            {
                "channels": 4,
                "layers": 3,
                "edge_degree": 1,
                "correlation": 2,
                "first_interaction": "non-residual",
                "radial": {"basis": "bessel", "trainable": True, "distance_transform": "agnesi"},
                "radial_mlp": [8, 8],
            }
        ),
        "invariant": Variant(
            {
                "channels": 6,
                "layers": 1,
                "feature_degree": 0,
                "edge_degree": 4,
                "correlation": 2,
                "radial": {"basis": "chebyshev", "size": 5},
                "radial_mlp": [16],
            }
        ),
    },
    "nequip": {
        "parity": Variant({"channels": 4, "layers": 3}, **_NEQUIP_PSEUDOVECTORS),
        "no parity": Variant(
            {
                "channels": 4,
                "layers": 2,
                "degree": 2,
                "parity": False,
                "radial": {"basis": "bessel", "trainable": True, "envelope_power": 6},
                "radial_mlp": [16, 16],
                "zbl": True,
                "scale": {"H": 7.0, "C": 13.0, "O": 11.0},
                "shift": {"H": 0.1, "C": -0.3, "O": 0.2},
            }
        ),
        "channels by degree": Variant(
            {
                "channels": [6, 4, 2],
                "layers": 3,
                "degree": 2,
                "self_connection": "linear",
                "bias": True,
                "solid_harmonics": True,
                "radial": {"envelope": "xplor", "envelope_onset": 0.8},
                "radial_mlp": [8],
                # Solid harmonics grow with the distance.
                "scale": 0.4,
            },
            **_NEQUIP_PSEUDOVECTORS_AND_BIASES,
        ),
        "without parity": Variant(
            {"channels": [4, 2], "layers": 3, "parity": "ignored", "radial_mlp": [8], "scale": 5.0}, reflections=False
        ),
        "invariant": Variant(
            {
                "channels": 6,
                "layers": 3,
                "degree": 0,
                "self_connection": False,
                "radial": {"basis": "gaussian", "envelope": "smooth"},
                "radial_mlp": [8],
            }
        ),
    },
}


@dataclass(frozen=True)
class Case:
    """A variant of a family by its names, and the potential it describes."""

    family: str
    name: str
    variant: Variant

    def __str__(self) -> str:
        return f"{self.family} {self.name}"

    def config(self, **changes: Any) -> FamilyConfig:
        """The configuration, with changes."""
        values = {"name": self.family, **COMMON, **self.variant.options, **changes}
        return families()[self.family].model_validate(values)

    def potential(self, precision: Precision = "float64", seed: int = 0, **changes: Any) -> Potential:
        """A new potential with random weights; the caller's random numbers do not notice."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            potential = Potential(self.config(**changes), REFERENCE_ENERGIES, precision).eval()
            return with_random_matrices(potential)


def with_random_matrices(potential: Potential) -> Potential:
    """The same potential, its matrices of zeros (readouts and residual branches that start with nothing) random now: an
    untrained E3x is flat, and would pass any test."""
    with torch.no_grad():
        for parameter in potential.parameters():
            if parameter.dim() > 1 and not parameter.any():
                parameter.normal_()
    return potential


def shipped_families() -> list[str]:
    """The families of the package; other tests may have registered families of their own."""
    return [name for name, config in families().items() if config.__module__.startswith("potentials.models.")]


def cases() -> list[Case]:
    """All variants of all families that have an entry."""
    return [
        Case(family, name, variant)
        for family in shipped_families()
        for name, variant in VARIANTS.get(family, {}).items()
    ]


def case_parameters() -> list[Any]:
    """All variants as parameters of a test; those after the first of a family are marked slow."""
    found: list[Any] = []
    for case in cases():
        is_first = case.name == next(iter(VARIANTS[case.family]))
        found.append(pytest.param(case, id=str(case), marks=[] if is_first else pytest.mark.slow))
    return found
