"""Parity plots of labels and predictions, for loggers that accept images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from potentials.evaluation.labeled_predictions import Array, Evaluation


def parity_picture(evaluation: Evaluation) -> Figure:
    """Plot energies per atom, force components and stress components; properties without labels are omitted.

    Energies are relative to the mean of the labels.
    """
    parity = evaluation.parity
    label, prediction = (side / parity.atoms for side in parity.energy)
    known = np.isfinite(label)
    middle = label[known].mean() if known.any() else 0.0
    panels: list[tuple[str, str, Array, Array]] = [
        ("energy", "meV/atom", 1e3 * (label - middle), 1e3 * (prediction - middle)),
        ("forces", "eV/A", parity.forces[0].ravel(), parity.forces[1].ravel()),
        ("stress", "meV/A^3", 1e3 * parity.stress[0].ravel(), 1e3 * parity.stress[1].ravel()),
    ]
    drawn = [panel for panel in panels if (np.isfinite(panel[2]) & np.isfinite(panel[3])).any()]
    figure = Figure(figsize=(4.2 * len(drawn), 4), layout="constrained")
    for axes, (title, unit, x, y) in zip(_axes(figure, len(drawn)), drawn, strict=True):
        _draw(axes, title, unit, x, y)
    return figure


def _axes(figure: Figure, count: int) -> Sequence[Axes]:
    return list(figure.subplots(1, count, squeeze=False)[0])


def _draw(axes: Axes, title: str, unit: str, label: Array, prediction: Array) -> None:
    both = np.isfinite(label) & np.isfinite(prediction)
    label, prediction = label[both], prediction[both]
    if len(label) > 2000:
        axes.hexbin(label, prediction, gridsize=80, bins="log", mincnt=1, cmap="viridis", linewidths=0)
    else:
        axes.plot(label, prediction, ".", markersize=3, color="#0b62a8")
    ends = [min(label.min(), prediction.min()), max(label.max(), prediction.max())]
    axes.plot(ends, ends, color="#5b6675", linewidth=0.8)
    axes.set(title=title, xlabel=f"label, {unit}", ylabel=f"prediction, {unit}")
    axes.grid(True, linewidth=0.3)
