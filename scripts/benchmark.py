"""Time training steps and energy+forces calls against mace-torch and nequip, and measure peak memory.

    python scripts/benchmark.py --mace-python mace-env/bin/python --nequip-python nequip-env/bin/python

The other packages (peers) run in their own environments, through ../shared/bench/peers.py (`--peers`), with the same
architecture, structures and threads. This package and the peer are timed alternately, each case and round in a new
process, so that other load on the machine affects both; ratios are computed within each round, and the table shows the
medians of all rounds. Peak memory is the largest resident size of the process that ran the case, including its imports.
Without peers only this package is timed. `compiled` is energy and forces of `potential.compile_for_md()`, which the ASE
calculator uses; it is not used in ratios, and memory is measured before it.

`--atoms 64,512,4096` instead times steps of NVE dynamics through the ASE calculator for silicon cells of these sizes,
including neighbor lists, and mace-torch's calculator for comparison if its environment is given.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"
CUTOFF = 5.0


@dataclass(frozen=True)
class Case:
    """One architecture on one batch, under its name in peers.py."""

    peer: str
    system: str
    options: dict[str, Any]


def _mace(system: str, channels: int, degree: int) -> Case:
    return Case("mace", system, {"channels": channels, "feature_degree": degree})


def _nequip(system: str, channels: int, degree: int, parity: bool) -> Case:
    options = {"channels": channels, "degree": degree, "parity": parity, "radial_mlp": [64, 64]}
    return Case("nequip", system, options)


CASES = {
    "acac-64-L0": _mace("acac", 64, 0),
    "acac-64-L1": _mace("acac", 64, 1),
    "acac-128-L1": _mace("acac", 128, 1),
    "acac-64-L2": _mace("acac", 64, 2),
    "si-64-L1": _mace("si", 64, 1),
    "si-128-L1": _mace("si", 128, 1),
    "acac-32-l1-parity": _nequip("acac", 32, 1, parity=True),
    "acac-64-l1": _nequip("acac", 64, 1, parity=False),
    "acac-32-l2-parity": _nequip("acac", 32, 2, parity=True),
    "acac-64-l2": _nequip("acac", 64, 2, parity=False),
    "acac-32-l3": _nequip("acac", 32, 3, parity=False),
    "si-32-l2-parity": _nequip("si", 32, 2, parity=True),
}


@dataclass(frozen=True)
class Timing:
    """Times (ms) and peak resident memory of one round; `compiled_ms` only exists for this package."""

    train_ms: float
    infer_ms: float
    memory_mb: float
    compiled_ms: float | None = None


def frames(system: str, data: Path) -> list[Any]:
    """Return the structures of a system, as in peers.py."""
    import ase.io
    from ase.build import bulk

    if system == "acac":
        structures = ase.io.read(data / "acac" / "train_300K.xyz", ":10")
        for atoms in structures:
            atoms.pbc, atoms.cell = False, None
        return structures
    atoms = bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    return [atoms]


def potential_of(case: Case, elements: list[str]) -> Any:
    """Create a potential with random weights."""
    import torch

    import potentials.models  # noqa: F401  (registers the families)
    from potentials.config.families import families
    from potentials.potential import Potential

    torch.manual_seed(1)
    given = {"elements": elements, "cutoff": CUTOFF, "average_neighbors": 14.0, "scale": 1.0, "shift": 0.0}
    config = families()[case.peer].model_validate({"name": case.peer, **given, **case.options})
    return Potential(config, dict.fromkeys(elements, 0.0))


def median_ms(call: Callable[[], Any], repeats: int) -> float:
    """Measure the median time (ms) of a call over the repeats, after two warm-up calls."""
    times = []
    for repeat in range(repeats + 2):
        start = time.perf_counter()
        call()
        if repeat >= 2:
            times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def time_ours(name: str, data: Path, repeats: int) -> None:
    """Time one case of this package and print the result as a line of JSON; runs in a separate process."""
    import torch
    from ase.data import atomic_numbers

    from potentials.data.graph import build_graph, collate
    from potentials.potential.compilation import compile_for_md

    case = CASES[name]
    structures = frames(case.system, data)
    elements = sorted({symbol for atoms in structures for symbol in atoms.symbols}, key=lambda s: atomic_numbers[s])
    potential = potential_of(case, elements)
    batch = collate([build_graph(atoms, elements, CUTOFF) for atoms in structures])
    parameters = [parameter for parameter in potential.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        prediction = potential(batch, forces=True)
        loss = 1e-6 * (prediction.energy**2).mean() + (prediction.forces**2).mean()
        loss.backward(inputs=parameters)
        optimizer.step()

    potential.train()
    train = median_ms(step, repeats)
    potential.eval()
    infer = median_ms(lambda: potential(batch, forces=True, create_graph=False), repeats)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    compiled = compile_for_md(potential)
    ready = median_ms(lambda: compiled(batch, forces=True, create_graph=False), repeats)
    print(json.dumps({"train_ms": train, "infer_ms": infer, "compiled_ms": ready, "own_memory_mb": memory}))


# The same code times both calculators; it also runs in the environment of the peer.
DYNAMICS = """
import statistics, sys, time
from ase.build import bulk
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase import units
import numpy as np

