"""Replay: frames of the starting potential's level of theory, on which a run trains in addition to its data.

They keep the potential accurate outside the new data, also at short distances. Frames are given with labels, or labeled
by the starting potential: given structures, or generated ones. They form a head of their own, `replay`; the frames of
the run form the head `default`. Batatia et al., arXiv:2401.00096, multi-head replay fine-tuning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from potentials.cache import cache_path
from potentials.config.data import DataConfig
from potentials.config.data.files import files_of_head, head_names, plain_files
from potentials.config.run import RunConfig
from potentials.config.starting import REPLAY_HEAD, ReplayConfig
from potentials.data.graph import build_graph
from potentials.data.read import read_frames
from potentials.data.write.structure_output import write_structures
from potentials.errors import DataError
from potentials.evaluation.predict import predict
from potentials.interop.starting import load_start
from potentials.potential import Potential
from potentials.training.fine_tuning.replay_structures import replay_structures

NEW = "default"
"""Head of the frames of a run that names no heads."""
_LARGEST_FORCE = 20.0
"""eV/A; frames with larger forces would dominate the loss."""
_TYPICAL_FORCE = 0.5
"""eV/A, F0 of the weights."""
WEIGHT = "replay_weight"
"""Entry of `atoms.info` with the weight of a labeled frame."""
_VALIDATION_EVERY = 10
"""One of ten labeled frames is for validation if the validation set of the run is given as files."""
_LABELS = ("energy", "forces", "stress")


class _Sets(NamedTuple):
    """Files of replay."""

    train: list[str]
    validation: list[str]
    """Empty if validation frames are drawn from the training files."""


def with_replay(
    config: RunConfig, folder: Path | None = None, say: Callable[[str], None] = lambda text: None
) -> RunConfig:
    """Add the head `replay` to the data of a run with `fine_tune.method: replay`; other runs are returned unchanged.

    Frames that the starting potential labels are written to a file, `replay.extxyz`. A file that exists is used as it
    is, so that a continued run has the same labels.

    Args:
        config: as loaded.
        folder: the folder of the run; by default a folder of the cache.
        say: callback for progress messages.

    Raises:
        PotentialsError: the starting potential or a file of structures cannot be read, or no frames are left.
    """
    start, replay = config.start_from, config.fine_tune.replay
    if start is None or replay is None or replay.is_prepared:
        return config
    if REPLAY_HEAD in config.data.heads:
        raise DataError(f"data.train: the head {REPLAY_HEAD} is that of the replayed frames; give yours another name")
    potential = load_start(start, config.train.precision).eval()
    given = [replay.files] if isinstance(replay.files, str) else list(replay.files or [])
    sets = _Sets(given, [])
    if replay.structures is not None or replay.generate:
        labeled = _labeled_files(config, replay, potential, folder or _cache_folder(config), say)
        sets = _Sets([*given, *labeled.train], labeled.validation)
    if isinstance(config.data.validation, str | list) and not sets.validation:
        raise DataError(
            "data.validation: fine_tune.replay has `files` only (no `structures` or `generate`), so there are no "
            "validation frames for the head replay; give a number or a fraction of the training frames instead of files"
        )
    energies = dict(zip(potential.elements, potential.reference_energies.tolist(), strict=True))
    data = _with_head(config, sets, _head_settings(config, replay, energies))
    prepared = config.fine_tune.model_copy(update={"replay": replay.model_copy(update={"is_prepared": True})})
    return config.model_copy(update={"data": data, "fine_tune": prepared})


def _cache_folder(config: RunConfig) -> Path:
    sections = [config.start_from, config.fine_tune.replay]
    settings = [None if section is None else section.model_dump(mode="json") for section in sections]
    asked = json.dumps([settings, config.seed, config.train.precision], sort_keys=True)
    return cache_path("replay") / hashlib.sha256(asked.encode()).hexdigest()[:32]


def _labeled_files(
    config: RunConfig, replay: ReplayConfig, potential: Potential, folder: Path, say: Callable[[str], None]
) -> _Sets:
    """Write the structures with labels of the starting potential, unless the files exist."""
    files = [folder / "replay.extxyz"]
    if isinstance(config.data.validation, str | list):
        files.append(folder / "replay-validation.extxyz")
    if not all(file.is_file() for file in files):
        structures: list[Atoms] = []
        if replay.structures is not None:
            structures += [frame.atoms for frame in read_frames(replay.structures)]
        if replay.generate:
            structures += replay_structures(potential, replay.generate, config.seed, replay.elements)
        say(f"computing {len(structures)} frames for replay with the starting potential")
        frames = list(labeled_by(potential, structures))
        if len(frames) < 2:
            usable = f"only {len(frames)} of {len(structures)} structures can be used"
            others = f"the others have forces above {_LARGEST_FORCE:g} eV/A or atoms without neighbors"
            raise DataError(f"fine_tune.replay: {usable} ({others}); generate more, or give other structures")
        if len(frames) < len(structures):
            left_out = f"{len(structures) - len(frames)} of {len(structures)} structures"
            say(f"{left_out} for replay are left out: forces above {_LARGEST_FORCE:g} eV/A, or atoms without neighbors")
        folder.mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(files):
            chosen = [frame for k, frame in enumerate(frames) if len(files) == 1 or _is_validation(k) == bool(number)]
            write_structures(file, chosen)
    return _Sets([str(files[0].absolute())], [str(file.absolute()) for file in files[1:]])


def _is_validation(number: int) -> bool:
    return number % _VALIDATION_EVERY == 0


def labeled_by(potential: Potential, structures: list[Atoms]) -> Iterator[Atoms]:
    """Yield structures with energy, forces and stress of the potential as labels and a weight, and nothing else.

    The weight is 1 / (1 + <F^2> / F0^2), with <F^2> the mean square force on an atom and F0 = 0.5 eV/A, so that
    relative errors count where forces are large. Structures with a force above 20 eV/A and those with an atom without
    neighbors are left out.
    """
    graphs = (build_graph(atoms, potential.elements, potential.cutoff) for atoms in structures)
    structures = [atoms for atoms, graph in zip(structures, graphs, strict=True) if graph.receiver_degree.all()]
    for predicted in predict(potential, structures):
        results = {name: predicted.calc.results[name] for name in _LABELS if name in predicted.calc.results}
        if np.abs(results["forces"]).max() <= _LARGEST_FORCE:
            atoms = Atoms(predicted.numbers, positions=predicted.positions, cell=predicted.cell, pbc=predicted.pbc)
            atoms.calc = SinglePointCalculator(atoms, **results)
            atoms.info[WEIGHT] = 1 / (1 + np.square(results["forces"]).sum(1).mean() / _TYPICAL_FORCE**2)
            yield atoms


def _with_head(config: RunConfig, sets: _Sets, settings: dict[str, Any]) -> DataConfig:
    """Return the section with the frames of the run and those of replay as heads."""
    data = config.data
    names = head_names(data.train) or [NEW]
    tests: Any = data.test
    if isinstance(tests, dict):
        tests = {key: _of_heads(files, names) for key, files in tests.items()}
    elif isinstance(tests, str | list):
        tests = _of_heads(tests, names)
    validation: Any = data.validation
    if isinstance(validation, str | list):
        validation = [*_of_heads(validation, names), *_of_replay(sets.validation)]
    train = [*_of_heads(data.train, names), *_of_replay(sets.train)]
    sections = data.model_dump()
    heads = {**_repeated(data, sections["heads"] or {NEW: {}}), REPLAY_HEAD: settings}
    changes = {"train": train, "validation": validation, "test": tests, "heads": heads}
    return DataConfig.model_validate({**sections, **changes})


def _repeated(data: DataConfig, heads: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Let few frames be repeated, so that an epoch with many replayed frames does not lose sight of them."""
    given = {name for name, head in data.heads.items() if "repeat" in head.model_fields_set}
    return {name: head if name in given else {**head, "repeat": "auto"} for name, head in heads.items()}


