"""Section of the report: distribution of the errors over atoms and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase.units import GPa
from plotly.graph_objects import Figure
from scipy.stats import spearmanr

from potentials.evaluation.metrics import Error
from potentials.pages import Html, Mark, Paragraph, Part, Plot, Row, Section, Table
from potentials.report.charts import lowest_shown, make_logarithmic, short, split_colors
from potentials.report.judging import mark, number
from potentials.report.predictions.comparison import short_file
from potentials.report.predictions.error_groups import (
    ForceBin,
    NearestTraining,
    element_errors,
    force_bins,
    frame_energy_errors,
    frame_force_errors,
)
from potentials.report.predictions.evaluated import TRAIN, EvaluatedSplit, atom_counts, sampled_places
from potentials.report.sections.parity import why_nothing
from potentials.report.subject import Subject

TITLE = "Errors in detail"
GOOD = (
    "errors on unseen frames are at most twice those on training frames (five times is bad: "
    "overfitting); no element, group or force magnitude stands out; relative errors of large forces "
    "are a few percent; errors hardly grow with the "
    "distance from the training frames."
)
_OVERFITTED, _BADLY_OVERFITTED = 2.0, 5.0
_MOST_GROUPS_DRAWN = 25
_TRAIN_ATOMS, _OTHER_ATOMS = 30_000, 12_000
"""Largest numbers of atoms of frames whose descriptors are computed."""
_ERROR_DECADES = 2.5
"""Largest number of decades in the plot of errors against distances; smaller errors are at its lower end."""
_NO_FORCE = 1e-3
"""Fraction of the largest force."""
_FEWEST_FRAMES = 3
"""Smallest number of frames for a rank correlation."""


def section(subject: Subject) -> Section:
    """Build tables and plots of errors by split, element, group, force and distance."""
    splits = subject.evaluated.splits
    if not splits:
        return Section(TITLE, GOOD, missing=why_nothing(subject))
    shown: list[Part] = [_by_split(splits)]
    shown += _headed("By element", _by_element(splits))
    shown += _headed("By group", _by_group(splits))
    shown += _headed("By force magnitude", _by_force(splits))
    shown += _headed("By the distance from the training frames", _by_distance(subject))
    return Section(TITLE, GOOD, shown)


def _headed(title: str, parts: Sequence[Part]) -> list[Part]:
    return [Html(f"<h3>{title}</h3>"), *parts]


def _by_split(splits: Sequence[EvaluatedSplit]) -> Table:
    train = next((split for split in splits if split.name == TRAIN), None)
    rows = []
    for split in splits:
        energy, forces, stress = _property_cells(split.evaluation.errors.errors)
        rows.append([split.name, split.count, energy, forces, stress, _against_training(split, train)])
    caption = (
        "RMSE. Against training: RMSE of the forces (without forces: of the energies) divided by that of the training "
        "frames."
    )
    return Table(["split", "frames", *_HEADS, "against training"], rows, caption)


_HEADS = ("energy (meV/atom)", "forces (meV/Å)", "stress (GPa)")
_GPA = 1 / GPa
"""GPa per eV/A^3."""


def _property_cells(errors: object) -> tuple[str, str, str]:
    found: tuple[Error | None, ...] = tuple(getattr(errors, name) for name in ("energy_per_atom", "forces", "stress"))
    energy, forces, stress = (
        "-" if error is None else number(factor * error.rmse)
        for error, factor in zip(found, (1e3, 1e3, _GPA), strict=True)
    )
    return energy, forces, stress


def _against_training(split: EvaluatedSplit, train: EvaluatedSplit | None) -> str | Mark:
    if train is None or split is train:
        return "-"
    for name in ("forces", "energy_per_atom"):
        here, there = (getattr(one.evaluation.errors.errors, name) for one in (split, train))
        if here is not None and there is not None and there.rmse > 0:
            ratio = here.rmse / there.rmse
            return mark(ratio, _OVERFITTED, _BADLY_OVERFITTED, f"{ratio:.2f} times")
    return "-"


def _by_element(splits: Sequence[EvaluatedSplit]) -> list[Part]:
    found = {split.name: element_errors(split) for split in splits}
    rows = [
        [
            error.symbol,
            name,
            f"{error.atoms:,}",
            number(1e3 * error.mae),
            number(1e3 * error.rmse),
            f"{100 * error.rmse / error.size:.1f} %" if error.size > 0 else "-",
        ]
        for name, errors in found.items()
        for error in errors
    ]
    if not rows:
        return [Paragraph("No frame has forces.")]
    order = {symbol: place for place, symbol in enumerate(splits[0].elements)}
    rows.sort(key=lambda row: order[row[0]])
    heads = ["element", "split", "atoms", "force MAE (meV/Å)", "RMSE (meV/Å)", "RMSE / RMS force"]
    return [Table(heads, rows, "Errors of the force components on the atoms of each element.", text_columns=(1,))]


def _by_group(splits: Sequence[EvaluatedSplit]) -> list[Part]:
    names = sorted({name for split in splits for name in split.evaluation.errors.groups})
    if len(names) < 2:
        return [
            Paragraph(
                "All frames are in one group. If frames have an entry such as config_type, set data.group_key in "
                "the configuration or --group-key."
            )
        ]
    rows = []
    for name in names:
        for split in splits:
            if name in split.evaluation.errors.groups:
                count = sum(frame.group == name for frame in split.frames)
                rows.append([name, split.name, str(count), *_property_cells(split.evaluation.errors.groups[name])])
    table = Table(
        ["group", "split", "frames", *_HEADS],
        rows,
        "RMSE on the frames of each group.",
        filterable=len(rows) > 12,
        text_columns=(1,),
    )
    plot = _group_plot(names, splits)
    return [table] if plot is None else [plot, table]


def _group_plot(names: Sequence[str], splits: Sequence[EvaluatedSplit]) -> Plot | None:
    figure = Figure()
    colors = split_colors([split.name for split in splits])
    for split in splits:
        groups = split.evaluation.errors.groups
        values = {name: groups[name].forces for name in names if name in groups}
        known = {name: 1e3 * error.rmse for name, error in values.items() if error is not None}
        if known:
            figure.add_scatter(
                x=list(known.values()),
                y=list(known),
                mode="markers",
                marker={"size": 9, "color": colors[split.name]},
                name=split.name,
                hovertemplate="%{y}: %{x:.4g} meV/Å<extra>%{fullData.name}</extra>",
            )
    if not figure.data or len(names) > _MOST_GROUPS_DRAWN:
        return None
    figure.update_layout(xaxis_title="force RMSE (meV/Å)", xaxis_rangemode="tozero", showlegend=True)
    figure.update_yaxes(
        type="category", range=[len(names) - 0.5, -0.5], categoryarray=list(names), categoryorder="array"
    )
    return Plot(figure, "", 120 + 26 * len(names), "force error of each group")


def _by_force(splits: Sequence[EvaluatedSplit]) -> list[Part]:
    bins = {split.name: found for split in splits if len(found := _with_force(force_bins(split))) > 1}
    if not bins:
        return [Paragraph("Too few force labels for this plot.")]
    absolute, relative = Figure(), Figure()
    colors = split_colors([split.name for split in splits])
    for name, found in bins.items():
        curve = {
            "x": [one.force for one in found],
            "mode": "lines+markers",
            "line_color": colors[name],
            "name": name,
            "text": [
                f"{one.count:,} atoms; 90 % of the errors below {number(1e3 * one.error_90)} meV/Å" for one in found
            ],
        }
        absolute.add_scatter(
            y=[1e3 * one.error for one in found],
            **curve,
            hovertemplate="%{y:.4g} meV/Å where forces are %{x:.3g} eV/Å<br>%{text}<extra>%{fullData.name}</extra>",
        )
        relative.add_scatter(
            y=[100 * one.relative for one in found],
            **curve,
            hovertemplate="%{y:.3g} % where forces are %{x:.3g} eV/Å<br>%{text}<extra>%{fullData.name}</extra>",
        )
    for figure, title in ((absolute, "mean error (meV/Å)"), (relative, "mean error / force (%)")):
        figure.update_layout(xaxis_title="force on the atom (eV/Å)", yaxis_title=title, showlegend=True)
        make_logarithmic(figure, "xy")
    caption = (
        "Mean length of the error vector. Each point averages a tenth of the atoms, ordered by force magnitude; the "
        "last point averages the 1 % with the largest forces."
    )
    relative_caption = (
        "The same error relative to the force magnitude; it is large for small forces with any potential."
    )
    left = Plot(absolute, caption, 360, "force error against force")
    return [Row([left, Plot(relative, relative_caption, 360, "relative force error against force")])]


def _with_force(bins: Sequence[ForceBin]) -> list[ForceBin]:
    """Omit bins of atoms without a force, by symmetry or at a minimum."""
    return [one for one in bins if one.force > _NO_FORCE * bins[-1].force]


def _by_distance(subject: Subject) -> list[Part]:
    train = subject.splits.get(TRAIN)
    if not train:
        return [Paragraph("The training frames are not available, so distances from them are unknown.")]
    others = subject.evaluated.unseen
    if not others:
        return [Paragraph("There are no frames other than the training frames.")]
    elements = set(subject.potential.elements)
    chosen = [train[int(place)].frame.atoms for place in _sample(train, _TRAIN_ATOMS, subject.seed)]
    chosen = [atoms for atoms in chosen if elements.issuperset(atoms.get_chemical_symbols())]
    nearest = NearestTraining(chosen, subject.potential.elements, subject.seed)
    found = {split.name: _distances_and_errors(split, nearest, subject.seed) for split in others}
    if not any(len(distance) for distance, *_ in found.values()):
        return [Paragraph("These frames have neither forces nor energies, or their atoms have no neighbors.")]
    colors = split_colors([split.name for split in subject.evaluated.splits])
    return [_distance_plot(found, colors, len(chosen), len(train))]


Found = tuple[np.ndarray, np.ndarray, list[str], str]
"""Distances (A), errors, names of the frames, and the unit of the errors."""


def _distances_and_errors(split: EvaluatedSplit, nearest: NearestTraining, seed: int) -> Found:
    places = _sample(split.frames, _OTHER_ATOMS, seed)
    error, unit = 1e3 * frame_force_errors(split), "force RMSE of the frame (meV/Å)"
    if not np.isfinite(error).any():
        error, unit = 1e3 * np.abs(frame_energy_errors(split)), "energy error of the frame (meV/atom)"
    distance = nearest.distances([split.frames[int(place)].frame.atoms for place in places])
    known = np.isfinite(distance) & np.isfinite(error[places])
    frames = [split.frames[int(place)].frame for place in places[known]]
    names = [f"{short_file(frame.file)}, frame {frame.index}" for frame in frames]
    return distance[known], error[places[known]], names, unit


def _distance_plot(found: Mapping[str, Found], colors: Mapping[str, str], looked_at: int, trained_on: int) -> Plot:
    figure = Figure()
    correlations = []
    lowest = lowest_shown(np.concatenate([error for _, error, *_ in found.values()]), _ERROR_DECADES)
    for name, (distance, error, names, _) in found.items():
        figure.add_scatter(
            x=short(distance),
            y=short(np.maximum(error, lowest)),
            mode="markers",
            marker={"size": 6, "color": colors[name], "opacity": 0.7},
            name=name,
            text=[f"{frame}: error {number(size)}" for frame, size in zip(names, error, strict=True)],
            hovertemplate="%{text}, distance %{x:.3g} Å<extra>%{fullData.name}</extra>",
        )
        if len(distance) >= _FEWEST_FRAMES and len(np.unique(error)) > 1 and len(np.unique(distance)) > 1:
            correlations.append(f"{name} {float(spearmanr(distance, error).statistic):.2f}")
    units = list(dict.fromkeys(unit for *_, unit in found.values()))
    figure.update_layout(xaxis_title="distance from the training frames (Å)", yaxis_title=" / ".join(units))
    figure.update_layout(showlegend=True)
    make_logarithmic(figure)
    caption = (
        "Each point is a frame. The distance compares descriptors, which count the neighbors of each "
        "element at each distance up to 5 Å. A distance of 0.05 Å corresponds to random displacements of "
        "all coordinates of a training frame by 0.05 Å (estimated from small displacements)."
    )
    if looked_at < trained_on:
        caption += f" Distances are to a random sample of {looked_at:,} of {trained_on:,} training frames."
    if correlations:
        listing = ", ".join(correlations)
        caption += f" Rank correlation of error and distance (1: errors grow with it, 0: unrelated): {listing}."
    return Plot(figure, caption, 400, "error of frames against their distance from the nearest training frame")


def _sample(frames: Sequence, most_atoms: int, seed: int) -> np.ndarray:
    return sampled_places(atom_counts(frames), seed, most_atoms)