def milliseconds_per_step(calculator, cells, steps):
    atoms = bulk("Si", cubic=True) * (cells, cells, cells)
    atoms.rattle(0.05, seed=1)
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(1))
    dynamics = VelocityVerlet(atoms, 1.0 * units.fs)
    dynamics.run(3)
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        dynamics.run(1)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.mean(times)
"""

MACE_CALCULATOR = """
import os
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
import torch
from e3nn import o3
from mace import modules
from mace.calculators import MACECalculator
torch.set_num_threads(int(sys.argv[3]))
torch.set_default_dtype(torch.float32)
block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
model = modules.ScaleShiftMACE(
    r_max=5.0, num_bessel=8, num_polynomial_cutoff=5, max_ell=3, interaction_cls=block, interaction_cls_first=block,
    num_interactions=2, num_elements=1, hidden_irreps=o3.Irreps("64x0e+64x1o"), MLP_irreps=o3.Irreps("16x0e"),
    gate=torch.nn.functional.silu, atomic_energies=np.zeros(1), avg_num_neighbors=14.0, atomic_numbers=[14],
    correlation=3, radial_type="bessel", radial_MLP=[64, 64, 64], atomic_inter_scale=1.0, atomic_inter_shift=0.0,
)
calculator = MACECalculator(models=[model], device="cpu", default_dtype="float32")
print(milliseconds_per_step(calculator, int(sys.argv[1]), int(sys.argv[2])))
"""


def time_our_dynamics(cells: int, steps: int) -> None:
    """Print the time per step (ms) with the calculator of this package; runs in a separate process."""
    from potentials.potential import PotentialCalculator

    scope: dict[str, Any] = {}
    exec(DYNAMICS, scope)  # the process of the peer runs the same code
    calculator = PotentialCalculator(potential_of(CASES["si-64-L1"], ["Si"]))
    print(scope["milliseconds_per_step"](calculator, cells, steps))


# Runs a command and adds its peak memory to the JSON that it prints last, in a process without other children.
MEASURING = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True)
if done.returncode:
    sys.exit(done.returncode)
memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(done.stdout.strip().splitlines()[-1][:-1] + f', "memory_mb": {memory:.1f}}}')
"""


