"""The potentials that tests of other programs hand over."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from potentials.config import parse_config
from potentials.models.schnet import SchNetConfig
from potentials.potential import Potential
from potentials.potential.model_file import save
from potentials.training.run import train

COPPER = """
run: {folder}
data: {{train: "builtin:copper@1:190:5", validation: 4, stress: stress, reference_energies: {{Cu: 3.51}}}}
model: {{name: ace, cutoff: 4.5, correlation: 2, polynomial_degree: 8, angular_degree: 3, radial: {{size: 6}}}}
loss: {{energy: {{weight: 1}}, forces: {{weight: 100}}, stress: {{weight: 1000}}}}
train: {{precision: float64}}
logging: {{report: false}}
"""
ELEMENTS = {"H": -0.5, "C": -1.5, "O": -2.5, "Ne": -3.5, "Al": -4.5, "Ni": -5.5}


def copper_model(path: Path) -> None:
    """Fit a linear ACE in closed form: seconds, deterministic, and a stable crystal."""
    with tempfile.TemporaryDirectory() as folder:
        train(parse_config(COPPER.format(folder=f"{folder}/run")))
        path.write_bytes(Path(folder, "run", "best.potential").read_bytes())


def untrained_model(path: Path) -> None:
    """Random weights serve questions of locality and units."""
    torch.manual_seed(5)
    config = SchNetConfig(
        name="schnet",
        elements=list(ELEMENTS),
        average_neighbors=12.0,
        scale=1.0,
        shift=0.0,
        cutoff=5.0,
        channels=16,
        layers=2,
    )
    save(Potential(config, ELEMENTS, "float64"), path)
