"""The complete report: its sections in order on one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch

from potentials.data.builtin import BUILTIN_PREFIX
from potentials.data.label import LabeledFrame
from potentials.errors import DataError, ModelFileError, PotentialsError
from potentials.files import write_text
from potentials.outputs import check_outputs
from potentials.pages import Page, Section
from potentials.report.gathering import BUDGET, Origin, gather
from potentials.report.record import report_json
from potentials.report.sections import (
    crystals,
    dimers,
    dynamics,
    errors,
    learning,
    parity,
    phonons,
    provenance,
    speed,
    stability,
    starting,
    symmetry,
    worst,
)
from potentials.report.subject import Subject
from potentials.report.summary import summary

Say = Callable[[str], None]
QUICK_BUDGET = 8.0
"""Seconds for each section of a quick report."""


@dataclass(frozen=True)
class Entry:
    """A section of the report."""

    title: str
    section: Callable[[Subject], Section]
    simulates: bool = False
    """Whether the section runs simulations, which a quick report skips."""
    applies: Callable[[Subject], bool] = lambda subject: True
    """Whether the section says something about a subject; it is left out otherwise."""


SECTIONS: Mapping[str, Entry] = {
    "learning": Entry(learning.TITLE, learning.section),
    "parity": Entry(parity.TITLE, parity.section),
    "errors": Entry(errors.TITLE, errors.section),
    "worst": Entry(worst.TITLE, worst.section),
    "starting": Entry(starting.TITLE, starting.section, applies=starting.applies),
    "dimers": Entry(dimers.TITLE, dimers.section),
    "crystals": Entry(crystals.TITLE, crystals.section, simulates=True),
    "phonons": Entry(phonons.TITLE, phonons.section, simulates=True),
    "dynamics": Entry(dynamics.TITLE, dynamics.section, simulates=True),
    "stability": Entry(stability.TITLE, stability.section, simulates=True),
    "symmetry": Entry(symmetry.TITLE, symmetry.section),
    "speed": Entry(speed.TITLE, speed.section, simulates=True),
    "provenance": Entry(provenance.TITLE, provenance.section),
}
"""Sections in the order of the page, with the names that `--skip` accepts."""


def write_report(
    model: Path | str,
    output: Path | str | None = None,
    data: Mapping[str, Sequence[LabeledFrame]] | None = None,
    *,
    quick: bool = False,
    skip: Collection[str] = (),
    device: torch.device | str = "cpu",
    head: str | None = None,
    seed: int = 1,
    say: Say = lambda text: None,
    files: Collection[str | Path] = (),
) -> Path:
    """Write the HTML report of a potential atomically, and a JSON record with the same content.

    Args:
        model: a model file, `builtin:NAME`, or a run folder, whose best model is used.
        output: path of the page; by default `report.html` beside the model, or in the current folder for
            `builtin:NAME`. The JSON record (see `report_json`) has the same name with `.json`.
        data: labeled frames by name, as returned by `label_frames`, with which predictions are compared. By default the
            data of the run, as far as they can be read.
        quick: skip sections that run simulations.
        skip: names of `SECTIONS` to skip.
        device: device of the potential.
        head: head of the potential, if it has several.
        seed: seed of random choices.
        say: callback for progress messages.
        files: files that `data` was read from, which must not be overwritten.

    Returns:
        The path of the page.

    Raises:
        ModelFileError: there is no model, or it cannot be loaded.
        DataError: a name in `skip` is not a section, or the page cannot be written.
    """
    _check_names(skip)
    target = check_page(model, output, files)  # before the computation
    record = target.with_suffix(".json")
    origin = Origin.of(Path(model))
    budget = QUICK_BUDGET if quick else BUDGET
    subject = gather(origin, given=data, device=device, head=head, budget=budget, seed=seed)
    page = make_page(subject, quick=quick, skip=skip, say=say)
    names = {entry.title: name for name, entry in SECTIONS.items()}
    facts = provenance.facts(subject)
    try:
        write_text(target, page.html())
        write_text(record, report_json(page, names, facts))
    except OSError as error:
        raise DataError(f"{target}: cannot write the report: {error}") from error
    return target


def check_page(model: Path | str, output: Path | str | None = None, files: Collection[str | Path] = ()) -> Path:
    """Return the path of the report of a potential, after checking that it and its record can be written.

    Args:
        model, output, files: as for `write_report`.

    Raises:
        ModelFileError: there is no model.
        DataError: page or record cannot be written, or is one of the files.
    """
    origin = Origin.of(Path(model))
    if not origin.model_file.is_file():
        raise ModelFileError(f"{origin.model_file}: no such model file")
    if output is not None:
        page = Path(output)
    elif str(model).startswith(BUILTIN_PREFIX):
        page = Path("report.html")
    else:
        page = origin.model_file.with_name("report.html")
    check_outputs([page, page.with_suffix(".json")], [origin.model_file, *files])
    return page


def make_page(
    subject: Subject, *, quick: bool = False, skip: Collection[str] = (), say: Say = lambda text: None
) -> Page:
    """Build all sections of a report.

    A `PotentialsError` leaves its section empty with the reason; other exceptions are errors in the program and are not
    caught.
    """
    _check_names(skip)
    chosen = {name: entry for name, entry in SECTIONS.items() if name not in skip and entry.applies(subject)}
    sections, seconds = [], {}
    start = time.monotonic()
    for number, (name, entry) in enumerate(chosen.items(), 1):
        say(f"report {number}/{len(chosen)}: {entry.title[0].lower()}{entry.title[1:]}")
        began = time.monotonic()
        sections.append(_section(entry, subject, quick))
        seconds[name] = time.monotonic() - began
    total = time.monotonic() - start
    return Page(
        title=_title(subject),
        subtitle="Report on an interatomic potential, written by potentials",
        sections=[summary(subject, sections), *sections],
        facts=_facts(subject),
        footer=_footer(total, seconds, skip),
    )


def _check_names(skip: Collection[str]) -> None:
    unknown = [name for name in skip if name not in SECTIONS]
    if unknown:
        raise DataError(f'unknown section "{unknown[0]}"; expected one of {", ".join(SECTIONS)}')


def _section(entry: Entry, subject: Subject, quick: bool) -> Section:
    if quick and entry.simulates:
        again = f"potentials report {subject.model_file}"
        return Section(entry.title, missing=f"Skipped in a quick report; run {again} for the full report.")
    try:
        return entry.section(subject)
    except PotentialsError as error:
        return Section(entry.title, missing=str(error))


def _title(subject: Subject) -> str:
    return subject.model_file.name if subject.run is None else subject.run.path.resolve().name


def _facts(subject: Subject) -> list[tuple[str, str]]:
    potential = subject.potential
    elements = potential.elements
    shown = ", ".join(elements[:12]) + (f" and {len(elements) - 12} more" if len(elements) > 12 else "")
    frames = ", ".join(f"{name} {len(frames):,}" for name, frames in subject.splits.items())
    return [
        ("family", potential.config.name),
        ("elements", shown),
        ("cutoff", f"{potential.cutoff:g} Å"),
        ("weights", f"{sum(weight.numel() for weight in potential.model.parameters()):,}"),
        ("frames", frames or "none"),
        ("written", datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")),
    ]


def _footer(total: float, seconds: Mapping[str, float], skip: Collection[str]) -> str:
    each = ", ".join(f"{name} {spent:.1f} s" for name, spent in seconds.items())
    left_out = f" Skipped: {', '.join(sorted(skip))}." if skip else ""
    return f"Computed in {total:.0f} s ({each}).{left_out}"
