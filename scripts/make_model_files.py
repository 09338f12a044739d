"""Write small model files of the current release with their predictions; `tests/model_files` has those of all releases.

Run once for each release, before it is published:

    python scripts/make_model_files.py

Existing files of a release are never overwritten, because they represent the files that users have.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule

import potentials.models  # noqa: F401  (registers the families)
from potentials.config import families
from potentials.data.graph import build_graph
from potentials.potential import Potential, model_file

FOLDER = Path(__file__).parent.parent / "tests" / "model_files"
LARGEST = 30_000
"""Maximum size of a file in bytes, because files stay in the repository permanently."""
COMMON: dict[str, Any] = {"cutoff": 3.5, "elements": ["H", "C", "O"], "average_neighbors": 4.0, "shift": 0.1}
PER_ELEMENT = {"scale": {"H": 0.05, "C": 0.08, "O": 0.06}, "shift": {"H": 0.1, "C": -0.3, "O": 0.2}}
MODELS: dict[str, dict[str, Any]] = {
    "ace": {
        "correlation": 3,
        "polynomial_degree": [6, 5, 4],
        "angular_degree": 2,
        "radial": {"size": 4},
        "scale": 40.0,
    },
    "allegro": {"channels": 3, "scalar_channels": 6, "degree": 2, "latent_mlp": [8], "readout_mlp": [8], "scale": 0.2},
    "e3x": {"channels": 4, "degree": 2, "pseudotensors": True, "attention_heads": 2, "zbl": True, "scale": 4.0},
    "mace": {
        "channels": 4,
        "feature_degree": 1,
        "edge_degree": 2,
        "correlation": [3, 2],
        "radial": {"distance_transform": "agnesi", "trainable": True},
        "radial_mlp": [8],
        "zbl": True,
        **PER_ELEMENT,
    },
    "nequip": {"channels": 4, "layers": 3, "degree": 1, "radial_mlp": [8], **PER_ELEMENT},
    "painn": {"channels": 6, "layers": 2, "radial": {"size": 8}, "zbl": True, "scale": 0.5},
    "ponita": {"channels": 6, "layers": 2, "orientations": 6, "basis": 8, "widening": 2, "scale": 0.7},
    "schnet": {"channels": 6, "layers": 2, "radial": {"size": 8, "envelope": "cosine"}, "scale": 0.5},
}
METADATA: dict[str, Any] = {
    "config": {"run": "example", "data": {"train": "builtin:ethanol", "energy": {"key": "energy", "unit": "eV"}}},
    "training_data": "0" * 64,
    "epoch": 3,
    "validation_errors": {"energy_per_atom": {"mae": 0.001, "rmse": 0.002}, "forces": {"mae": 0.03, "rmse": 0.04}},
}


def structures() -> dict[str, Atoms]:
    """Create a distorted molecule and a crystal in a triclinic cell."""
    ethanol = molecule("CH3CH2OH")
    ethanol.rattle(0.1, seed=1)
    fractions = [[0.03, 0.02, 0.96], [0.51, 0.47, 0.05], [0.46, 0.03, 0.52], [0.02, 0.55, 0.46]]
    cell = [[3.2, 0.2, -0.3], [0.9, 3.0, 0.4], [-0.6, 0.7, 3.4]]
    return {"ethanol": ethanol, "crystal": Atoms("CHOH", scaled_positions=fractions, cell=cell, pbc=True)}


def prediction(potential: Potential, atoms: Atoms) -> dict[str, Any]:
    """Return a structure and its energy (eV), forces (eV/A) and stress (eV/A^3)."""
    graph = build_graph(atoms, potential.elements, potential.cutoff)
    found = potential(graph, forces=True, stress=True, create_graph=False)
    stress = None if found.stress is None or not atoms.pbc.all() else found.stress[0].tolist()
    return {
        "symbols": atoms.get_chemical_symbols(),
        "positions": atoms.positions.tolist(),
        "cell": np.asarray(atoms.cell).tolist(),
        "pbc": atoms.pbc.tolist(),
        "energy": float(found.energy),
        "forces": found.forces.tolist(),
        "stress": stress,
    }


def write(family: str, folder: Path) -> None:
    """Write a model file of a family with random weights, and its predictions in float64."""
    config = families()[family].model_validate({"name": family, **COMMON, **MODELS[family]})
    torch.manual_seed(7)
    potential = Potential(config, {"H": -13.6, "C": -29.5, "O": -42.0}, "float32", METADATA)
    with torch.no_grad():
        for parameter in potential.parameters():
            # Some families initialize the last layer to zero and would predict zeros.
            if parameter.dim() > 1 and not parameter.any():
                parameter.normal_()
    file = folder / f"{family}.potential"
    model_file.save(potential, file)
    size = file.stat().st_size
    if size > LARGEST:
        sys.exit(f"{file} has {size} bytes, more than the limit of {LARGEST}: make the model smaller")
    exact = model_file.load(file, precision="float64")
    predictions = {name: prediction(exact, atoms) for name, atoms in structures().items()}
    file.with_suffix(".json").write_text(json.dumps(predictions, indent=1) + "\n")
    energies = ", ".join(f"{name} {found['energy']:.6f} eV" for name, found in predictions.items())
    print(f"{file.name}: {size} bytes; {energies}")


def main() -> None:
    """Write the files of this release."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder with one subfolder per release")
    folder = parser.parse_args().folder / version("potentials")
    if folder.exists():
        sys.exit(
            f"{folder} already exists. Files of a release are never overwritten, because they represent the files that "
            "users have; raise the version in pyproject.toml first"
        )
    # Either all files are written or none.
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        for family in families():
            write(family, Path(unfinished))
        folder.mkdir()
        for file in Path(unfinished).iterdir():
            shutil.copy(file, folder)


if __name__ == "__main__":
    main()
