"""Test that user input is either accepted or rejected with a message.

    python scripts/fuzz.py --configurations 10000 --models 10000 --extxyz 2000 --arguments 1000

The command generates these numbers of examples with the strategies of `tests/fuzz`, of which the test suite runs a
few: configurations with overrides, model files, extxyz files, command lines. An example fails if it raises anything but
a `PotentialsError`, if it takes more than a few seconds or 2 GiB of memory, or if the process dies. The command prints
the outcomes of each kind of input, saves failing examples in `--failures`, and exits with code 1 if there are any.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
MODULES = {
    "configurations": "fuzz.configurations",
    "models": "fuzz.model_files",
    "foreign": "fuzz.foreign_files",
    "extxyz": "fuzz.extxyz_files",
    "arguments": "fuzz.arguments",
}
HUNG = 300.0
"""Seconds without a new example after which the process is killed; the limit within the process only affects Python."""


def run_examples(kind: str, number: int, seed: int, work: str, failures: str) -> None:
    """Check examples one by one; runs in a separate process, which an example may crash."""
    sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    module = importlib.import_module(MODULES[kind])
    too_long: type[BaseException] = importlib.import_module("fuzz.limits").TooLongError
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    base = Path(work)
    folder = base / "example"
    folder.mkdir()

    def check(example: Any) -> None:
        nonlocal slowest
        count = sum(outcomes.values())
        shutil.rmtree(folder)
        folder.mkdir()
        (base / "current").write_text(repr(example))
        start = time.process_time()
        try:
            outcomes[module.check(example, folder)] += 1
        except (Exception, too_long, SystemExit):  # noqa: BLE001 - any exception is a failure to report
            outcomes["FAILED"] += 1
            keep(base, Path(failures) / f"{kind}-{count}", traceback.format_exc())
        slowest = max(slowest, time.process_time() - start)
        if (count + 1) % 1000 == 0:
            print(f"  {kind}: {count + 1}", flush=True)

    options: dict[str, Any] = {"max_examples": number, "database": None, "deadline": None}
    settled = settings(**options, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    seeded(seed)(settled(given(module.examples())(check)))()
    (base / "result.json").write_text(json.dumps({"outcomes": outcomes, "slowest": slowest}))


def keep(work: Path, folder: Path, reason: str) -> None:
    """Save a failing example and the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(work / "example", folder, dirs_exist_ok=True, ignore_dangling_symlinks=True)
    if (work / "current").exists():
        shutil.copy(work / "current", folder / "example.txt")
    (folder / "reason.txt").write_text(reason)


def run_kind(kind: str, number: int, seed: int, failures: Path) -> bool:
    """Run all examples of a kind and print the outcomes; return whether all passed."""
    with tempfile.TemporaryDirectory(prefix="potentials-fuzz-") as work:
        process = multiprocessing.get_context("spawn").Process(
            target=run_examples, args=(kind, number, seed, work, str(failures))
        )
        start = time.perf_counter()
        process.start()
        ended = wait(process, Path(work) / "current")
        seconds = time.perf_counter() - start
        result = Path(work) / "result.json"
        if not result.is_file():
            reason = (
                f"the process hung for {HUNG:g} s"
                if not ended
                else f"the process ended with exit code {process.exitcode}"
            )
            keep(Path(work), failures / f"{kind}-last", reason)
            print(f"{kind}: {reason}; the example is in {failures / f'{kind}-last'}")
            return False
        found = json.loads(result.read_text())
    outcomes, slowest = found["outcomes"], found["slowest"]
    listing = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
    print(
        f"{kind}: {sum(outcomes.values())} examples in {seconds:.0f} s (the slowest took {slowest:.1f} s of CPU): "
        f"{listing}",
        flush=True,
    )
    return "FAILED" not in outcomes


def wait(process: Any, current: Path) -> bool:
    """Wait for the process; return False if it was killed because it made no progress."""
    started = time.time()
    while process.is_alive():
        process.join(1.0)
        moved = current.stat().st_mtime if current.exists() else started
        if time.time() - max(moved, started) > HUNG and process.is_alive():
            process.kill()
            process.join()
            return False
    return True


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in MODULES:
        parser.add_argument(f"--{kind}", type=int, default=0, help=f"number of examples ({kind})")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the examples")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder for failing examples")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    numbers = {kind: getattr(arguments, kind) for kind in MODULES if getattr(arguments, kind) > 0}
    if not numbers:
        parser.error("give a number of examples for at least one kind of input")
    folder = arguments.failures.resolve()
    passed = [run_kind(kind, number, arguments.seed, folder) for kind, number in numbers.items()]
    if not all(passed):
        sys.exit(f"failing examples are in {arguments.failures}")


if __name__ == "__main__":
    main()
