"""A potential made ready for many calls: radial networks as splines, memory that is used again."""

from __future__ import annotations

import copy

import torch
from ase import Atoms
from torch import nn

from potentials.clusters import rattled_cluster
from potentials.data.graph import build_graph
from potentials.errors import PotentialsError
from potentials.kernels.dispatch import use_kernels
from potentials.kernels.memory import Workspace
from potentials.models.tabulation import tabulated
from potentials.potential import MODEL_DTYPE, Compilation, Potential

TOLERANCE = {"float32": 1e-5, "mixed": 1e-5, "float64": 1e-8}
"""eV/A, by precision: how far forces with splines may be from those with the radial networks."""
_KNOTS = (65, 129, 257, 513, 1025, 2049, 4097)
_SCALES = (0.75, 1.0)


def compile_for_md(potential: Potential) -> Potential:
    """A copy of a potential for molecular dynamics: the same energies and forces, faster, and not to be trained.

    Radial networks become quintic splines of the distance, with as many knots as it takes to keep forces on two
    clusters of the potential's elements (27 atoms, nearest distances of 0.9 and 1.2 times the sum of mean covalent
    radii, rattled) within 1e-5 eV/A of the networks' (float32, mixed) or 1e-8 eV/A (float64), in float64 arithmetic.
    Where that cannot be had, or where radial functions depend on the elements, the networks stay. Large results are
    written where those of the last call were, unless somebody still holds them. A compiled potential
    comes back as it is.
    """
    if potential.compilation is not None:
        return potential
    compiled = copy.deepcopy(potential).eval().requires_grad_(False)
    try:
        compiled.model, compiled.compilation = _with_splines(potential)
    except PotentialsError as error:
        compiled.compilation = Compilation(None, 0.0, f"radial networks are evaluated: {error}")
    compiled.workspace = Workspace()
    return compiled


def _with_splines(potential: Potential) -> tuple[nn.Module, Compilation]:
    if next(iter(potential.buffers())).device.type != "cpu":
        raise PotentialsError("splines are for CPUs")
    tolerance, error = TOLERANCE[potential.precision], float("inf")
    clusters = [rattled_cluster(potential.elements, scale) for scale in _SCALES]
    exact = copy.deepcopy(potential).eval()
    exact.precision = "float64"
    networks = exact.model.double()
    with use_kernels("reference"):
        wanted = [_forces(exact, cluster) for cluster in clusters]
        for knots in _KNOTS:
            model = exact.model = tabulated(networks, knots)
            error = max(
                float((_forces(exact, cluster) - forces).abs().max())
                for cluster, forces in zip(clusters, wanted, strict=True)
            )
            if error <= tolerance:
                note = f"splines of {knots} knots for the radial networks, forces within {error:.1g} eV/A of theirs"
                model = model.to(MODEL_DTYPE[potential.precision]).eval().requires_grad_(False)
                return model, Compilation(knots, error, note)
    raise PotentialsError(f"splines of {_KNOTS[-1]} knots change forces by {error:.1g} eV/A, beyond {tolerance:g}")


def _forces(potential: Potential, atoms: Atoms) -> torch.Tensor:
    graph = build_graph(atoms, potential.elements, potential.cutoff)
    forces = potential(graph, create_graph=False).forces
    if forces is None:
        raise PotentialsError("there are no forces to compare")
    return forces