def _of_heads(files: Any, names: list[str]) -> list[dict[str, str]]:
    """Return files with their heads; those of a run without heads are of the head `default`."""
    listed = (
        {name: files_of_head(files, name) or [] for name in names} if head_names(files) else {NEW: plain_files(files)}
    )
    return [
        {"file": file, "head": name}
        for name, of_head in listed.items()
        for file in ([of_head] if isinstance(of_head, str) else of_head)
    ]


def _of_replay(files: list[str]) -> list[dict[str, str]]:
    return [{"file": file, "head": REPLAY_HEAD} for file in files]


def _head_settings(config: RunConfig, replay: ReplayConfig, energies: dict[str, float]) -> dict[str, Any]:
    """Return the head of replay: labels under ASE's names, and the reference energies of the starting potential."""
    has_stress = any(section.stress is not None or section.virial is not None for section in config.data.sections())
    return {
        "weight": replay.weight,
        "energy": "energy",
        "forces": "forces",
        "stress": "stress" if has_stress else None,
        "virial": None,
        "isolated_atoms": None,
        "train_size": None,
        "length_unit": "A",
        "group_key": DataConfig.model_fields["group_key"].default,
        "weights": {"key": WEIGHT} if replay.structures is not None or replay.generate else {},
        "reference_energies": energies,
        "scale": config.model.scale,
        "shift": config.model.shift,
    }
