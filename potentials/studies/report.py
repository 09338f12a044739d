"""The output of a study: tables, plot, page and summary."""

from __future__ import annotations

import csv
import html
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from potentials.config.messages.descriptions import counted
from potentials.files import write_text
from potentials.studies.plot import plot
from potentials.studies.study import Study
from potentials.studies.summary import METRICS, Curve, Summary, describe_summary


def write_report(study: Study, summary: Summary, folder: Path) -> list[Path]:
    """Write `results.json`, `results.csv`, `curves.svg`, `report.html` and `summary.txt`; return their paths."""
    picture = plot(summary)
    texts = {
        "report.html": _page(study, summary, picture),
        "curves.svg": picture,
        "results.csv": _csv(summary),
        "results.json": json.dumps(_json(study, summary), indent=1, allow_nan=False) + "\n",
        "summary.txt": describe_summary(summary) + "\n",
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def curve_table(summary: Summary) -> list[list[str]]:
    """Return a header and a row per curve: errors by number of frames (mean over the seeds), parameters, exponent."""
    sizes = sorted({size for curve in summary.curves for size in curve.points})
    headers = ["variant", "parameters", *(str(size) for size in sizes), "exponent", "gain per doubling"]
    return [headers, *(_row(curve, sizes) for curve in summary.curves)]


def comparison_table(summary: Summary) -> list[list[str]]:
    """Return a header and a row per comparison: ratios of errors by number of frames, difference of exponents."""
    sizes = sorted({size for pair in summary.comparisons for size in pair.ratios})
    headers = ["variant", "against", *(str(size) for size in sizes), "difference of exponents", "curve"]
    rows = []
    for pair in summary.comparisons:
        ratios = [f"{pair.ratios[size]:.2f}" if size in pair.ratios else "-" for size in sizes]
        rows.append([pair.second, pair.first, *ratios, pair.interval, pair.verdict])
    return [headers, *rows]


def _row(curve: Curve, sizes: list[int]) -> list[str]:
    errors = [f"{curve.mean(size):.3g}" if size in curve.points else "-" for size in sizes]
    law = curve.law
    fit = ["-", "-"] if law is None else [f"{law.exponent:.3f} ({law.low:.3f} to {law.high:.3f})", f"{law.gain:.2f}"]
    return [curve.variant, f"{curve.parameters:,}", *errors, *fit]


def _runs(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            **asdict(result.run),
            "seconds": round(result.seconds, 1),
            **result.errors,
            **{f"train_{name}": error for name, error in result.train_errors.items()},
        }
        for result in summary.results
    ]


def _csv(summary: Summary) -> str:
    rows = _runs(summary)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _json(study: Study, summary: Summary) -> dict[str, Any]:
    return {
        "study": study.model_dump(mode="json"),
        "units": {
            "energy_per_atom": "eV/atom",
            "forces": "eV/A",
            "stress": "eV/A^3",
            "curves": METRICS[summary.metric][1],
        },
        "runs": _runs(summary),
        "curves": [asdict(curve) for curve in summary.curves],
        "comparisons": [
            {key: None if value != value else value for key, value in asdict(pair).items()}  # no interval: null
            for pair in summary.comparisons
        ],
        "missing": summary.missing,
    }


def _page(study: Study, summary: Summary, picture: str) -> str:
    what, unit = METRICS[summary.metric]
    title = html.escape(f"Learning curves: {study.folder.name}")
    length = f"{study.steps} gradient steps" if study.steps else f"{study.time} of training"
    about = (
        f"{what[0].upper()}{what[1:]} on the test frames in {unit}; geometric means over "
        f"{counted(len(study.seeds), 'seed')}, bars show the range. Every run had {length}; smaller training "
        "sets are subsets of larger ones. Exponents of error = a N^b with 95 % confidence intervals."
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; font-size: 13px; margin: 1rem 0; }}
th, td {{ padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid #ddd; }}
th:first-child, td:first-child {{ text-align: left; }}
svg {{ max-width: 100%; height: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{html.escape(describe_summary(summary))}</p>
{picture[picture.index("<svg") :]}
<p>{html.escape(about)}</p>
{_table(curve_table(summary))}
{_comparisons(summary)}
</body>
</html>
"""


def _comparisons(summary: Summary) -> str:
    if not summary.comparisons:
        return ""
    about = (
        "Paired comparison of variants with the same seed: ratio of the errors by number of training "
        "frames, and difference of the exponents with its 95 % confidence interval over the seeds."
    )
    return f"<p>{about}</p>\n{_table(comparison_table(summary))}"


def _table(rows: list[list[str]]) -> str:
    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "\n".join(["<table>", line(rows[0], "th"), *(line(row, "td") for row in rows[1:]), "</table>"])
