"""Reference energies E0 of isolated atoms: given, computed, or fitted to the compositions by least squares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from potentials.config.data.labels import ReferenceSource
from potentials.data.findings import Findings
from potentials.data.label import LabeledFrame
from potentials.data.read import frame_list
from potentials.errors import DataError


def find_reference_energies(
    source: ReferenceSource | Mapping[str, float],
    elements: Sequence[str],
    train: Sequence[LabeledFrame],
    isolated_atoms: Sequence[LabeledFrame],
    findings: Findings,
    population: int | None = None,
) -> dict[str, float]:
    """Determine the reference energy of each element in eV, in the order of `elements`.

    Args:
        source: the energies, or how to determine them. `auto` uses isolated atoms if there is one for every element of
            the training frames, and least squares otherwise.
        elements: chemical symbols of the model; may contain more than occur in the training frames.
        train: the training frames, without the isolated atoms; or a sample with every element that occurs.
        isolated_atoms: the single-atom frames.
        findings: receives the reason of the choice, and a warning where least squares cannot distinguish elements.
        population: number of training frames, if `train` is a sample of them.

    Returns:
        Energies in eV by symbol.

    Raises:
        DataError: an element is missing from the given energies or the isolated atoms, or isolated atoms of one element
            contradict each other.
    """
    if isinstance(source, Mapping):
        return _given(source, elements)
    if source == "zero":
        findings.note("data.reference_energies = 0 for every element, as configured")
        return dict.fromkeys(elements, 0.0)
    of_atoms = isolated_atom_energies(isolated_atoms, findings)
    in_train = {symbol for labeled in train for symbol in set(labeled.frame.atoms.get_chemical_symbols())}
    if source == "isolated-atoms":
        missing = [symbol for symbol in elements if symbol not in of_atoms]
        if missing:
            raise DataError(
                f"data.reference_energies: no isolated atom with an energy for {', '.join(missing)}"
                + (f" (available: {', '.join(of_atoms)})" if of_atoms else " or any other element")
                + "; add single-atom frames (data.isolated_atoms), give the energies, or choose least-squares"
            )
    elif source == "least-squares" or not in_train <= set(of_atoms):
        reason = "as configured" if source == "least-squares" else _why_not_isolated(in_train, of_atoms)
        return least_squares(elements, train, reason, findings, population)
    files = ", ".join(sorted({labeled.frame.file for labeled in isolated_atoms}))
    energies = {symbol: of_atoms.get(symbol, 0.0) for symbol in elements}
    findings.note(f"data.reference_energies = {listing(energies)} (isolated atoms in {files})")
    _warn_never_seen([symbol for symbol in elements if symbol not in of_atoms], findings)
    return energies


def isolated_atom_energies(frames: Sequence[LabeledFrame], findings: Findings) -> dict[str, float]:
    """Return the energies of the isolated atoms in eV by symbol; frames of one element must agree within 1 meV.

    Raises:
        DataError: they do not agree.
    """
    energies: dict[str, float] = {}
    without = [labeled.frame for labeled in frames if np.isnan(labeled.energy)]
    if without:
        findings.warn(f"{frame_list(without)}: isolated atoms without an energy label are ignored")
    for labeled in frames:
        symbol = labeled.frame.atoms.get_chemical_symbols()[0]
        if np.isnan(labeled.energy):
            continue
        if abs(energies.setdefault(symbol, labeled.energy) - labeled.energy) > 1e-3:
            raise DataError(
                f"{labeled.frame}: isolated {symbol} has {labeled.energy:.6f} eV, but another frame of isolated "
                f"{symbol} has {energies[symbol]:.6f} eV; keep only the one with the correct electronic state"
            )
    return energies


def least_squares(
    elements: Sequence[str],
    train: Sequence[LabeledFrame],
    reason: str,
    findings: Findings,
    population: int | None = None,
) -> dict[str, float]:
    """Fit E0 to the energies of the training frames.

    Minimizes  sum_f w_f ((E_f - sum_z n_fz E0_z) / N_f)^2  over E0, where n_fz is the number of atoms of element z in
    frame f, N_f its number of atoms and w_f the weight of its energy. If the compositions do not determine E0, the
    solution of smallest norm is used, and a warning names the elements that cannot be distinguished.

    Args:
        elements: chemical symbols of the model.
        train: the training frames, energies in eV, or a sample of them.
        reason: why this method is used, for the note.
        findings: receives a note with the energies, and warnings.
        population: number of training frames, if `train` is a sample of them.

    Returns:
        Energies in eV by symbol; 0 for elements that do not occur.
    """
    energies = dict.fromkeys(elements, 0.0)
    labeled = [frame for frame in train if np.isfinite(frame.energy) and frame.weight * frame.energy_weight > 0]
    if not labeled:
        findings.note("data.reference_energies = 0 for every element (the training frames have no energies)")
        return energies
    occurring, counts = composition_matrix(labeled, elements)
    num_atoms = counts.sum(axis=1)
    weights = np.sqrt([frame.weight * frame.energy_weight for frame in labeled]) / num_atoms
    matrix = counts * weights[:, None]
    target = np.array([frame.energy for frame in labeled]) * weights
    solution = np.linalg.lstsq(matrix, target, rcond=1e-10)[0]
    energies.update(zip(occurring, (float(value) for value in solution), strict=True))
    sample = ""
    if population is not None and len(train) < population:
        errors = _coefficient_errors(matrix, target - matrix @ solution) * np.sqrt(1 - len(train) / population)
        listed = listing(dict(zip(occurring, errors.tolist(), strict=True)))
        sample = f", a sample of {population}, standard errors {listed}"
    findings.note(
        f"data.reference_energies = {listing(energies)} (least squares over the energies of {len(labeled)} training "
        f"frames{sample}; {reason})"
    )
    ambiguity = indistinguishable(occurring, np.unique(counts, axis=0))
    if ambiguity:
        findings.warn(
            f"reference energies by least squares: {ambiguity} in the training frames, so only the sum of the "
            "reference energies over a frame is determined, and energies of other compositions will be wrong. If you "
            "need other compositions, give reference energies or isolated atoms"
        )
    _warn_never_seen([symbol for symbol in elements if symbol not in occurring], findings)
    return energies


def _coefficient_errors(matrix: NDArray[np.float64], residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute standard errors of least-squares coefficients, the roots of the diagonal of s^2 (A^T A)^+."""
    freedom = max(1, len(matrix) - np.linalg.matrix_rank(matrix, rtol=1e-10))
    variance = (residuals**2).sum() / freedom
    return np.sqrt(variance * np.diag(np.linalg.pinv(matrix.T @ matrix, rtol=1e-10, hermitian=True)))


