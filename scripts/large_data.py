"""Measure the training loader with up to a million small frames: frames per second, and memory of every process.

    python scripts/large_data.py --frames 20000
    python scripts/large_data.py --frames 1000000 --shards 10 --workers 2 --format aselmdb

Frames are distorted copies of molecules of 8 to 21 atoms with the energy and forces of springs, written to shards in
--folder; existing shards are reused. Memory is reported as RSS (including pages of mapped files and pages shared with
other processes), PSS (shared pages divided among the processes) and USS (pages of the process alone). At the end a
training step of a MACE with 64 channels is timed for comparison.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

import potentials.models  # noqa: F401  (registers the families)
from potentials.config.run import RunConfig
from potentials.data.conversion.convert import WRITERS
from potentials.data.module import GraphDataModule
from potentials.data.prepare import PreparedData, prepare
from potentials.data.read import Frame
from potentials.setup.rehearsal import rehearse

NAMES = ("C2H6", "CH3CH2OH", "CH3COCH3", "C5H5N", "C6H6", "C5H8", "trans-butane")
ATOM_ENERGIES = {1: -13.6, 6: -1030.0, 7: -1488.0, 8: -2043.0}
SPRING = 12.0
"""Spring constant of each atom to its position in the molecule, eV/A^2."""
AMPLITUDE = 0.05
"""A."""
MEBI = 2**20


def main() -> None:
    """Generate missing shards, read an epoch of each format, and time a training step."""
    arguments = parse()
    print(f"{platform.machine()}, {psutil.cpu_count()} cores, torch {torch.__version__}, {vars(arguments)}", flush=True)
    for suffix in arguments.format:
        generate(arguments.folder, suffix, arguments.frames, arguments.shards, arguments.jobs)
        config = configuration(arguments, suffix)
        start = time.perf_counter()
        prepared = prepare(config, lambda text: print(f"  {text}", flush=True))
        print(f"{suffix}: prepared in {time.perf_counter() - start:.0f} s", flush=True)
        for note in prepared.notes:
            print(f"  note: {note}", flush=True)
        rate = read_epoch(prepared, arguments.every)
        if not arguments.no_step:
            compare_with_training(prepared, rate)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=10)
    parser.add_argument("--format", nargs="+", choices=("aselmdb", "h5"), default=["aselmdb", "h5"])
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the loader")
    parser.add_argument("--jobs", type=int, default=1, help="processes that write shards")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--every", type=float, default=15.0, help="seconds between progress lines")
    parser.add_argument("--folder", type=Path, default=Path("data") / "large")
    parser.add_argument("--no-step", action="store_true", help="skip the training step")
    return parser.parse_args()


def generate(folder: Path, suffix: str, frames: int, shards: int, jobs: int) -> None:
    """Write missing shards."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [frames * (shard + 1) // shards - frames * shard // shards for shard in range(shards)]
    missing = [
        (shard, path, size)
        for shard, size in enumerate(sizes)
        if not (path := shard_path(folder, suffix, frames, shard)).exists()
    ]
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        pool.starmap(write_shard, missing)
    if missing:
        written = sum(size for _, _, size in missing)
        print(f"{suffix}: wrote {written} frames in {time.perf_counter() - start:.0f} s", flush=True)
    num_bytes = sum(shard_path(folder, suffix, frames, shard).stat().st_size for shard in range(shards))
    print(f"{suffix}: {frames} frames in {shards} files, {num_bytes / 1e9:.2f} GB", flush=True)


def shard_path(folder: Path, suffix: str, frames: int, shard: int) -> Path:
    """Return the file of a shard."""
    return folder / f"frames-{frames}-{shard:05d}.{suffix}"


def write_shard(shard: int, path: Path, size: int) -> None:
    """Write a shard atomically."""
    partial = path.with_name(f"partial-{path.name}")
    partial.unlink(missing_ok=True)
    writer = WRITERS[path.suffix](partial)
    for number, atoms in enumerate(distorted(shard, size)):
        writer.add(Frame(atoms, "generated", number))
    writer.close()
    partial.rename(path)


