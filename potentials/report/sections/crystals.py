"""Section of the report: equation of state and elastic constants of the crystals in the data."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from plotly.graph_objects import Figure, Scatter

from potentials.config.messages.descriptions import counted
from potentials.data.label.labels import LabeledFrame
from potentials.errors import SimulationError
from potentials.pages import Mark, Paragraph, Part, Plot, Section, Table, palette
from potentials.physics.crystals import ElasticConstants, EquationOfState, elastic_constants, equation_of_state
from potentials.report.judging import mark, number
from potentials.report.structures.calculators import exact_calculator
from potentials.report.structures.crystal_choice import Crystal, crystals, why_none
from potentials.report.subject import Subject

TITLE = "Crystals: equation of state and elastic constants"
GOOD = (
    "the energy-volume curve is smooth and has one minimum, at a volume within 1 % of the reference method; the bulk "
    "moduli from the curve and from the stresses agree within 3 %; all eigenvalues of the stiffness tensor are "
    "positive (Born's criterion). Good potentials are within 5 to 10 % of the elastic constants of their reference "
    "method."
)
_CALM = 0.05
"""eV/A; frames of the data set with smaller forces are drawn beside the curve."""
_AGREE, _DISAGREE = 0.03, 0.1
_AXES = ("xx", "yy", "zz", "yz", "xz", "xy")


def section(subject: Subject) -> Section:
    """Build curves and tables for at most two crystals."""
    calculator = exact_calculator(subject.potential)
    found, reasons = crystals(subject, calculator)
    parts: list[Part] = []
    for crystal in found:
        try:
            parts += _parts(subject, crystal, calculator)
        except SimulationError as error:
            reasons.append(f"{crystal.kind.formula}: {error}")
    if not parts:
        return Section(TITLE, GOOD, missing=why_none(subject, reasons))
    return Section(TITLE, GOOD, [*parts, *(Paragraph(f"Skipped: {reason}.") for reason in reasons)])


def _parts(subject: Subject, crystal: Crystal, calculator: Calculator) -> list[Part]:
    curve = equation_of_state(calculator, crystal.relaxed)
    constants = elastic_constants(calculator, crystal.relaxed)
    return [
        Paragraph(_description(crystal)),
        _curve_plot(subject, crystal, curve),
        _summary(crystal, curve, constants),
        _stiffness_table(constants),
    ]


def _description(crystal: Crystal) -> str:
    atoms = crystal.relaxed
    has_energies = any(np.isfinite(frame.energy) for frame in crystal.kind.frames)
    chosen_by = "lowest energy per atom" if has_energies else "smallest forces"
    lengths, angles = atoms.cell.lengths(), atoms.cell.angles()
    return (
        f"{crystal.kind.formula}: the frame with the {chosen_by} among "
        f"{counted(len(crystal.kind.frames), 'frame')} "
        f"({counted(len(crystal.start), 'atom')}), reduced to its primitive cell "
        f"({counted(len(atoms), 'atom')}) and relaxed. Cell: "
        f"{' '.join(f'{length:.3f}' for length in lengths)} Å, {' '.join(f'{angle:.1f}' for angle in angles)} degrees. "
        "Computed in double precision."
    )


def _reference(subject: Subject, atoms: Atoms) -> float:
    """Return the energy of the isolated atoms, eV per atom."""
    energies = dict(zip(subject.potential.elements, subject.potential.reference_energies.tolist(), strict=True))
    return float(np.mean([energies[symbol] for symbol in atoms.get_chemical_symbols()]))


def _curve_plot(subject: Subject, crystal: Crystal, curve: EquationOfState) -> Plot:
    zero = _reference(subject, crystal.relaxed)
    volumes = np.linspace(curve.volumes[0], curve.volumes[-1], 100)
    figure = Figure()
    figure.add_scatter(
        x=volumes.round(4),
        y=(curve(volumes) - zero).round(6),
        mode="lines",
        name="Birch-Murnaghan",
        line_color=palette.PREDICTION,
    )
    figure.add_scatter(
        x=curve.volumes.round(4),
        y=(curve.energies - zero).round(6),
        mode="markers",
        name="potential",
        marker={"color": palette.PREDICTION, "size": 7},
    )
    calm = [frame for frame in crystal.kind.frames if _is_calm(frame, curve)]
    caption = "Energy relative to isolated atoms; the atoms are relaxed in each cell."
    if calm:
        figure.add_trace(_reference_points(calm, zero))
        caption += f" Blue: {counted(len(calm), 'frame')} of the data with forces below {_CALM} eV/Å, "
        caption += "of any cell shape."
    figure.update_layout(xaxis_title="volume (Å<sup>3</sup>/atom)", yaxis_title="energy (eV/atom)")
    return Plot(figure, caption, label=f"energy of {crystal.kind.formula} against volume")


def _is_calm(frame: LabeledFrame, curve: EquationOfState) -> bool:
    volume = frame.frame.atoms.get_volume() / len(frame.frame.atoms)
    forces = np.linalg.norm(frame.forces, axis=1).max()
    return bool(np.isfinite(frame.energy) and forces < _CALM and curve.volumes[0] <= volume <= curve.volumes[-1])


def _reference_points(frames: list[LabeledFrame], zero: float) -> Scatter:
    sizes = np.array([len(frame.frame.atoms) for frame in frames])
    return Scatter(
        x=(np.array([frame.frame.atoms.get_volume() for frame in frames]) / sizes).round(4),
        y=(np.array([frame.energy for frame in frames]) / sizes - zero).round(6),
        mode="markers",
        name="data",
        marker={"color": palette.REFERENCE, "symbol": "circle-open", "size": 8},
        text=[str(frame.frame) for frame in frames],
    )


def _summary(crystal: Crystal, curve: EquationOfState, constants: ElasticConstants) -> Table:
    voigt_bulk, reuss_bulk, hill_bulk = constants.bulk
    voigt_shear, reuss_shear, hill_shear = constants.shear
    start = crystal.start.get_volume() / len(crystal.start)
    disagreement = abs(voigt_bulk / curve.bulk_modulus - 1)
    rows: list[list[str | Mark]] = [
        ["volume, A^3/atom", f"{curve.volume:.3f}", f"frame of the data: {start:.3f}", ""],
        [
            "bulk modulus from the energy curve, GPa",
            f"{curve.bulk_modulus:.1f}",
            f"B' = {curve.pressure_derivative:.2f}",
            "",
        ],
        [
            "bulk modulus from the stresses, GPa",
            f"{hill_bulk:.1f}",
            f"Voigt {voigt_bulk:.1f}, Reuss {reuss_bulk:.1f}",
            mark(disagreement, _AGREE, _DISAGREE, f"Voigt average differs by {disagreement:.1%} from the curve"),
        ],
        ["shear modulus, GPa", f"{hill_shear:.1f}", f"Voigt {voigt_shear:.1f}, Reuss {reuss_shear:.1f}", ""],
        ["Young's modulus, GPa", f"{constants.young:.1f}", f"Poisson's ratio {constants.poisson:.3f}", ""],
        [
            "lowest eigenvalue of the stiffness tensor, GPa",
            f"{constants.eigenvalues[0]:.1f}",
            "",
            _stability(constants),
        ],
    ]
    return Table(
        ["property", "value", "details", "judgment"],
        rows,
        "Bulk, shear and Young's moduli are Hill averages for a polycrystal. Energies differ from the curve by up to "
        f"{number(1e3 * curve.deviation, 2)} meV/atom.",
        text_columns=(2,),
    )


def _stability(constants: ElasticConstants) -> Mark:
    return Mark("good", "stable") if constants.stable else Mark("bad", "unstable: a strain lowers the energy")


def _stiffness_table(constants: ElasticConstants) -> Table:
    rows = [
        [axis, *(f"{value:.1f}" for value in constants.stiffness[row].round(1) + 0.0)] for row, axis in enumerate(_AXES)
    ]
    return Table(
        ["C (GPa)", *_AXES],
        rows,
        "Elastic constants with relaxed atoms, from strains of 0.5 %, in the Cartesian axes of the frame; components "
        f"that are equal by symmetry differ by at most {number(constants.asymmetry, 2)} GPa.",
    )
