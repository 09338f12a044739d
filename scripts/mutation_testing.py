"""Mutation testing: make small changes to the program and check whether the tests detect them.

    python scripts/mutation_testing.py build/mutants --mutants 100 --seed 0

draws mutants of the files in `GROUPS`, evenly from each group, applies one at a time to a copy of the repository, and
runs the tests there until one fails: those of the group, then the others of `make test` and `make test-all`, as far as
`--until`. A mutant that survives all tests is a gap in the tests or has no observable effect. Results are written to
`results.csv`. An interrupted run can be continued, and with a later `--until` only survivors are tested further.
mutmut and Cosmic Ray are not used, because they do not draw a seeded sample, and rewrite functions in ways that are
incompatible with the cache of compiled kernels and `torch.library`.
"""

from __future__ import annotations

import argparse
import ast
import csv
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
GROUPS: dict[str, tuple[list[str], list[str]]] = {
    "kernels": (["potentials/kernels/**/*.py"], ["tests/kernels", "tests/models/test_kernel_agreement.py"]),
    "potential": (["potentials/potential/*.py"], ["tests/potential", "tests/families"]),
    "losses": (["potentials/training/loss*.py", "potentials/training/module.py"], ["tests/training"]),
    "labels": (["potentials/data/label/*.py"], ["tests/data"]),
}
"""Files to change, and the tests that are most likely to detect the changes."""
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
SUITES = ("group", "group, slow", "make test", "make test-all")
"""Tests in the order in which they run: the fast and the slow ones of the group, then all fast and all slow ones."""
SURVIVED = "survived "


@dataclass(frozen=True)
class Mutant:
    """One change: file, line, and the text of the whole file after the change."""

    group: str
    path: str
    line: int
    change: str
    text: str

    @property
    def name(self) -> str:
        """Unique name of the mutant."""
        return f"{self.path}:{self.line}: {self.change}"


def sites(tree: ast.Module) -> Iterator[tuple[ast.AST, Callable[[], None], Callable[[], None]]]:
    """Yield the nodes of a module that can be changed, with functions that apply and revert the change."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
            yield node, *replacement(node.ops, 0, COMPARISONS[type(node.ops[0])]())
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS and not joins_text(node):
            yield node, *replacement(node.__dict__, "op", OPERATIONS[type(node.op)]())
        elif isinstance(node, ast.BoolOp):
            yield node, *replacement(node.__dict__, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield node, *replacement(node.__dict__, "op", ast.UAdd())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, *replacement(node.__dict__, "operand", ast.UnaryOp(ast.Not(), node.operand))
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            changed = not node.value if isinstance(node.value, bool) else node.value + 1
            yield node, *replacement(node.__dict__, "value", changed)


def joins_text(node: ast.BinOp) -> bool:
    """Return whether an operation concatenates or formats text and is not arithmetic."""
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def replacement(where: Any, key: str | int, new: object) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return functions that replace a value and restore it."""
    old = where[key]
    return lambda: where.__setitem__(key, new), lambda: where.__setitem__(key, old)


def mutants_of(group: str, path: Path) -> list[Mutant]:
    """List all mutants of a file."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    found = []
    for node, change, restore in sites(tree):
        before = ast.unparse(node)
        change()
        after, text = ast.unparse(node), ast.unparse(tree)
        restore()
        line: int = node.lineno  # type: ignore[attr-defined]
        found.append(Mutant(group, str(path.relative_to(REPOSITORY)), line, f"{before} -> {after}", text))
    return found


def drawn(number: int, seed: int) -> list[Mutant]:
    """Draw a sample of mutants, evenly from the groups."""
    generator = random.Random(seed)
    chosen: list[Mutant] = []
    for position, (group, (patterns, _)) in enumerate(GROUPS.items()):
        files = sorted({path for pattern in patterns for path in REPOSITORY.glob(pattern)})
        found = [mutant for path in files for mutant in mutants_of(group, path)]
        share = number // len(GROUPS) + (position < number % len(GROUPS))
        chosen += generator.sample(found, min(share, len(found)))
    return chosen


def fails(copy: Path, arguments: list[str], time_limit: float) -> bool:
    """Return whether a test fails in the copy, its process crashes, or the tests exceed the time limit."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=time_limit, check=False)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def copy_repository(copy: Path) -> None:
    """Copy all files that git does not ignore."""
    shutil.rmtree(copy, ignore_errors=True)
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, copy / name)


def suite_arguments(group: str, workers: str) -> dict[str, list[str]]:
    """Return the arguments of pytest for each suite of a group."""
    parallel, slow = ["-n", workers, "--ignore", "tests/clients"], ["-m", "slow and not long"]
    first = [*GROUPS[group][1], *parallel]
    return dict(zip(SUITES, (first, [*first, *slow], parallel, [*parallel, *slow]), strict=True))


def noticed_by(mutant: Mutant, copy: Path, suites: Sequence[str], workers: str, time_limit: float) -> str:
    """Return which of the suites detects a mutant first, or the last one that it survived."""
    target = copy / mutant.path
    original = target.read_text(encoding="utf-8")
    target.write_text(mutant.text, encoding="utf-8")
    arguments = suite_arguments(mutant.group, workers)
    try:
        return next((suite for suite in suites if fails(copy, arguments[suite], time_limit)), SURVIVED + suites[-1])
    finally:
        target.write_text(original, encoding="utf-8")


def remaining_suites(earlier: str | None, until: str) -> Sequence[str]:
    """Return the suites to run for a mutant with this earlier result, if any."""
    if earlier is None:
        first = 0
    elif earlier.startswith(SURVIVED):
        first = SUITES.index(earlier.removeprefix(SURVIVED)) + 1
    else:
        return ()
    return SUITES[first : SUITES.index(until) + 1]


def main() -> None:
    """Draw and test mutants, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", default="2", help="processes of pytest")
    parser.add_argument("--until", choices=SUITES, default=SUITES[-1], help="last tests to run")
    parser.add_argument(
        "--time-limit", type=float, default=3600.0, help="seconds for each suite; a mutant that exceeds it is detected"
    )
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "results.csv"
    results: dict[tuple[str, str], str] = {}
    if path.exists():
        results = {(group, name): result for group, name, result in csv.reader(path.open(encoding="utf-8"))}
    copy = options.folder.resolve() / "repository"
    copy_repository(copy)
    checked: set[str] = set()
    for mutant in drawn(options.mutants, options.seed):
        key = mutant.group, mutant.name
        suites = remaining_suites(results.get(key), options.until)
        if not suites:
            continue
        if mutant.group not in checked and fails(copy, suite_arguments(mutant.group, options.workers)["group"], 1e6):
            raise SystemExit(f"the tests of the group {mutant.group} fail without a mutant")
        checked.add(mutant.group)
        results[key] = noticed_by(mutant, copy, suites, options.workers, options.time_limit)
        with path.open("a", encoding="utf-8", newline="") as file:
            # A later row of the same mutant replaces an earlier one.
            csv.writer(file).writerow([*key, results[key]])
        print(*key, results[key], sep="  ", flush=True)
    for group in GROUPS:
        counted = Counter(result for (of, _), result in results.items() if of == group)
        print(f"{group:10s} {sum(counted.values()):4d} mutants:", dict(counted))


if __name__ == "__main__":
    main()