def distorted(seed: int, count: int) -> Iterator[Atoms]:
    """Generate copies of the molecules with random displacements of all atoms."""
    random = np.random.default_rng(seed)
    names, templates = list(NAMES), [molecule(name) for name in NAMES]
    pair, partner = molecule("C6H6"), molecule("CH3CH2OH")
    partner.translate([0.0, 0.0, 5.0])
    names.append("C6H6 CH3CH2OH")
    templates.append(pair + partner)
    for _ in range(0, count, 1000):
        kinds = random.integers(len(templates), size=min(1000, count))
        displaced = random.normal(scale=AMPLITUDE, size=(len(kinds), 21, 3))
        count -= len(kinds)
        for kind, displacement in zip(kinds.tolist(), displaced, strict=True):
            template = templates[kind]
            shift = displacement[: len(template)]
            atoms = Atoms(template.numbers, template.positions + shift)
            energy = sum(ATOM_ENERGIES[number] for number in template.numbers) + 0.5 * SPRING * (shift**2).sum()
            atoms.calc = SinglePointCalculator(atoms, energy=float(energy), forces=-SPRING * shift)
            atoms.info["config_type"] = names[kind]
            yield atoms


def configuration(arguments: argparse.Namespace, suffix: str) -> RunConfig:
    """Create the configuration of a run of a small MACE on the shards."""
    files = arguments.folder / f"frames-{arguments.frames}-*.{suffix}"
    return RunConfig.model_validate(
        {
            "run": "large-data",
            "data": {
                "train": str(files),
                "validation": min(1000, arguments.frames // 10),
                "loading": "lazy",
                "batch_size": arguments.batch_size,
                "workers": arguments.workers,
            },
            "model": {"name": "mace", "cutoff": 5.0, "channels": 64, "feature_degree": 1},
        }
    )


def read_epoch(prepared: PreparedData, every: float) -> float:
    """Read one epoch of training batches and print progress lines; return frames per second."""
    module = GraphDataModule(prepared, prepared.config.model.elements, prepared.config.model.cutoff)
    start = reported = time.perf_counter()
    frames = reported_frames = edges = 0
    largest: dict[str, int] = {}
    for batch in module.train_dataloader():
        frames += batch.num_graphs
        edges += batch.edge_index.shape[1]
        now = time.perf_counter()
        if now - reported >= every or frames == len(module.train_graphs):
            rate = (frames - reported_frames) / (now - reported)
            memory = memory_of_processes()
            figures = "; ".join(f"{name} {text(sizes)}" for name, sizes in memory.items())
            print(f"{now - start:7.0f} s {frames:9d} frames {rate:7.0f}/s   RSS/PSS/USS MiB: {figures}", flush=True)
            for name, (resident, *_) in memory.items():
                largest[name] = max(largest.get(name, 0), resident)
            reported, reported_frames = now, frames
    elapsed = time.perf_counter() - start
    peaks = ", ".join(f"{name} {size / MEBI:.0f}" for name, size in largest.items())
    print(
        f"one epoch: {frames} frames, {edges} edges in {elapsed:.0f} s, {frames / elapsed:.0f} frames/s with "
        f"{prepared.config.data.workers} workers; largest RSS in MiB: {peaks}",
        flush=True,
    )
    return frames / elapsed


def memory_of_processes() -> dict[str, tuple[int, int, int]]:
    """Return RSS, PSS and USS in bytes of this process and of the workers of the loader."""
    main_process = psutil.Process()
    found = {"main": sizes_of(main_process)}
    for number, child in enumerate(sorted(main_process.children(), key=lambda process: process.pid)):
        if "resource_tracker" not in " ".join(child.cmdline()):
            found[f"worker {number}"] = sizes_of(child)
    return found


def sizes_of(process: psutil.Process) -> tuple[int, int, int]:
    """Return RSS, PSS and USS in bytes."""
    full: Any = process.memory_full_info()
    return full.rss, full.pss, full.uss


def text(sizes: tuple[int, int, int]) -> str:
    """Format sizes in MiB."""
    return "/".join(f"{size / MEBI:.0f}" for size in sizes)


def compare_with_training(prepared: PreparedData, rate: float) -> None:
    """Time a training step and compare it with the frames per second of the loader."""
    rehearsal = rehearse(prepared)
    frames = prepared.config.data.batch_size or 1
    training = frames / rehearsal.step_seconds
    print(
        f"training step of {prepared.config.model.name} with 64 channels: {1e3 * rehearsal.step_seconds:.1f} ms for "
        f"{frames} frames with {torch.get_num_threads()} threads, {training:.0f} frames/s; the loader alone gives "
        f"{rate / training:.1f} times as many frames per second",
        flush=True,
    )


if __name__ == "__main__":
    main()
