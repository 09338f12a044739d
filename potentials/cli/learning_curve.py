"""`potentials learning-curve`: train models on training sets of increasing size and compare them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from potentials.cli.terminal import console
from potentials.cli.terminal.signals import exit_on_signal
from potentials.exit_codes import interruption_code

EXIT_FAILED = 1


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
            help="Submit jobs (as many as --workers) to SLURM with this SLURM option, such as partition=gpu or "
            "time=600 (minutes); may be repeated.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train every variant of STUDY with every training set size and seed, and plot errors against size.

    Run the same command again to continue: finished runs are not repeated. Several processes may work on a study at the
    same time.
    """
    with exit_on_signal():
        import potentials.models  # noqa: F401  (registers the families)
        from potentials.config.messages.descriptions import counted
        from potentials.evaluation.error_table import align
        from potentials.studies.launch import launch
        from potentials.studies.queue import QueueOutcome, work
        from potentials.studies.report import comparison_table, curve_table, write_report
        from potentials.studies.results import finished_result
        from potentials.studies.runs import Plan
        from potentials.studies.study import load_study
        from potentials.studies.summary import describe_summary, summarize

    plan = Plan(load_study(study))
    print_message = lambda text: console.messages.print(text, soft_wrap=True)  # noqa: E731
    outcome = QueueOutcome()
    if not report and (slurm is not None or workers > 1):
        launch(study, plan.study.folder, workers, slurm, print_message)
        if slurm is not None:
            return
    elif not report:
        outcome = work(plan, print_message)
    results = [result for run in plan.runs if (result := finished_result(plan, run)) is not None]
    if results:
        summary = summarize(plan, results)
        files = write_report(plan.study, summary, plan.study.folder)
        console.output.print(align(curve_table(summary)), soft_wrap=True)
        if summary.comparisons:
            console.output.print(align(comparison_table(summary)), soft_wrap=True)
        console.output.print(describe_summary(summary), soft_wrap=True)
        console.output.print("\n".join(str(file) for file in files), soft_wrap=True)
    else:
        print_message("no run has finished yet")
    if outcome.running_elsewhere:
        running = len(outcome.running_elsewhere)
        verb = "is" if running == 1 else "are"
        print_message(f"{counted(running, 'run')} {verb} being trained by other processes")
    if outcome.interrupted:
        raise typer.Exit(interruption_code(outcome.signal))
    failed = len(outcome.failed)
    if workers > 1 and not report:
        failed = len(plan.runs) - len(results)
    if failed:
        verb = "was" if failed == 1 else "were"
        console.error(f"{counted(failed, 'run')} failed or {verb} interrupted; run the same command again to retry")
        raise typer.Exit(EXIT_FAILED)