def composition_matrix(
    frames: Sequence[LabeledFrame], elements: Sequence[str]
) -> tuple[list[str], NDArray[np.float64]]:
    """Return the elements that occur in the frames, and the number of atoms of each, [frames, elements]."""
    numbers = [atomic_numbers[symbol] for symbol in elements]
    counts = np.array(
        [np.bincount(frame.frame.atoms.numbers, minlength=len(chemical_symbols))[numbers] for frame in frames],
        dtype=np.float64,
    )
    occurring = [column for column in range(len(elements)) if counts[:, column].any()]
    return [elements[column] for column in occurring], counts[:, occurring]


def indistinguishable(elements: Sequence[str], counts: NDArray[np.float64]) -> str:
    """Describe which elements a set of compositions cannot distinguish; empty if all can be distinguished.

    These are the elements with a component in the null space of `counts` [compositions, elements], found by
    singular value decomposition.
    """
    _, singular, rows = np.linalg.svd(counts / np.linalg.norm(counts, axis=0), full_matrices=True)
    rank = int((singular > 1e-8 * singular[0]).sum())
    null_space = rows[rank:]
    if len(null_space) == 0:
        return ""
    involved = [column for column in range(len(elements)) if np.abs(null_space[:, column]).max() > 1e-6]
    ratios = _fixed_ratios(counts, involved)
    explained = sum(len(ratio) - 1 for ratio in ratios)
    statements = []
    for ratio in ratios:
        whole = _whole_numbers([counts[:, column].sum() for column in ratio])
        statements.append(f"{_words([elements[c] for c in ratio])} occur in the fixed ratio {whole}")
    if explained < len(null_space):
        statements.append(f"the atom counts of {_words([elements[c] for c in involved])} are linearly dependent")
    return " and ".join(statements)


def _fixed_ratios(counts: NDArray[np.float64], columns: Sequence[int]) -> list[list[int]]:
    """Find groups of columns of `counts` that are proportional to each other."""
    groups: list[list[int]] = []
    for column in columns:
        direction = counts[:, column] / np.linalg.norm(counts[:, column])
        for group in groups:
            reference = counts[:, group[0]] / np.linalg.norm(counts[:, group[0]])
            if np.abs(direction - reference).max() < 1e-8:
                group.append(column)
                break
        else:
            groups.append([column])
    return [group for group in groups if len(group) > 1]


def _whole_numbers(values: Sequence[float]) -> str:
    fractions = [Fraction(value / values[0]).limit_denominator(10000) for value in values]
    denominator = np.lcm.reduce([fraction.denominator for fraction in fractions])
    return ":".join(str(int(fraction * int(denominator))) for fraction in fractions)


def _given(source: Mapping[str, float], elements: Sequence[str]) -> dict[str, float]:
    missing = [symbol for symbol in elements if symbol not in source]
    if missing:
        raise DataError(f"data.reference_energies: no energy is given for {', '.join(missing)}")
    return {symbol: float(source[symbol]) for symbol in elements}


def _why_not_isolated(in_train: set[str], of_atoms: Mapping[str, float]) -> str:
    if not of_atoms:
        return "there are no isolated atoms"
    return f"there is no isolated atom of {', '.join(sorted(in_train - set(of_atoms)))}"


def _warn_never_seen(symbols: Sequence[str], findings: Findings) -> None:
    if symbols:
        these, them = ("this element", "it") if len(symbols) == 1 else ("these elements", "them")
        findings.warn(
            f"no reference energy for {_words(symbols)}: none is given, and no training frame with an energy contains "
            f"{these}; 0 eV is used. Set data.reference_energies or data.isolated_atoms if you simulate {them}"
        )


def listing(energies: Mapping[str, float]) -> str:
    """List energies by element, eV."""
    return ", ".join(f"{symbol} {energy:.4f}" for symbol, energy in energies.items()) + " eV"


def _words(symbols: Sequence[str]) -> str:
    return symbols[0] if len(symbols) == 1 else f"{', '.join(symbols[:-1])} and {symbols[-1]}"
