"""Time steps of molecular dynamics with and without other busy processes, for several settings of the OpenMP library.

    python scripts/crowded_machine.py                                     # settings of `import potentials`
    python scripts/crowded_machine.py --settings unset GOMP_SPINCOUNT=2000 OMP_WAIT_POLICY=passive --rounds 5

Each measurement runs in a new process, because the library reads its settings only once. Settings and loads alternate,
so that other activity on the machine affects all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

SIZES = {64: (4, 4, 4), 1000: (10, 10, 10)}
"""Number of atoms, and the repetitions of the primitive cell of copper."""
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
BUSY = "while True: pass"


def time_steps(atoms: int, seconds: float) -> None:
    """Print the time per step (ms) of `atoms` copper atoms with an untrained MACE, in this process."""
    import potentials  # noqa: F401  (must set the environment before torch is imported)

    # isort: split
    import torch
    from ase.build import bulk
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from ase.md.verlet import VelocityVerlet
    from ase.units import fs

    from potentials.config import family_config
    from potentials.potential import Potential, PotentialCalculator

    torch.manual_seed(0)
    config = {"name": "mace", "cutoff": 5.0, "elements": ["Cu"], "average_neighbors": 42.0, "scale": 1.0, "shift": 0.0}
    potential = Potential(family_config(config | {"channels": 32}), {"Cu": 0.0})
    structure = bulk("Cu").repeat(SIZES[atoms])
    structure.calc = PotentialCalculator(potential)
    MaxwellBoltzmannDistribution(structure, temperature_K=300)
    dynamics = VelocityVerlet(structure, timestep=fs)
    dynamics.run(5)
    times: list[float] = []
    while len(times) < 20 or sum(times) < seconds:
        start = time.perf_counter()
        dynamics.run(1)
        times.append(time.perf_counter() - start)
    times.sort()
    print(json.dumps([1000 * sum(times) / len(times), 1000 * times[len(times) // 20]]))


@contextmanager
def busy_processes(number: int) -> Iterator[None]:
    """Run busy processes within the context."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(number)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def measured(atoms: int, setting: str, busy: int, options: argparse.Namespace) -> tuple[float, float]:
    """Measure mean and fast step times (ms) in a new process with this setting, besides `busy` busy processes.

    The fast time, the 5th percentile, is that of a step without interruptions. Use it to compare settings on a machine
    with other load.
    """
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment["OMP_NUM_THREADS"] = str(options.threads)
    if "=" in setting:
        name, value = setting.split("=")
        environment[name] = value
    elif setting == "unset":
        # The default of the library, set explicitly so that the package does not change it.
        environment["GOMP_SPINCOUNT"] = "300000" if options.threads <= (os.cpu_count() or 1) else "1000"
    command = [sys.executable, __file__, "--time", str(atoms), "--seconds", str(options.seconds)]
    with busy_processes(busy):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    mean, fast = json.loads(done.stdout.splitlines()[-1])
    return mean, fast


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", nargs="+", default=["default"], help="default, unset, or VARIABLE=VALUE")
    parser.add_argument("--atoms", nargs="+", type=int, choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--busy", nargs="+", type=int, default=[0, 2], help="numbers of busy processes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="duration of each measurement")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--time", type=int, choices=list(SIZES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        time_steps(options.time, options.seconds)
        return
    found: dict[tuple[int, str, int], list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        for atoms in options.atoms:
            for busy in options.busy:
                for setting in options.settings:
                    key = (atoms, setting, busy)
                    found.setdefault(key, []).append(measured(atoms, setting, busy, options))
                    print(*key, *found[key][-1], file=sys.stderr, flush=True)
    print(f"{options.threads} threads, load average {os.getloadavg()[0]:.1f}")
    print("ms per step: median and minimum of the means of all rounds, and fast steps (5th percentile)")
    for (atoms, setting, busy), times in found.items():
        means, fast = zip(*times, strict=True)
        figures = f"{statistics.median(means):8.1f} {min(means):8.1f} {min(fast):8.1f}"
        print(f"{atoms:5d} atoms  {setting:28s} {busy} busy  {figures}")


if __name__ == "__main__":
    main()
