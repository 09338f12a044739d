"""Time SevenNet-0 in this program's calculator and in SevenNet's own, as two living processes that take turns.

    python scripts/benchmark_sevennet.py CHECKPOINT --peer <environment with sevenn>/bin/python --threads 1 2

Each turn moves all atoms by 0.01 A at random, as a step of molecular dynamics does, and computes energy and forces. The
table states medians over the turns, and the median of the ratios of successive turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
from ase import Atoms
from ase.build import bulk

ALLOY = ["Al", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zr"]
TURNS = {8: 40, 64: 20, 96: 16, 512: 6}


def structure(name: str) -> Atoms:
    """Return silicon with a number of atoms, or an alloy of ten elements with 96 atoms."""
    if name == "alloy 96":
        atoms = bulk("Ni", "fcc", a=3.7, cubic=True) * (4, 3, 2)
        atoms.symbols = [ALLOY[i % len(ALLOY)] for i in range(len(atoms))]
        return atoms
    repeats = {"Si 8": 1, "Si 64": 2, "Si 512": 4}[name]
    return bulk("Si", "diamond", a=5.43, cubic=True).repeat(repeats)


NAMES = ("Si 8", "Si 64", "Si 512", "alloy 96")


def serve(program: str, checkpoint: str) -> None:
    """Answer each line, a structure or an empty line for the next turn, with the seconds of a calculation."""
    if program == "ours":
        from potentials import import_model

        calculator: Any = import_model(checkpoint).calculator()
    else:
        from sevenn.calculator import SevenNetCalculator

        calculator = SevenNetCalculator(checkpoint, device="cpu")
    atoms, random = Atoms(), np.random.default_rng(0)
    for line in sys.stdin:
        if line.strip():
            atoms, random = structure(line.strip()), np.random.default_rng(0)
            atoms.calc = calculator
        atoms.positions += random.normal(scale=0.01, size=(len(atoms), 3))
        start = time.perf_counter()
        atoms.get_potential_energy()
        atoms.get_forces()
        print(json.dumps(time.perf_counter() - start), flush=True)


class Server:
    """A process that computes when it is asked to."""

    def __init__(self, python: str, program: str, checkpoint: Path, threads: int) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        command = [python, __file__, str(checkpoint), "--serve", program]
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, line: str = "") -> float:
        """Return the seconds of one calculation."""
        stdin, stdout = cast(TextIO, self.process.stdin), cast(TextIO, self.process.stdout)
        stdin.write(f"{line}\n")
        stdin.flush()
        return float(json.loads(stdout.readline()))


def measure(servers: list[Server], name: str) -> tuple[float, float, float]:
    """Return the median seconds of both programs and the median of the ratios, theirs by ours."""
    for server in servers:
        for line in (name, "", ""):
            server.ask(line)
    pairs = [[server.ask() for server in servers] for _ in range(TURNS[len(structure(name))])]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return ours, theirs, statistics.median(second / first for first, second in pairs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--peer", help="Python of an environment with sevenn")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--serve", choices=("ours", "sevenn"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, str(options.checkpoint))
        return
    if options.peer is None:
        parser.error("--peer: expected the Python of an environment with sevenn")
    print("| structure | threads | potentials, ms | sevenn, ms | ratio |\n|---|---|---|---|---|")
    for threads in options.threads:
        servers = [
            Server(python, program, options.checkpoint, threads)
            for python, program in ((sys.executable, "ours"), (options.peer, "sevenn"))
        ]
        for name in NAMES:
            ours, theirs, ratio = measure(servers, name)
            print(f"| {name} | {threads} | {1e3 * ours:.1f} | {1e3 * theirs:.0f} | {ratio:.1f} |", flush=True)
        for server in servers:
            server.process.kill()


if __name__ == "__main__":
    main()
