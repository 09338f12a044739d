"""`potentials learning-curve`: train models on training sets of increasing size and compare them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from potentials.cli.terminal import console
from potentials.cli.terminal.ending import ending_at_once
from potentials.exit_codes import interruption_code

FAILED = 1


def learning_curve(
    study: Annotated[Path, typer.Argument(help="Description of the study (YAML).")],
    report: Annotated[
        bool, typer.Option("--report", help="Write the report of the finished runs without training.")
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            "-w",
            min=1,
            help="Number of processes on this machine (each with its own GPU if there are GPUs), or of SLURM jobs.",
        ),
    ] = 1,
    slurm: Annotated[
        list[str] | None,
        typer.Option(
            "--slurm",
            help="Submit --workers jobs to SLURM, with this option for them, such as partition=gpu or time=600 "
            "(minutes); may be repeated.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train every variant of STUDY with every training set size and seed, and plot errors against size.

    Run the same command again to continue: finished runs are not repeated. Several processes may work on a study at the
    same time.
    """
    with ending_at_once():
        import potentials.models  # noqa: F401  (registers the families)
        from potentials.evaluation.error_table import align
        from potentials.studies.cells import Plan
        from potentials.studies.launch import launch
        from potentials.studies.queue import QueueOutcome, work
        from potentials.studies.report import comparison_table, curve_table, write_report
        from potentials.studies.results import finished_cell
        from potentials.studies.study import load_study
        from potentials.studies.summary import in_words, summarize

    plan = Plan(load_study(study))
    say = lambda text: console.messages.print(text, soft_wrap=True)  # noqa: E731
    outcome = QueueOutcome()
    if not report and (slurm is not None or workers > 1):
        launch(study, plan.study.folder, workers, slurm, say)
        if slurm is not None:
            return
    elif not report:
        outcome = work(plan, say)
    results = [found for cell in plan.cells if (found := finished_cell(plan, cell)) is not None]
    if results:
        summary = summarize(plan, results)
        files = write_report(plan.study, summary, plan.study.folder)
        console.output.print(align(curve_table(summary)), soft_wrap=True)
        if summary.comparisons:
            console.output.print(align(comparison_table(summary)), soft_wrap=True)
        console.output.print(in_words(summary), soft_wrap=True)
        console.output.print("\n".join(str(file) for file in files), soft_wrap=True)
    else:
        say("no run has finished yet")
    if outcome.elsewhere:
        say(f"{len(outcome.elsewhere)} runs are being trained by other processes")
    if outcome.interrupted:
        raise typer.Exit(interruption_code(outcome.signal))
    failed = len(outcome.failed)
    if workers > 1 and not report:
        failed = len(plan.cells) - len(results)
    if failed:
        console.error(f"{failed} runs failed or were interrupted; run the same command again to retry them")
        raise typer.Exit(FAILED)
