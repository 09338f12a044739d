"""Two processes do what one does with the same batch: gradients, errors, files; whatever frames and labels they get."""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from potentials.data.batch import CountedBatches
from potentials.data.read import read_frames

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("several_devices.py")
SEED = 3
FRAMES = 13
MODELS = {
    "toy": "{name: toy, cutoff: 4.0}",
    "mace": "{name: mace, cutoff: 4.0, channels: 4, feature_degree: 1, edge_degree: 2, correlation: 2, layers: 2}",
}
CONFIG = """
run: given later
seed: 3
data:
  train: FOLDER/TRAIN.xyz
  validation: FOLDER/validation.xyz
  test: FOLDER/test.xyz
  stress: stress
  reference_energies: {Cu: 0.2}
  batch_size: BATCH_SIZE
  evaluation_batch_size: 1
model: MODEL
loss:
  energy: {weight: 1}
  forces: {weight: 10}
  stress: {weight: 100}
train: {max_epochs: 2, precision: float64, accelerator: cpu, strategy: auto}
"""


def labels(atoms: Atoms, *names: str) -> Atoms:
    """The same structure with these labels only."""
    kept = {name: value for name, value in atoms.calc.results.items() if name in names}
    copy = atoms.copy()
    copy.calc = SinglePointCalculator(copy, **kept)
    return copy


def far_apart(random: np.random.Generator) -> Atoms:
    """Two atoms without an edge."""
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [20, 0, 0]])
    atoms.calc = SinglePointCalculator(atoms, energy=random.normal(), forces=np.zeros((2, 3)))
    return atoms


def of_second_process(batch_size: int, count: int) -> set[int]:
    """The first frames of the first epoch that the second of two processes sees."""
    sampler = CountedBatches(FRAMES, batch_size, SEED, 2, 1)
    return set([index for batch in sampler for index in batch][:count])


def write_data(folder: Path) -> None:
    frames = [frame.atoms for frame in read_frames(["builtin:copper@1:14", "builtin:copper@190:199"])]
    train, validation, test = frames[:FRAMES], frames[FRAMES : FRAMES + 7], frames[FRAMES + 7 :]
    random = np.random.default_rng(0)
    first, whole = of_second_process(3, 3), of_second_process(3, FRAMES)
    one = min(first)
    ase.io.write(folder / "validation.xyz", validation)
    ase.io.write(folder / "test.xyz", test)
    ase.io.write(folder / "all.xyz", train)
    ase.io.write(folder / "even.xyz", train[:12])
    changed = {
        "no-stress": lambda atoms, index: labels(atoms, "energy", "forces") if index in first else atoms,
        "energies": lambda atoms, index: labels(atoms, "energy") if index in whole else atoms,
        "no-edges": lambda atoms, index: far_apart(random) if index in first else atoms,
        # In the first step one frame of six, in the second process, has an energy, and the same one a stress.
        "one-label": lambda atoms, index: atoms if index == one else labels(atoms, "forces"),
    }
    for name, change in changed.items():
        ase.io.write(folder / f"{name}.xyz", [change(atoms, index) for index, atoms in enumerate(train)])


