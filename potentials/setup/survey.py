"""Contents of a set of structures: sizes, elements, periodicity, labels, groups, neighbors; without a configuration."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii

from potentials.data.geometry import neighbor_list, neighbor_vectors
from potentials.data.label import LARGEST_LABEL, holds_isolated_atom
from potentials.data.read import Frame
from potentials.errors import DataError

SURVEY_CUTOFF = 5.0
IMPLAUSIBLE_STRESS = 0.5
"""eV/A^3, 80 GPa; a larger stress is more likely in kbar or GPa."""
CONTACT = 0.7
"""Fraction of the sum of covalent radii; bonds in thermal motion at room temperature are longer than 0.8."""
_SAMPLED_FRAMES = 50
_SEARCHED_FRAMES = 500
_MOST_GROUPS = 50

_NOT_A_TOTAL_ENERGY = ("weight", "kinetic", "atomiz", "formation", "per_atom", "peratom", "cutoff", "band", "disp")
_WEIGHT_KEYS = ("config_weight", "weight")
_GROUP_KEYS = ("config_type", "group", "label", "category", "source", "dataset", "subset", "type")


@dataclass(frozen=True)
class Candidate:
    """An entry of the frames that may be a label."""

    key: str
    place: str
    """`calculator`, `info` or `arrays`, in ASE's terms."""
    frames: int
    """Number of frames that have it, all values finite."""
    rms: float
    """Root mean square of all its values, in the unit of the file."""


@dataclass(frozen=True)
class Survey:
    """Contents of the data; isolated atoms are counted separately and excluded from everything else."""

    num_frames: int
    isolated: tuple[str, ...]
    """Elements of the isolated-atom frames, by atomic number."""
    elements: dict[str, int]
    """Number of frames with each element, by atomic number."""
    compositions: int
    """Number of different chemical formulas."""
    atoms: tuple[int, float, int]
    """Fewest, mean and most atoms in a frame."""
    periodic: int
    """Number of frames with three periodic directions."""
    partly_periodic: int
    """Number of frames with one or two periodic directions."""
    energy: tuple[Candidate, ...]
    """Likely energies, best first."""
    forces: tuple[Candidate, ...]
    stress: tuple[Candidate, ...]
    """Stresses and virials of any name."""
    group_key: str | None
    groups: dict[str, int]
    weight_key: str | None
    pairs_without_contact: tuple[str, ...]
    """Pairs of elements, such as C-H, that are never closer than `CONTACT`, in at most 500 frames."""
    neighbors: float
    """Mean number of neighbors within `SURVEY_CUTOFF`, in at most 50 frames spread over the data."""


def survey(frames: Sequence[Frame], *, labels_required: bool = True, advice: str = "") -> Survey:
    """Survey frames as read from their files.

    Args:
        frames: as read.
        labels_required: whether there must be energies or forces.
        advice: what else the user can do if there are none, for the error message.

    Raises:
        DataError: all frames are isolated atoms, or no entry looks like energies or forces although these are
            required.
    """
    isolated = [frame.atoms for frame in frames if holds_isolated_atom(frame.atoms)]
    structures = [frame.atoms for frame in frames if not holds_isolated_atom(frame.atoms)]
    if not structures:
        raise DataError(f"no structures to train on: {len(frames)} frames, of which {len(isolated)} are isolated atoms")
    energy = _candidates(structures, _energy_rank, _is_scalar)
    forces = _candidates(structures, _forces_rank, _is_vector_per_atom)
    if labels_required and not energy and not forces:
        entries = sorted({f"{key} ({place})" for atoms in structures for place, key, _ in _entries(atoms)})
        raise DataError(
            "found neither energies nor forces; expected entries with names such as energy, REF_energy or forces"
            f"{advice and f', or {advice}'}. Entries of the frames: {', '.join(entries)}"
        )
    counts = np.array([len(atoms) for atoms in structures])
    group_key = _group_key(structures)
    return Survey(
        num_frames=len(structures),
        isolated=tuple(_by_number(Counter(atoms.get_chemical_symbols()[0] for atoms in isolated))),
        elements=_by_number(Counter(symbol for atoms in structures for symbol in set(atoms.get_chemical_symbols()))),
        compositions=len({atoms.get_chemical_formula() for atoms in structures}),
        atoms=(int(counts.min()), float(counts.mean()), int(counts.max())),
        periodic=sum(bool(atoms.pbc.all()) for atoms in structures),
        partly_periodic=sum(bool(atoms.pbc.any() and not atoms.pbc.all()) for atoms in structures),
        energy=energy,
        forces=forces,
        stress=_candidates(structures, _stress_rank, _is_stress),
        group_key=group_key,
        groups=dict(Counter(str(atoms.info[group_key]) for atoms in structures if group_key in atoms.info)),
        weight_key=next((key for key in _WEIGHT_KEYS if any(key in atoms.info for atoms in structures)), None),
        pairs_without_contact=_pairs_without_contact(structures),
        neighbors=_mean_neighbors(structures),
    )


def ase_stress(found: Survey) -> Candidate | None:
    """Return the stress that needs no declaration: ASE's own, of periodic frames, of a plausible size."""
    for candidate in found.stress:
        ase = candidate.place == "calculator" and candidate.key == "stress"
        if ase and candidate.frames <= found.periodic and candidate.rms < IMPLAUSIBLE_STRESS:
            return candidate
    return None


