"""A potential made ready for many calls: radial networks as splines, memory that is used again."""

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
"""By precision: how far splines, and their derivatives, may be from their functions at any distance up to the cutoff,
as a part of the largest magnitude of each function."""
FORCE_TOLERANCE = {"float32": 1e-5, "mixed": 1e-5, "float64": 1e-8}
"""eV/A, by precision: how far forces with splines may be from those with the radial networks."""
_KNOTS = (129, 257, 513, 1025, 2049, 4097)
_SCALES = (0.75, 1.0)
_LOCK = threading.RLock()


@dataclass(frozen=True)
class Compilation:
    """What was done to a potential that was compiled for molecular dynamics."""

    knots: int | None
    """Of the splines that stand for the radial networks; None where those are evaluated."""
    radial_error: float
    """Largest relative difference between a spline and its function, or their derivatives, at any distance."""
    force_error: float
    """Largest difference of a force component that the splines made on the test clusters, eV/A."""
    note: str
    """The same in words."""


def compile_for_md(potential: Potential) -> Potential:
    """A copy of a potential for molecular dynamics: the same energies and forces, faster, and not to be trained.

    Radial networks become quintic splines of the distance, with as many knots as it takes to keep them and their
    derivatives within 1e-6 (float32, mixed) or 1e-9 (float64) of the networks' largest magnitude at all distances, and
    forces on two clusters of the potential's elements (27 atoms, nearest distances of 0.9 and 1.2 times the sum of mean
    covalent radii, rattled) within 1e-5 or 1e-8 eV/A, in float64 arithmetic. Where that cannot be had, or where radial
    functions depend on the elements, the networks stay. Large results are written where those of the last call were,
    unless somebody still holds them.

    The number of knots that a potential needs is kept in the cache. Compiling the same potential again gives the same
    object, as long as its weights are the same; a compiled potential comes back as it is.
    """
    if potential.compilation is not None:
        return potential
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
        raise PotentialsError("splines are used on CPUs only")
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
    """The splines with the fewest knots that keep both tolerances."""
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
        # The reference needs no code compiled for float64, which nothing else may ever use.
        with use_kernels("reference"):
            exact.model = networks
            wanted = wanted or [_forces(exact, cluster) for cluster in clusters]
            exact.model = model
            found = [_forces(exact, cluster) for cluster in clusters]
        error = max(float((one - other).abs().max()) for one, other in zip(found, wanted, strict=True))
        if error <= force_tolerance:
            note = (
                f"splines of {knots} knots for the radial networks, within {radial:.1g} of their largest values, "
                f"and forces within {error:.1g} eV/A of theirs"
            )
            return model, Compilation(knots, radial, error, note)
    raise PotentialsError(
        f"splines of {_KNOTS[-1]} knots are {radial:.1g} of the largest values away from the radial networks (at most "
        f"{radial_tolerance:g} is accepted), or change forces by more than {force_tolerance:g} eV/A"
    )


def _forces(potential: Potential, atoms: Atoms) -> torch.Tensor:
    forces = potential(build_geometry(atoms, potential.elements, potential.cutoff), create_graph=False).forces
    if forces is None:
        raise PotentialsError("there are no forces to compare")
    return forces


def _outcome_name(potential: Potential) -> str:
    """Of a potential and of all that decides how many knots it needs."""
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
