"""Figures of the results of benchmark.py."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

mpl.rcParams["svg.hashsalt"] = "potentials"  # the same file for the same figures


def draw(results: dict[str, Any], file: Path) -> None:
    """Plot the ratios for each case or, for results of dynamics, the times per atom."""
    if any("ours_ms" in result for result in results.values()):
        figure = dynamics(results)
    else:
        figure = ratios(results)
    figure.savefig(file, dpi=150, bbox_inches="tight", metadata={"Date": None} if file.suffix == ".svg" else None)


def ratios(results: dict[str, Any]) -> Figure:
    """Plot the speedup relative to the peer, for training and for energy and forces."""
    cases = [name for name, result in results.items() if "train_ratio" in result and "turns" in result]
    figure = Figure(figsize=(8, 0.8 + 0.45 * max(1, len(cases))))
    axes = figure.add_subplot()
    for offset, kind, label in ((-0.2, "train", "training step"), (0.2, "infer", "energy and forces")):
        values = [results[name][f"{kind}_ratio"] for name in cases]
        bars = axes.barh([place + offset for place in range(len(cases))], values, height=0.38, label=label)
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    peers = ["nequip" if name.rsplit("-", 1)[-1] in ("parity", "l1", "l2", "l3") else "mace-torch" for name in cases]
    axes.set_yticks(range(len(cases)), [f"{name}  ({peer})" for name, peer in zip(cases, peers, strict=True)])
    axes.invert_yaxis()
    axes.set_xlabel("times faster than the peer on the same machine")
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def dynamics(results: dict[str, Any]) -> Figure:
    """Plot the time per atom and step (us) against the number of atoms."""
    figure = Figure(figsize=(6, 4))
    axes = figure.add_subplot()
    sizes = [name for name, result in results.items() if "ours_ms" in result]
    for key, label in (("ours_ms", "potentials"), ("mace_ms", "mace-torch")):
        points = [(int(name), statistics.median(results[name][key])) for name in sizes if results[name][key]]
        if points:
            axes.plot([n for n, _ in points], [1e3 * ms / n for n, ms in points], "o-", label=label)
    axes.set(xscale="log", yscale="log", xlabel="silicon atoms", ylabel="time per atom and MD step, us")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
