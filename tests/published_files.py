"""Small files in the formats of the public data sets, with numbers that a test can compute itself."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

RMD17_FRAMES = 12
RMD17_SPLIT_FRAMES = 6
MLEARN_GROUPS = ("Vacancy", "Surface", "AIMD-NVT", "Elastic")


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    """A tar archive with these contents by name."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def extxyz(symbols: str, count: int, energy: float, seed: int = 0) -> bytes:
    """`count` frames of atoms in a row, about 1.1 A apart, with energy and forces."""
    random = np.random.default_rng(seed)
    lines = []
    for frame in range(count):
        lines.append(f"{len(symbols)}")
        lines.append(
            'Lattice="50.0 0.0 0.0 0.0 50.0 0.0 0.0 0.0 50.0" Properties=species:S:1:pos:R:3:forces:R:3 '
            f'config_type=300K_MD energy={energy + 0.01 * frame} pbc="F F F"'
        )
        for number, symbol in enumerate(symbols):
            row = [1.1 * number, 0.0, 0.0, 0.0, 0.0, 0.0] + 0.05 * random.normal(size=6)
            lines.append(symbol + "".join(f"{value:16.8f}" for value in row))
    return ("\n".join(lines) + "\n").encode()


def isolated_atoms(energies: Mapping[str, float]) -> bytes:
    """Single atoms as in the BOTNet archives."""
    return "".join(
        f'1\nProperties=species:S:1:pos:R:3 energy={energy} pbc="F F F"\n{symbol} 0.0 0.0 0.0\n'
        for symbol, energy in energies.items()
    ).encode()


def rmd17_arrays() -> dict[str, np.ndarray]:
    """Twelve frames of three atoms, C O H, as in `rmd17_MOLECULE.npz`."""
    random = np.random.default_rng(17)
    rest = np.array([[0.0, 0.0, 0.0], [1.2, 0.0, 0.0], [-0.6, 0.9, 0.0]])
    return {
        "nuclear_charges": np.array([6, 8, 1], dtype=np.uint8),
        "coords": rest + 0.05 * random.normal(size=(RMD17_FRAMES, 3, 3)),
        "energies": -97000 + random.normal(size=RMD17_FRAMES),
        "forces": 20 * random.normal(size=(RMD17_FRAMES, 3, 3)),
        "old_indices": np.arange(RMD17_FRAMES) + 100.0,
    }


def rmd17_split(part: str, number: int) -> list[int]:
    """Frames of a split: no two alike, and not in order."""
    order = np.random.default_rng(number).permutation(RMD17_FRAMES)
    return (order[:RMD17_SPLIT_FRAMES] if part == "train" else order[RMD17_SPLIT_FRAMES:]).tolist()


def rmd17_members(molecule: str) -> dict[str, bytes]:
    """The members of the archive that a molecule needs, and one that it does not."""
    arrays = io.BytesIO()
    np.savez(arrays, **rmd17_arrays())
    members = {"rmd17/npz_data/rmd17_other.npz": b"", f"rmd17/npz_data/rmd17_{molecule}.npz": arrays.getvalue()}
    for part in ("train", "test"):
        for number in range(1, 6):
            text = "".join(f"{index}\n" for index in rmd17_split(part, number))
            members[f"rmd17/splits/index_{part}_{number:02d}.csv"] = text.encode()
    return members


def mlearn_frames(element: str, count: int, lattice_constant: float) -> bytes:
    """A cubic cell of two atoms, strained and rattled, as in `training.json`."""
    random = np.random.default_rng(count)
    entries = []
    for number in range(count):
        matrix = lattice_constant * (np.eye(3) + 0.02 * random.normal(size=(3, 3)))
        fractions = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]) + 0.02 * random.normal(size=(2, 3))
        sites = [
            {
                "species": [{"element": element, "occu": 1}],
                "abc": fraction.tolist(),
                "xyz": (fraction @ matrix).tolist(),
                "label": element,
            }
            for fraction in fractions
        ]
        entries.append(
            {
                "structure": {"lattice": {"matrix": matrix.tolist()}, "sites": sites, "charge": None},
                "outputs": {
                    "energy": -21.0 + 0.1 * random.normal(),
                    "forces": random.normal(size=(2, 3)).tolist(),
                    "virial_stress": (10 * random.normal(size=6)).tolist(),
                },
                "group": MLEARN_GROUPS[number % 4],
                "description": f"frame {number}",
                "element": element,
                "num_atoms": 2,
                "tag": "train",
            }
        )
    return json.dumps(entries).encode()
