"""Compilation of potentials for molecular dynamics: radial networks as splines, and reuse of memory."""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from dataclasses import astuple, dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from ase import Atoms
from torch import nn

from potentials.cache import cache_path, keep, kept
from potentials.data.geometry.graph_geometry import build_geometry
from potentials.errors import PotentialsError
from potentials.kernels.dispatch import use_kernels
from potentials.kernels.memory import Workspace
from potentials.models import tabulation
from potentials.models.tabulation import largest_error, tabulated
from potentials.potential.clusters import rattled_cluster
from potentials.potential.potential import MODEL_DTYPE, Potential
from potentials.torch_state import plain_torch_state

RADIAL_TOLERANCE = {"float32": 1e-6, "mixed": 1e-6, "float64": 1e-9}
"""Tolerance of splines and their derivatives by precision, at any distance up to the cutoff, relative to the largest
magnitude of each function."""
FORCE_TOLERANCE = {"float32": 1e-5, "mixed": 1e-5, "float64": 1e-8}
"""Tolerance of forces with splines compared with radial networks by precision, eV/A."""
_KNOTS = (129, 257, 513, 1025, 2049, 4097)
_SCALES = (0.75, 1.0)
_LOCK = threading.RLock()


@dataclass(frozen=True)
class Compilation:
    """Description of how a potential was compiled for molecular dynamics."""

    knots: int | None
    """Number of knots of the splines; None if the radial networks are evaluated directly."""
    radial_error: float
    """Largest relative difference between a spline and its function, or their derivatives, at any distance."""
    force_error: float
    """Largest change of a force component by the splines on the test clusters, eV/A."""
    note: str
    """The same as text."""


def compile_for_md(potential: Potential) -> Potential:
    """Return a copy of a potential for molecular dynamics, which is faster but cannot be trained.

    Radial networks are replaced by quintic splines of the distance, with the smallest number of knots that satisfies
    two tolerances in float64 arithmetic: splines and their derivatives agree with the networks within 1e-6 (float32,
    mixed) or 1e-9 (float64) of their largest magnitude at all distances, and forces agree within 1e-5 or 1e-8 eV/A on
    two rattled clusters of the potential's elements (27 atoms, nearest-neighbor distances of 0.9 and 1.2 times the sum
    of mean covalent radii). If no number of knots satisfies both, or if radial functions depend on the elements, the
    networks are kept. Large results reuse the memory of the previous call unless they are still referenced.

    The number of knots is cached on disk. Compiling the same potential again returns the same object as long as its
    weights have not changed; a compiled potential is returned unchanged.

    Raises:
        PotentialsError: the potential has several heads; `select_head` gives that of one.
    """
    if potential.compilation is not None:
        return potential
    potential = potential.select_head(None)
    with _LOCK, plain_torch_state():
        fingerprint = f"{potential.fingerprint()} {potential.scale.device}"
        if potential.compiled_form is None or potential.compiled_form[0] != fingerprint:
            potential.compiled_form = (fingerprint, _compiled(potential))
        return potential.compiled_form[1]


def _compiled(potential: Potential) -> Potential:
    compiled = copy.deepcopy(potential).eval().requires_grad_(False)
    try:
        compiled.model, compiled.compilation = _with_splines(potential)
    except PotentialsError as error:
        compiled.compilation = Compilation(None, 0.0, 0.0, f"radial networks are evaluated directly: {error}")
    compiled.workspace = Workspace()
    return compiled


def _with_splines(potential: Potential) -> tuple[nn.Module, Compilation]:
    if potential.scale.device.type != "cpu":
        raise PotentialsError("splines are only used on CPUs")
    networks = copy.deepcopy(potential.model).double()
    path = cache_path("splines") / f"{_outcome_name(potential)}.json"
    knots = _kept_knots(path)
    if knots is not None:
        model, compilation = tabulated(networks, knots[0]), Compilation(*knots)
    else:
        model, compilation = _search(potential, networks)
        keep(path, json.dumps(astuple(compilation)).encode())
    return model.to(MODEL_DTYPE[potential.precision]).eval().requires_grad_(False), compilation


def _search(potential: Potential, networks: nn.Module) -> tuple[nn.Module, Compilation]:
    """Find the splines with the fewest knots that satisfy both tolerances."""
    radial_tolerance, force_tolerance = RADIAL_TOLERANCE[potential.precision], FORCE_TOLERANCE[potential.precision]
    exact = copy.deepcopy(potential).eval()
    exact.precision, exact.model = "float64", networks
    clusters = [rattled_cluster(potential.elements, scale) for scale in _SCALES]
    wanted: list[torch.Tensor] = []
    radial = error = float("inf")
    for knots in _KNOTS:
        model = tabulated(networks, knots)
        radial = largest_error(networks, model)
        if not radial <= radial_tolerance:
            continue
        # The reference avoids compiling kernels for float64, which may not be needed otherwise.
        with use_kernels("reference"):
            exact.model = networks
            wanted = wanted or [_forces(exact, cluster) for cluster in clusters]
            exact.model = model
            found = [_forces(exact, cluster) for cluster in clusters]
        error = max(float((one - other).abs().max()) for one, other in zip(found, wanted, strict=True))
        if error <= force_tolerance:
            note = (
                f"splines of {knots} knots for the radial networks: forces change by up to {error:.1g} eV/A, relative "
                f"error of the splines {radial:.1g}"
            )
            return model, Compilation(knots, radial, error, note)
    raise PotentialsError(
        f"splines of {_KNOTS[-1]} knots have a relative error of {radial:.1g} (tolerance {radial_tolerance:g}), or "
        f"change forces by more than {force_tolerance:g} eV/A"
    )


def _forces(potential: Potential, atoms: Atoms) -> torch.Tensor:
    forces = potential(build_geometry(atoms, potential.elements, potential.cutoff), create_graph=False).forces
    if forces is None:
        raise PotentialsError("no forces to compare")
    return forces


def _outcome_name(potential: Potential) -> str:
    """Return the cache file name, which depends on everything that determines the number of knots."""
    digest = hashlib.sha256(f"{potential.fingerprint()} {version('potentials')} {version('torch')}".encode())
    digest.update(json.dumps(potential.config.model_dump(mode="json"), sort_keys=True).encode())
    for source in (__file__, tabulation.__file__):
        digest.update(Path(source).read_bytes())
    return digest.hexdigest()[:40]


def _kept_knots(path: Path) -> tuple[int, float, float, str] | None:
    content = kept(path)
    if content is None:
        return None
    knots, radial_error, force_error, note = json.loads(content)
    return knots, radial_error, force_error, note