def case(folder: Path, processes: int, model: str, train: str, *changes: str) -> dict:
    packed = any("per_batch" in change for change in changes)
    text = CONFIG.replace("FOLDER", str(folder)).replace("TRAIN", train).replace("MODEL", MODELS[model])
    text = text.replace("BATCH_SIZE", "null" if packed else str(6 // processes))
    overrides = [f"train.devices={processes}", *(change.replace("FOLDER", str(folder)) for change in changes)]
    return {"config": text, "overrides": overrides, "packed": packed}


CASES = {
    "toy-even": ("toy", "even"),
    "mace-even": ("mace", "even"),
    "mace-uneven": ("mace", "all"),
    "mace-no-stress": ("mace", "no-stress"),
    # The second process' frames have no label that counts, in the whole first epoch.
    "toy-no-labels": ("toy", "energies", "loss.energy.weight=0"),
    "mace-no-labels": ("mace", "energies", "loss.energy.weight=0"),
    "toy-no-edges": ("toy", "no-edges"),
    "mace-no-edges": ("mace", "no-edges"),
    # Fewer labeled entries than processes, of energies, stresses and force components.
    "toy-one-label": ("toy", "one-label"),
    "mace-one-label": ("mace", "one-label"),
    "toy-one-label-mae": ("toy", "one-label", "loss.energy.function=mae", "loss.stress.function=huber"),
    "toy-one-energy": ("toy", "one-label", "loss.forces.weight=0", "loss.stress.weight=0"),
    "mace-atoms": ("mace", "all", "data.max_atoms_per_batch=70"),
    "toy-edges": ("toy", "all", "data.max_edges_per_batch=1200"),
    # Frames of one head only in some steps of a process.
    "mace-heads": (
        "mace",
        "even",
        "data.train=[{file: FOLDER/even.xyz@:9, head: one}, {file: FOLDER/even.xyz@9:12, head: two}]",
        "data.heads={two: {weight: 2.0}}",
        "data.validation=1",
        "data.test=null",
    ),
    "mace-repeated": (
        "mace",
        "even",
        "data.train=[{file: FOLDER/even.xyz@:9, head: one}, {file: FOLDER/even.xyz@9:12, head: two}]",
        "data.heads={two: {repeat: 3}}",
        "data.validation=2",
        "data.test=null",
    ),
    "mace-repeated-atoms": (
        "mace",
        "even",
        "data.train=[{file: FOLDER/even.xyz@:9, head: one}, {file: FOLDER/even.xyz@9:12, head: two}]",
        "data.heads={two: {repeat: 3}}",
        "data.validation=2",
        "data.test=null",
        "data.max_atoms_per_batch=70",
    ),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """All cases, trained by one process and by two."""
    folder = tmp_path_factory.mktemp("several")
    write_data(folder)
    for processes in (1, 2):
        cases = {name: case(folder, processes, *options) for name, options in CASES.items()}
        (folder / "cases.json").write_text(json.dumps(cases))
        command = [sys.executable, str(SCRIPT), str(processes)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        finished = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert finished.returncode == 0, finished.stderr
    return folder


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_one_process(runs, name):
    one = torch.load(runs / f"{name}-1" / "gradient-0.pt")
    whole = torch.cat([gradient.flatten() for gradient in one.values()]).norm()
    assert whole > 0
    for rank in range(2):
        two = torch.load(runs / f"{name}-2" / f"gradient-{rank}.pt")
        assert two.keys() == one.keys()
        for parameter, gradient in one.items():
            error = (two[parameter] - gradient).norm()
            assert error <= 1e-12 * max(gradient.norm(), 1e-3 * whole), parameter


@pytest.mark.parametrize("name", CASES)
def test_all_processes_make_as_many_steps(runs, name):
    steps = [(runs / f"{name}-{end}").read_text() for end in ("1/steps-0", "2/steps-0", "2/steps-1")]
    assert steps[0] == steps[1] == steps[2]


@pytest.mark.parametrize("name", ["toy-even", "mace-even", "mace-atoms", "toy-edges"])
def test_errors_are_those_of_one_process(runs, name):
    """Also though the second process has one batch of validation less than the first."""
    rows = []
    for processes in (1, 2):
        with (runs / f"{name}-{processes}" / "run" / "metrics.csv").open(newline="") as file:
            rows.append(list(csv.DictReader(file)))
    assert [len(found) for found in rows] == [2, 2]
    for one, two in zip(*rows, strict=True):
        for column in one.keys() - {"time_s"}:
            assert float(two[column]) == pytest.approx(float(one[column]), rel=1e-9), column


@pytest.mark.parametrize("name", CASES)
def test_there_is_one_set_of_files(runs, name):
    found = [sorted(path.name for path in (runs / f"{name}-{processes}" / "run").iterdir()) for processes in (1, 2)]
    assert found[0] == found[1]
    lines = [re.sub(r"^\S+ \S+ +", "", line) for line in (runs / f"{name}-2/run/log.txt").read_text().splitlines()]
    assert len(lines) == len(set(lines))
    assert sum(line.startswith("epoch ") for line in lines) == 2
    assert sum(line.startswith("training ") and " x 2: " in line for line in lines) == 1
    status = json.loads((runs / f"{name}-2/run/status.json").read_text())
    assert (status["state"], status["epoch"]) == ("finished", 2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_four_processes_on_two_nodes_with_uneven_frames_of_mixed_sizes(tmp_path):
    """By the command line, started once a node: 33 frames of 4 to 32 atoms, 6 for validation, in batches by atoms."""
    config = f"""
run: {tmp_path}/run
data:
  train: ["builtin:copper@1:21", "builtin:copper@160:250:7"]
  validation: 6
  stress: stress
  max_atoms_per_batch: 64
model: {MODELS["mace"]}
loss: {{stress: {{weight: 1}}}}
train: {{max_epochs: 2, accelerator: cpu, devices: 2, nodes: 2}}
logging: {{report: false}}
"""
    (tmp_path / "config.yaml").write_text(config)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [sys.executable, "-m", "potentials", "train", "config.yaml"]
    pipe = subprocess.PIPE
    nodes = [
        subprocess.Popen(
            command, cwd=tmp_path, env={**environment, "NODE_RANK": str(node)}, stdout=pipe, stderr=pipe, text=True
        )
        for node in range(2)
    ]
    try:
        (output, messages), (other_output, other_messages) = [node.communicate(timeout=240) for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], messages + other_messages
    run = tmp_path / "run"
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["epoch"]) == ("finished", 2)
    assert len((run / "metrics.csv").read_text().splitlines()) == 3
    assert (run / "best.potential").is_file()
    lines = [re.sub(r"^\S+ \S+ +", "", line) for line in (run / "log.txt").read_text().splitlines()]
    assert len(lines) == len(set(lines))
    assert any(" x 4: 27 training frames, 6 validation frames" in line for line in lines)
    assert messages.count("finished: all epochs completed") == 1
    assert "Warning" not in messages
    assert "errors of the best model" in output
    assert other_output == ""
    assert set(other_messages.splitlines()) <= {line for line in messages.splitlines() if "compiling" in line}
