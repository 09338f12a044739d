"""Conversion of published formats to `ase.Atoms` in eV and eV/A, as names and frames of files to write."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

from potentials.data.public.archives import read_members
from potentials.errors import DataError
from potentials.units import ENERGY_IN_EV, FORCE_IN_EV_PER_ANGSTROM

Converted = Iterator[tuple[str, list[Atoms]]]
"""Name of a file to write, without its suffix, and its frames."""

RMD17_SPLITS = range(1, 6)


def convert_botnet(files: Mapping[str, Path]) -> Converted:
    """Yield the frames of every `*.xyz` of the archive under its own name; they are extended XYZ in eV and eV/A.

    Raises:
        DataError: the archive is damaged or contains no such file.
    """
    (archive,) = files.values()
    empty = True
    for name, content in read_members(archive, _is_xyz):
        empty = False
        try:
            frames = ase.io.read(io.StringIO(content.decode()), index=":", format="extxyz")
        except (ValueError, KeyError, IndexError, OSError) as error:  # ASE's XYZError is an OSError
            raise DataError(f"{archive}: {name} is not extended XYZ: {error}") from error
        yield PurePosixPath(name).stem, frames
    if empty:
        raise DataError(f"{archive} contains no *.xyz")


def _is_xyz(name: str) -> bool:
    # Archives made on macOS contain a "._" file for each file.
    path = PurePosixPath(name)
    return path.suffix == ".xyz" and not path.name.startswith(".")


def convert_rmd17(molecule: str, files: Mapping[str, Path]) -> Converted:
    """Yield the five published splits of a molecule of rMD17, `train_01` and `test_01` to `train_05` and `test_05`.

    `rmd17/npz_data/rmd17_MOLECULE.npz` contains `nuclear_charges` [N], `coords` [frames, N, 3] in A, `energies`
    [frames] in kcal/mol and `forces` [frames, N, 3] in kcal/mol/A; `rmd17/splits/index_train_01.csv` and so on contain
    one frame number per line.

    Raises:
        DataError: the archive is damaged, or a member is missing or has another format.
    """
    (archive,) = files.values()
    arrays = f"rmd17/npz_data/rmd17_{molecule}.npz"
    splits = {
        f"rmd17/splits/index_{part}_{number:02d}.csv": f"{part}_{number:02d}"
        for part in ("train", "test")
        for number in RMD17_SPLITS
    }
    contents = _all_members(archive, {arrays, *splits})
    try:
        with np.load(io.BytesIO(contents[arrays])) as loaded:
            numbers, positions = loaded["nuclear_charges"], loaded["coords"]
            energies = loaded["energies"] * ENERGY_IN_EV["kcal/mol"]
            forces = loaded["forces"] * FORCE_IN_EV_PER_ANGSTROM["kcal/mol/A"]
        for member, name in splits.items():
            frames = []
            for index in map(int, contents[member].split()):
                atoms = _labeled(Atoms(numbers, positions[index]), energies[index], forces[index])
                atoms.info["rmd17_index"] = index
                frames.append(atoms)
            yield name, frames
    except (ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive}: {arrays} or the splits do not have the published format: {error}") from error


def _all_members(archive: Path, names: set[str]) -> dict[str, bytes]:
    """Return contents by name; reading stops after the last one, to avoid reading the rest of a large archive."""
    contents: dict[str, bytes] = {}
    for name, content in read_members(archive, names.__contains__):
        contents[name] = content
        if len(contents) == len(names):
            return contents
    raise DataError(f"{archive} does not contain {', '.join(sorted(names - contents.keys()))}")


def convert_mlearn(files: Mapping[str, Path]) -> Converted:
    """Yield `train` and `test` of an element of mlearn.

    `training.json` and `test.json` are lists of frames: `structure` (pymatgen's format: `lattice.matrix` and `sites`
    with Cartesian `xyz`, A), `outputs` with `energy` (eV), `forces` (eV/A) and `virial_stress` (six numbers, kbar),
    `group` and `description`. The stress is not converted, because its order differs between frames.

    Raises:
        DataError: a file has another format.
    """
    for source, name in (("training.json", "train"), ("test.json", "test")):
        path = files[source]
        try:
            frames = [_mlearn_frame(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError(
                f"{path} ({source}) does not have the published format: {type(error).__name__}: {error}"
            ) from error
        yield name, frames


def _mlearn_frame(entry: Mapping[str, Any]) -> Atoms:
    structure, outputs = entry["structure"], entry["outputs"]
    sites: Iterable[Mapping[str, Any]] = structure["sites"]
    atoms = Atoms(
        [site["species"][0]["element"] for site in sites],
        [site["xyz"] for site in sites],
        cell=structure["lattice"]["matrix"],
        pbc=True,
    )
    atoms.info["group"] = entry["group"]
    atoms.info["description"] = entry["description"]
    atoms.info["virial_stress"] = np.array(outputs["virial_stress"], dtype=float)
    return _labeled(atoms, outputs["energy"], np.array(outputs["forces"], dtype=float))


def _labeled(atoms: Atoms, energy: float, forces: NDArray[np.float64]) -> Atoms:
    if forces.shape != (len(atoms), 3):
        raise ValueError(f"expected forces of shape {(len(atoms), 3)}, got {forces.shape}")
    atoms.calc = SinglePointCalculator(atoms, energy=float(energy), forces=forces)
    return atoms
