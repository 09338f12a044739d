"""Every configuration that ships loads, and trains one batch where its data are there.

Those of the benchmarks train one on small files that are made here and go through the converters of the real ones.
"""

import shutil
from pathlib import Path

import pytest
from published_files import (
    RMD17_SPLIT_FRAMES,
    extxyz,
    isolated_atoms,
    mlearn_frames,
    rmd17_members,
    write_tar,
)
from slow_cases import slow_but

import potentials.models  # noqa: F401  (enters the families)
from potentials.config import RunConfig, load_config
from potentials.data.prepare import prepare
from potentials.data.public.catalog import data_set_names, public_data_set
from potentials.data.write.structure_output import write_structures
from potentials.setup.rehearsal import rehearse
from potentials.studies.runs import Plan, StudyRun
from potentials.studies.study import load_study

REPOSITORY = Path(__file__).parent.parent
STUDIES = sorted((REPOSITORY / "configs" / "studies").glob("*.yaml"))
SWEEPS = sorted((REPOSITORY / "configs" / "sweeps").glob("*.yaml"))
"""Of wandb, not of ours; see test_sweeps.py."""
CONFIGS = sorted(set((REPOSITORY / "configs").rglob("*.yaml")) - {*STUDIES, *SWEEPS})
BENCHMARKS = [file for file in CONFIGS if file.parent.name == "benchmarks"]


def _files(config: RunConfig) -> list[Path]:
    data = config.data
    named = data.test.values() if isinstance(data.test, dict) else [data.test]
    entries = [data.train, data.validation, data.isolated_atoms, *named]
    lists = [entry if isinstance(entry, list) else [entry] for entry in entries]
    return [
        Path(name) for names in lists for name in names if isinstance(name, str) and not name.startswith("builtin:")
    ]


def test_there_are_configurations():
    assert {"quickstart", "ethanol", "copper", "acac", "silicon", "acac-mace"} <= {file.stem for file in CONFIGS}
    assert len({file.stem for file in CONFIGS}) == len(CONFIGS)
    assert len(BENCHMARKS) >= 5


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_loads(file):
    config = load_config(file)
    assert config.run == file.stem


TRUE_WARNINGS = {
    # Silicon under strains that symmetry makes equal is there several times, and in both parts.
    "silicon": ("duplicates of other frames", "frames that are also training frames"),
    # Atoms collide and come apart in the distorted molecules, which are there for that.
    "ethanol-guide": (
        "atoms on top of each other",
        "more than the forces can explain",
        "have no neighbor within model.cutoff",
    ),
}


RUNNABLE = {file.stem: file for file in sorted(set(CONFIGS) - set(BENCHMARKS))}


@pytest.mark.parametrize("name", slow_but(RUNNABLE, "quickstart"))
def test_runs_a_step(name, tmp_path):
    file = RUNNABLE[name]
    config = load_config(file, ["data.batch_size=1"])
    expected = next((words for stem, words in TRUE_WARNINGS.items() if file.stem.startswith(stem)), ())
    if not all(path.exists() for path in _files(config)):
        config = load_config(_beside_small_files(file, config, tmp_path), ["data.batch_size=1", "data.validation=1"])
        expected = (*expected, "do not add up to zero")  # the forces of these files are random numbers
    prepared = prepare(config)
    assert not [text for text in prepared.warnings if not any(words in text for words in expected)]
    assert rehearse(prepared).steps_per_epoch == len(prepared.train)


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_a_study_has_cells_that_load(file):
    plan = Plan(load_study(file))
    assert plan.study.folder.name == file.stem
    for variant in plan.study.variants:
        assert plan.config(StudyRun(variant, min(plan.study.sizes), 1)).seed == 1


def _data_set(file: Path) -> str:
    """The public data set a benchmark is for; its name is the file's without the model."""
    return file.stem.rpartition("-")[0]


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_a_benchmark_reads_what_is_fetched(file):
    """`potentials data fetch NAME`, in the root of the repository, writes to data/NAME."""
    assert _data_set(file) in data_set_names()
    assert f"potentials data fetch {_data_set(file)}" in file.read_text()
    for path in _files(load_config(file)):
        assert path.parent == REPOSITORY / "data" / _data_set(file)


def _beside_small_files(file: Path, config: RunConfig, folder: Path) -> Path:
    """A copy of a configuration that finds small files where the published ones would be."""
    copy = folder / file.relative_to(REPOSITORY.parent)
    copy.parent.mkdir(parents=True)
    shutil.copy(file, copy)
    (data,) = {path.parent for path in _files(config)}
    (folder / "published").mkdir()
    target = folder / data.relative_to(REPOSITORY.parent)
    target.mkdir(parents=True)
    for stem, frames in public_data_set(data.name).convert(_published(data.name, folder / "published")):
        write_structures(target / f"{stem}.xyz", frames)
    return copy


def _published(name: str, folder: Path) -> dict[str, Path]:
    """Small files in the form of a data set's own, by name."""
    if name.startswith("mlearn"):
        (folder / "training.json").write_bytes(mlearn_frames("Si", 6, 3.2))
        (folder / "test.json").write_bytes(mlearn_frames("Si", 3, 3.2))
        return {file: folder / file for file in ("training.json", "test.json")}
    if name.startswith("rmd17"):
        members, mode = rmd17_members(name.partition("-")[2]), "w:bz2"
    else:
        mode = "w:gz"
        tests = ("test_MD_300K", "test_MD_600K") if name == "acac" else ("test_300K", "test_600K", "test_1200K")
        atoms = isolated_atoms({"H": -13.6, "C": -1028.0, "O": -2040.0})
        stems = enumerate(("train_300K", *tests))
        members = {f"f/{stem}.xyz": extxyz("COH", 6, -3085.0, seed) for seed, stem in stems}
        members |= {f"f/{'isolated' if name == 'acac' else 'iso'}_atoms.xyz": atoms}
    return {public_data_set(name).files[0].name: write_tar(folder / "archive", members, mode)}


@pytest.mark.slow
@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_a_benchmark_runs_a_step_on_converted_files(file, tmp_path):
    name = _data_set(file)
    data, configs = tmp_path / "data" / name, tmp_path / "configs" / "benchmarks"
    data.mkdir(parents=True)
    configs.mkdir(parents=True)
    for stem, frames in public_data_set(name).convert(_published(name, tmp_path)):
        write_structures(data / f"{stem}.extxyz", frames)
    config = load_config(shutil.copy(file, configs), ["data.batch_size=1", "data.validation=1", "model.channels=8"])
    prepared = prepare(config)
    # The forces of these files are random numbers.
    assert all("do not add up to zero" in warning for warning in prepared.warnings)
    assert len(prepared.train) == RMD17_SPLIT_FRAMES - 1 == 5
    assert rehearse(prepared).steps_per_epoch == 5