def last_line(command: list[str], threads: int) -> str:
    """Run a command and return the last line it prints; exit if it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[:300]} failed:\n{done.stderr[-3000:]}")
    return done.stdout.strip().splitlines()[-1]


def measured(command: list[str], threads: int) -> Timing:
    """Run a worker of this package or of a peer and return the timing it prints, with its memory."""
    found = json.loads(last_line([sys.executable, "-c", MEASURING, *command], threads))
    memory = found.get("own_memory_mb", found["memory_mb"])
    return Timing(found["train_ms"], found["infer_ms"], memory, found.get("compiled_ms"))


def geometric_mean(values: list[float]) -> float:
    """Compute the geometric mean."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def benchmark(options: argparse.Namespace) -> dict[str, Any]:
    """Run all cases, alternating between this package and the peers, and print a table row by row."""
    pythons = {"mace": options.mace_python, "nequip": options.nequip_python}
    names = options.cases.split(",") if options.cases else list(CASES)
    results: dict[str, Any] = {}
    print("| case | train, ms | peer | ratio | energy+forces, ms | peer | ratio | compiled, ms | memory, MB | peer |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in names:
        python = pythons[CASES[name].peer]
        turns = []
        for _ in range(options.rounds):
            worker = [sys.executable, __file__, "--worker", name, "--data", str(options.data)]
            ours = measured([*worker, "--repeats", str(options.repeats)], options.threads)
            theirs = None
            if python:
                arguments = ["--cases", name, "--threads", str(options.threads), "--repeats", str(options.repeats)]
                theirs = measured([python, str(options.peers), CASES[name].peer, *arguments], options.threads)
            turns.append((ours, theirs))
        results[name] = summary(turns)
        print(row(name, results[name]), flush=True)
    for peer in ("mace", "nequip"):
        chosen = [results[name] for name in names if CASES[name].peer == peer and "train_ratio" in results[name]]
        if chosen:
            means = {kind: geometric_mean([r[f"{kind}_ratio"] for r in chosen]) for kind in ("train", "infer")}
            results[f"{peer}, geometric mean"] = means
            print(f"geometric mean against {peer}: train {means['train']:.1f}, energy+forces {means['infer']:.1f}")
    return results


def summary(turns: list[tuple[Timing, Timing | None]]) -> dict[str, Any]:
    """Compute medians of times and ratios over the rounds."""
    result: dict[str, Any] = {"turns": [[asdict(t) if t else None for t in pair] for pair in turns]}
    for field in ("train_ms", "infer_ms", "memory_mb"):
        result[field] = statistics.median(getattr(ours, field) for ours, _ in turns)
        peers = [getattr(theirs, field) for _, theirs in turns if theirs]
        if peers:
            result[f"peer_{field}"] = statistics.median(peers)
    result["compiled_ms"] = statistics.median(ours.compiled_ms or math.nan for ours, _ in turns)
    for kind in ("train", "infer"):
        ratios = [getattr(b, f"{kind}_ms") / getattr(a, f"{kind}_ms") for a, b in turns if b]
        if ratios:
            result[f"{kind}_ratio"] = statistics.median(ratios)
    return result


def row(name: str, result: dict[str, Any]) -> str:
    """Format one row of the table."""

    def figures(kind: str) -> str:
        if f"{kind}_ratio" not in result:
            return f"{result[f'{kind}_ms']:.1f} | - | -"
        return f"{result[f'{kind}_ms']:.1f} | {result[f'peer_{kind}_ms']:.0f} | {result[f'{kind}_ratio']:.1f}"

    peer = f"{result['peer_memory_mb']:.0f}" if "peer_memory_mb" in result else "-"
    columns = (figures("train"), figures("infer"), f"{result['compiled_ms']:.1f}", f"{result['memory_mb']:.0f}", peer)
    return f"| {name} | {' | '.join(columns)} |"


def benchmark_dynamics(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the time per step of dynamics (ms) for increasing cell sizes."""
    results: dict[str, Any] = {}
    print("| silicon atoms | potentials, ms/step | per atom, us | mace-torch | ratio |")
    print("|---|---|---|---|---|")
    for atoms in (int(number) for number in options.atoms.split(",")):
        cells = round((atoms / 8) ** (1 / 3))
        if 8 * cells**3 != atoms:
            raise SystemExit(f"--atoms: expected 8 n^3 atoms (64, 216, 512, 1000, ...), got {atoms}")
        steps = max(3, min(20, 20000 // atoms))
        arguments = [str(cells), str(steps), str(options.threads)]
        ours_ms, theirs_ms = [], []
        for _ in range(options.rounds):
            worker = [sys.executable, __file__, "--dynamics-worker", *arguments[:2]]
            ours_ms.append(float(last_line(worker, options.threads)))
            if options.mace_python:
                code = DYNAMICS + MACE_CALCULATOR
                theirs_ms.append(float(last_line([options.mace_python, "-c", code, *arguments], options.threads)))
        ours = statistics.median(ours_ms)
        results[str(atoms)] = {"ours_ms": ours_ms, "mace_ms": theirs_ms}
        ratio = statistics.median(b / a for a, b in zip(ours_ms, theirs_ms, strict=True)) if theirs_ms else None
        peer = f"{statistics.median(theirs_ms):.0f} | {ratio:.1f}" if ratio else "- | -"
        print(f"| {atoms} | {ours:.1f} | {1e3 * ours / atoms:.1f} | {peer} |", flush=True)
    return results


def machine() -> dict[str, Any]:
    """Describe the machine and package versions of the measurement."""
    import platform

    import torch

    from potentials.kernels.dispatch import describe_kernels

    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "kernels": describe_kernels(torch.zeros(1)),
    }


def main() -> None:
    """Run the command; workers are started with this program too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mace-python", help="interpreter of an environment with mace-torch")
    parser.add_argument("--nequip-python", help="interpreter of an environment with nequip")
    parser.add_argument("--peers", type=Path, default=SHARED / "bench" / "peers.py")
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="folder with acac/train_300K.xyz")
    parser.add_argument("--cases", default="", help=f"cases to run, of {', '.join(CASES)}")
    parser.add_argument("--atoms", default="", help="time dynamics with these numbers of silicon atoms instead")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--output", type=Path, help="write all results as JSON")
    parser.add_argument("--plot", type=Path, help="plot the ratios, or the dynamics, to this file (.svg, .png)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--dynamics-worker", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        time_ours(options.worker, options.data, options.repeats)
        return
    if options.dynamics_worker:
        time_our_dynamics(*options.dynamics_worker)
        return
    unknown = [name for name in options.cases.split(",") if name and name not in CASES]
    if unknown:
        parser.error(f"--cases: unknown {', '.join(unknown)}; known are {', '.join(CASES)}")
    results = {"machine": machine()}
    results |= benchmark_dynamics(options) if options.atoms else benchmark(options)
    if options.output:
        options.output.write_text(json.dumps(results, indent=1))
    if options.plot:
        from benchmark_plot import draw

        draw(results, options.plot)


if __name__ == "__main__":
    main()
