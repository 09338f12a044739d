"""Plot validation errors against training time, from the metrics.csv of runs and of `train_peer.py`.

python scripts/accuracy_plot.py docs/images/accuracy.svg "potentials=runs/acac-hour/metrics.csv" "mace-torch=mace.csv"
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, StrMethodFormatter

mpl.rcParams["svg.hashsalt"] = "potentials"  # the same file for the same figures


def read_metrics(file: Path) -> tuple[list[float], list[float]]:
    """Read times (min) and the lowest validation force RMSE (meV/A) so far, which is that of the best model."""
    minutes: list[float] = []
    errors: list[float] = []
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            minutes.append(float(row["time_s"]) / 60)
            errors.append(min([float(row["forces_rmse_meV_per_A"]), *errors[-1:]]))
    return minutes, errors


def draw(files: dict[str, Path]) -> Figure:
    """Plot one line per file."""
    figure = Figure(figsize=(6.5, 4))
    axes = figure.add_subplot()
    for name, file in files.items():
        minutes, errors = read_metrics(file)
        (line,) = axes.plot(minutes, errors, label=name)
        axes.annotate(
            f"{errors[-1]:.1f}", (minutes[-1], errors[-1]), (4, 0), textcoords="offset points", color=line.get_color()
        )
    axes.set(xscale="log", yscale="log", xlabel="minutes", ylabel="force RMSE, validation, meV/A")
    axes.set_xticks([0.5, 1, 2, 5, 10, 20, 60])
    axes.set_yticks([5, 10, 20, 50, 100, 200, 500])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_locator(NullLocator())
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("files", nargs="+", metavar="NAME=FILE")
    args = parser.parse_args()
    for argument in args.files:
        if "=" not in argument or not Path(argument.split("=", 1)[1]).is_file():
            parser.error(f"expected NAME=FILE with an existing file, got {argument!r}")
    files = {name: Path(file) for name, file in (argument.split("=", 1) for argument in args.files)}
    metadata = {"Date": None} if args.output.suffix == ".svg" else None
    draw(files).savefig(args.output, dpi=150, bbox_inches="tight", metadata=metadata)


if __name__ == "__main__":
    main()