def _by_number(counts: Counter[str]) -> dict[str, int]:
    numbers = {symbol: int(Atoms(symbol).numbers[0]) for symbol in counts}
    return {symbol: counts[symbol] for symbol in sorted(counts, key=numbers.__getitem__)}


def _entries(atoms: Atoms) -> Iterator[tuple[str, str, Any]]:
    if atoms.calc is not None:
        yield from (("calculator", key, value) for key, value in atoms.calc.results.items())
    yield from (("info", key, value) for key, value in atoms.info.items())
    yield from (("arrays", key, value) for key, value in atoms.arrays.items())


def _candidates(
    structures: Sequence[Atoms], rank: Callable[[str], int | None], fits: Callable[[Atoms, Any], bool]
) -> tuple[Candidate, ...]:
    """Return entries whose name has a `rank` and whose value `fits`, ordered by number of frames, rank and name."""
    squares: dict[tuple[str, str], list[float]] = {}
    for atoms in structures:
        for place, key, value in _entries(atoms):
            if rank(key) is None or not fits(atoms, value):
                continue
            values = np.asarray(value, dtype=np.float64)
            if (np.abs(values) < LARGEST_LABEL).all():
                squares.setdefault((place, key), []).append(float(np.mean(values**2)))
    found = [
        Candidate(key, place, len(means), float(np.sqrt(np.mean(means)))) for (place, key), means in squares.items()
    ]
    return tuple(sorted(found, key=lambda item: (-item.frames, rank(item.key), item.key)))


def _origin_rank(key: str) -> int:
    """Rank names with an origin (REF_, dft_) before ASE's own, which any calculator sets."""
    if key.startswith("ref") or key.endswith("_ref"):
        return 0
    return 1 if "dft" in key else 3


def _energy_rank(key: str) -> int | None:
    lower = key.lower()
    if lower in ("energy", "e", "etot", "e_tot", "toten"):
        return 2
    if "energy" not in lower or any(word in lower for word in _NOT_A_TOTAL_ENERGY):
        return None
    return 4 if lower == "free_energy" else _origin_rank(lower)


def _forces_rank(key: str) -> int | None:
    lower = key.lower()
    if lower in ("forces", "force", "f"):
        return 2
    if "force" not in lower or any(word in lower for word in ("weight", "mask", "constant")):
        return None
    return _origin_rank(lower)


def _stress_rank(key: str) -> int | None:
    lower = key.lower()
    if lower == "stress":
        return 2
    if not ("stress" in lower or "virial" in lower) or any(word in lower for word in ("weight", "mask")):
        return None
    return _origin_rank(lower)


def _is_number(value: Any) -> bool:
    return np.issubdtype(np.asarray(value).dtype, np.number)


def _is_scalar(atoms: Atoms, value: Any) -> bool:
    return _is_number(value) and np.asarray(value).size == 1


def _is_vector_per_atom(atoms: Atoms, value: Any) -> bool:
    return _is_number(value) and np.asarray(value).shape == (len(atoms), 3)


def _is_stress(atoms: Atoms, value: Any) -> bool:
    return _is_number(value) and np.asarray(value).size in (6, 9)


def _group_key(structures: Sequence[Atoms]) -> str | None:
    """Return the entry of `atoms.info` that names groups: a usual name, or text with a few different values."""
    values: dict[str, set[str]] = {}
    for atoms in structures:
        for key, value in atoms.info.items():
            if isinstance(value, str):
                values.setdefault(key, set()).add(value)
    few = {key for key, names in values.items() if len(names) <= min(_MOST_GROUPS, max(1, len(structures) // 2))}
    usual = [key for key in _GROUP_KEYS if key in few]
    return next(iter(usual + sorted(key for key in few if len(values[key]) > 1)), None)


def _mean_neighbors(structures: Sequence[Atoms]) -> float:
    chosen = np.unique(np.linspace(0, len(structures) - 1, _SAMPLED_FRAMES).astype(int))
    edges = atoms_seen = 0
    for index in chosen:
        atoms = structures[index]
        edge_index, _ = neighbor_list(atoms.positions, atoms.cell, atoms.pbc, SURVEY_CUTOFF)
        edges += edge_index.shape[1]
        atoms_seen += len(atoms)
    return edges / atoms_seen


def _pairs_without_contact(structures: Sequence[Atoms]) -> tuple[str, ...]:
    """Return all pairs of the elements, except those that are closer than `CONTACT` in some frame."""
    chosen = np.unique(np.linspace(0, len(structures) - 1, min(len(structures), _SEARCHED_FRAMES)).astype(int))
    close: set[tuple[int, int]] = set()
    numbers = sorted({int(number) for atoms in structures for number in set(atoms.numbers.tolist())})
    for index in chosen:
        atoms = structures[index]
        radii = covalent_radii[atoms.numbers]
        reach = 2 * CONTACT * float(radii.max())
        (sender, receiver), vectors = neighbor_vectors(atoms, reach)
        distances = np.linalg.norm(vectors, axis=1)
        near = distances < CONTACT * (radii[sender] + radii[receiver])
        close |= set(zip(atoms.numbers[sender[near]].tolist(), atoms.numbers[receiver[near]].tolist(), strict=True))
    pairs = itertools.combinations_with_replacement(numbers, 2)
    return tuple(f"{chemical_symbols[a]}-{chemical_symbols[b]}" for a, b in pairs if (a, b) not in close)
