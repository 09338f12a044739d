"""Quantities inferred from the training frames: reference energies, scale, shift, average number of neighbors."""

from potentials.data.infer.inference import Inferred, infer
from potentials.data.infer.re_estimation import Baseline, re_estimated_energies
from potentials.data.infer.reference_energies import (
    composition_matrix,
    find_reference_energies,
    indistinguishable,
    isolated_atom_energies,
    least_squares,
)
from potentials.data.infer.statistics import StandardErrors, Statistics, gather_statistics

__all__ = [
    "Baseline",
    "Inferred",
    "StandardErrors",
    "Statistics",
    "composition_matrix",
    "find_reference_energies",
    "gather_statistics",
    "indistinguishable",
    "infer",
    "isolated_atom_energies",
    "least_squares",
    "re_estimated_energies",
]
