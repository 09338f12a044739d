"""Section of the report: phonons of crystals, and normal modes of molecules."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from plotly.graph_objects import Figure
from plotly.subplots import make_subplots

from potentials.config.messages.descriptions import counted
from potentials.errors import SimulationError
from potentials.pages import Arrows, Mark, Paragraph, Part, Plot, Section, StructureFrame, StructureView, Table, palette
from potentials.physics.phonons import PhononDispersion, has_phonopy, phonon_dispersion, supercell_repeats
from potentials.physics.vibrations import MolecularVibrations, molecular_vibrations
from potentials.report.judging import mark, number
from potentials.report.structures.calculators import exact_calculator, in_float64
from potentials.report.structures.choice import Kind, kinds
from potentials.report.structures.crystal_choice import Crystal, crystals, why_none
from potentials.report.subject import Subject
from potentials.setup.speed import seconds_per_call
from potentials.simulation.relaxation import RelaxationSettings, relax

TITLE = "Phonons and vibrations"
GOOD = (
    "no imaginary frequencies (drawn below zero) at a minimum of the energy; the three acoustic branches, or the rigid "
    "motions of a molecule, at zero (within 0.1 THz, 20 1/cm). Good potentials are within a few percent of the "
    "frequencies of their reference method."
)
_IMAGINARY, _BADLY_IMAGINARY = 0.1, 0.5
"""THz."""
_IMAGINARY_WAVENUMBER = 20.0
"""1/cm."""
_MOST_ATOMS = 400
"""Largest number of atoms of a supercell."""
_MOLECULE = 100
"""Largest number of atoms of a molecule."""
_SHOWN_MODES = 4
_DISPLACEMENTS = 6
"""Number of displacements for a crystal of medium symmetry."""


def section(subject: Subject) -> Section:
    """Build dispersion curves of the crystals in the data; without crystals, normal modes of the molecules."""
    calculator = exact_calculator(subject.potential)
    molecules = [kind for kind in kinds(subject) if not any(kind.pbc)]
    found, reasons = crystals(subject, calculator)
    if found and not has_phonopy():
        reasons.append("phonons of crystals need phonopy: pip install -c constraints.txt -e '.[phonons]' in the clone")
        found = []
    parts: list[Part] = []
    for crystal in found:
        try:
            parts += _crystal_parts(subject, crystal, calculator)
        except SimulationError as error:
            reasons.append(f"{crystal.kind.formula}: {error}")
    for kind in molecules[: 0 if parts else 1]:
        try:
            parts += _molecule_parts(subject, kind, calculator)
        except SimulationError as error:
            reasons.append(f"{kind.formula}: {error}")
    if parts:
        return Section(TITLE, GOOD, [*parts, *(Paragraph(f"Skipped: {reason}.") for reason in reasons)])
    missing = "; ".join(reasons) if found or molecules else why_none(subject, reasons)
    return Section(TITLE, GOOD, missing=missing)


def _crystal_parts(subject: Subject, crystal: Crystal, calculator: Calculator) -> list[Part]:
    repeats = supercell_repeats(
        crystal.relaxed, 2 * subject.potential.cutoff, _affordable(subject, crystal, calculator)
    )
    phonons = phonon_dispersion(calculator, crystal.relaxed, repeats)
    extent = " x ".join(str(count) for count in repeats)
    height = min(
        phonons.supercell.get_volume() / np.linalg.norm(np.cross(*_others(phonons.supercell, axis)))
        for axis in range(3)
    )
    reach = f"The smallest height of the supercell is {height:.1f} Å; the cutoff is {subject.potential.cutoff:g} Å"
    reach += "." if height > subject.potential.cutoff else "; periodic images interact, so soft modes are uncertain."
    return [
        Plot(
            _dispersion_figure(phonons),
            f"{crystal.kind.formula}, {counted(len(crystal.relaxed), 'atom')} in the cell: "
            f"phonon dispersion and density of states. {reach}",
            430,
            f"phonon dispersion of {crystal.kind.formula}",
        ),
        Table(
            ["property", "value", "judgment"],
            [
                ["highest frequency (THz)", f"{phonons.frequencies.max():.2f}", ""],
                ["lowest frequency (THz)", f"{round(phonons.lowest, 3) + 0.0:.3f}", _imaginary(phonons)],
                [
                    "acoustic branches at Gamma (THz)",
                    number(phonons.acoustic, 2),
                    mark(
                        phonons.acoustic,
                        _IMAGINARY,
                        _BADLY_IMAGINARY,
                        "zero" if phonons.acoustic < _IMAGINARY else "not zero",
                    ),
                ],
                ["supercell", f"{extent}, {len(phonons.supercell)} atoms", ""],
                ["displaced structures", str(phonons.displacements), ""],
            ],
        ),
    ]


def _others(atoms: Atoms, axis: int) -> tuple[np.ndarray, np.ndarray]:
    return atoms.cell.array[(axis + 1) % 3], atoms.cell.array[(axis + 2) % 3]


def _affordable(subject: Subject, crystal: Crystal, calculator: Calculator) -> int:
    """Return the number of atoms of an affordable supercell, at least 2 x 2 x 2 cells.

    `_DISPLACEMENTS` displacements take half of the time limit.
    """
    probe = crystal.relaxed.repeat(2)
    of_atom = seconds_per_call(calculator, probe) / len(probe)
    displacements = max(_DISPLACEMENTS, len(crystal.relaxed))
    return int(np.clip(subject.budget / 2 / (of_atom * displacements), len(probe), max(_MOST_ATOMS, len(probe))))


def _imaginary(phonons: PhononDispersion) -> Mark:
    if phonons.lowest > -_IMAGINARY:
        return Mark("good", "no imaginary modes")
    share = float(phonons.mesh_weights @ (phonons.mesh_frequencies < -_IMAGINARY).mean(axis=1))
    kind = "bad" if phonons.lowest < -_BADLY_IMAGINARY else "look"
    return Mark("bad" if kind == "bad" else "look", f"imaginary modes: {share:.1%} of all")


def _dispersion_figure(phonons: PhononDispersion) -> Figure:
    figure = make_subplots(cols=2, column_widths=[0.8, 0.2], shared_yaxes=True, horizontal_spacing=0.03)
    for branch, frequencies in enumerate(phonons.frequencies.T):
        figure.add_scatter(
            x=phonons.positions.round(4),
            y=frequencies.round(4),
            mode="lines",
            line={"color": palette.PREDICTION, "width": 1.5},
            name=f"branch {branch + 1}",
            showlegend=False,
            row=1,
            col=1,
        )
    centers, density = _density_of_states(phonons)
    figure.add_scatter(
        x=density.round(4),
        y=centers.round(4),
        mode="lines",
        fill="tozerox",
        fillcolor=palette.SHADE,
        line={"color": palette.MUTED, "width": 1},
        name="density of states",
        showlegend=False,
        row=1,
        col=2,
    )
    for position, _ in phonons.corners:
        figure.add_vline(x=position, line_color=palette.LINE, line_width=1, row=1, col=1)
    figure.add_hline(y=0, line_color=palette.MUTED, line_width=1)
    if phonons.lowest < -_IMAGINARY:
        figure.add_hrect(y0=phonons.lowest, y1=0, fillcolor=palette.SHADE, line_width=0, layer="below")
    figure.update_xaxes(
        tickvals=[position for position, _ in phonons.corners],
        ticktext=[name.replace("G", "Γ") for _, name in phonons.corners],
        range=[phonons.positions[0], phonons.positions[-1]],
        showgrid=False,
        row=1,
        col=1,
    )
    figure.update_xaxes(title_text="states", showticklabels=False, showgrid=False, row=1, col=2)
    figure.update_yaxes(title_text="frequency (THz)", row=1, col=1)
    return figure


def _density_of_states(phonons: PhononDispersion) -> tuple[np.ndarray, np.ndarray]:
    """Return centers of bins (THz) and states per THz and cell, smoothed over neighboring bins."""
    low, high = min(phonons.lowest, 0.0), 1.02 * phonons.mesh_frequencies.max()
    weights = np.broadcast_to(phonons.mesh_weights[:, None], phonons.mesh_frequencies.shape)
    counts, edges = np.histogram(phonons.mesh_frequencies, bins=100, range=(low, high), weights=weights)
    density = np.convolve(counts / (edges[1] - edges[0]), [0.25, 0.5, 0.25], mode="same")
    return (edges[1:] + edges[:-1]) / 2, density


def _molecule_parts(subject: Subject, kind: Kind, calculator: Calculator) -> list[Part]:
    start = kind.calmest
    if len(start) > _MOLECULE:
        raise SimulationError(
            f"the frame with the lowest energy per atom has {len(start)} atoms; vibrations are computed for at most "
            f"{_MOLECULE}"
        )
    relaxed = relax(calculator, start, RelaxationSettings(fmax=1e-3, steps=1000))
    vibrations = molecular_vibrations(in_float64(subject.potential), relaxed.atoms)
    imaginary = int((vibrations.wavenumbers < -_IMAGINARY_WAVENUMBER).sum())
    rigid = float(np.abs(vibrations.rigid).max())
    return [
        Plot(
            _spectrum(vibrations),
            f"{kind.formula}: wavenumbers of the normal modes of the relaxed frame with the lowest energy per atom; "
            "all lines have the same height because the potential has no dipoles.",
            240,
            f"vibrational spectrum of {kind.formula}",
        ),
        Table(
            ["property", "value", "judgment"],
            [
                [
                    "largest force after relaxation (eV/Å)",
                    number(relaxed.fmax, 2),
                    Mark("good", "converged")
                    if relaxed.converged
                    else Mark("look", f"not converged after {relaxed.steps} steps"),
                ],
                [
                    "imaginary modes",
                    str(imaginary),
                    Mark("bad", "not a minimum") if imaginary else Mark("good", "a minimum"),
                ],
                [
                    "lowest, highest wavenumber (1/cm)",
                    f"{vibrations.wavenumbers[0]:.0f}, {vibrations.wavenumbers[-1]:.0f}",
                    "",
                ],
                [
                    "rigid motions (1/cm)",
                    f"{rigid:.1f}",
                    mark(rigid, _IMAGINARY_WAVENUMBER, 100.0, "zero" if rigid < _IMAGINARY_WAVENUMBER else "not zero"),
                ],
                ["asymmetry of the second derivatives", number(vibrations.asymmetry, 2), ""],
            ],
        ),
        _modes(relaxed.atoms, vibrations),
    ]


def _spectrum(vibrations: MolecularVibrations) -> Figure:
    figure = Figure()
    lines = vibrations.wavenumbers
    figure.add_scatter(
        x=np.repeat(lines, 3).round(1),
        y=np.tile([0, 1, None], len(lines)),
        mode="lines",
        line={"color": palette.PREDICTION, "width": 1.5},
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=lines.round(1),
        y=np.ones(len(lines)),
        mode="markers",
        marker={"color": palette.PREDICTION, "size": 6},
        text=[f"mode {index + 1}: {value:.0f} 1/cm" for index, value in enumerate(lines)],
        hoverinfo="text",
        showlegend=False,
    )
    figure.update_xaxes(title_text="wavenumber (1/cm)", range=[min(0.0, 1.1 * lines[0]) - 60, 1.05 * lines[-1]])
    figure.update_yaxes(visible=False, range=[0, 1.15])
    return figure


def _modes(atoms: Atoms, vibrations: MolecularVibrations) -> StructureView:
    """Show the softest modes and the hardest mode."""
    count = len(vibrations.wavenumbers)
    chosen = sorted({*range(min(_SHOWN_MODES, count)), count - 1})
    return StructureView(
        [
            StructureFrame(
                f"{vibrations.wavenumbers[index]:.0f} 1/cm",
                atoms,
                [Arrows("displacement", vibrations.modes[index], palette.PREDICTION, 1.2)],
                f"Mode {index + 1} of {count}.",
            )
            for index in chosen
        ]
    )
