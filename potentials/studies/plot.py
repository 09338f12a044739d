"""The plot of a study: errors against training frames on logarithmic axes, with the fitted power laws."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

from potentials.studies.summary import METRICS, Summary

_MARKERS = "osD^vP*Xh<>p"


def plot(summary: Summary) -> str:
    """Return the plot as SVG text; it is identical for identical results."""
    what, unit = METRICS[summary.metric]
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.add_subplot()
    colors = mpl.colormaps["tab20"].colors  # type: ignore[attr-defined]
    for number, curve in enumerate(summary.curves):
        sizes = sorted(curve.points)
        means = [curve.mean(size) for size in sizes]
        # The mean of equal numbers may differ from them by rounding.
        low = [max(0.0, mean - min(curve.points[size])) for size, mean in zip(sizes, means, strict=True)]
        high = [max(0.0, max(curve.points[size]) - mean) for size, mean in zip(sizes, means, strict=True)]
        color = colors[(2 * number) % 20 + (2 * number) // 20 % 2]
        exponent = "" if curve.law is None else f"  {_exponent(curve.law.exponent)}"
        label = f"{curve.variant}{exponent}"
        marker = _MARKERS[number % len(_MARKERS)]
        axes.errorbar(
            sizes, means, (low, high), color=color, marker=marker, markersize=5, ls="", capsize=2, label=label
        )
        if curve.law is not None:
            ends = np.array([sizes[0], sizes[-1]])
            axes.plot(ends, [curve.law.at(size) for size in ends], color=color, linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="training frames", ylabel=f"{what}, {unit}")
    ticks = sorted({size for curve in summary.curves for size in curve.points})
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.grid(True, linewidth=0.3)
    figure.legend(loc="outside right upper", title="error ~ frames^b", fontsize="small", frameon=False)
    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "potentials", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _exponent(value: float) -> str:
    return f"b = {value:.2f}".replace("-", "\N{MINUS SIGN}")
