"""Frames that stay in their files give what frames in memory give, and are refused for the same reasons."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from read_loaders import batches_of
from slow_cases import slow_but

from potentials.config.run import RunConfig
from potentials.data.label import LabeledFrame
from potentials.data.module import GraphDataModule
from potentials.data.prepare import PreparedData, prepare
from potentials.data.split import SplitInFiles, SplitInMemory, sampling
from potentials.data.split import reading_in_files as reading
from potentials.data.split.graphs_in_files import GraphsInFiles
from potentials.errors import DataError

WriteStore = Callable[[str, Sequence[Atoms]], str]
LazyConfig = Callable[..., RunConfig]


@pytest.fixture
def frames(molecules: list[Atoms], isolated_atoms: list[Atoms]) -> list[Atoms]:
    """Labeled molecules in two groups, a crystal with stress, isolated atoms in the middle, a frame without labels."""
    for number, atoms in enumerate(molecules):
        atoms.info["config_type"] = "even" if number % 2 == 0 else "odd"
        atoms.info["weight"] = 1.0 + number
    crystal = bulk("C", cubic=True)
    crystal.rattle(0.05, seed=1)
    stress, forces = np.arange(6.0) / 100, np.random.default_rng(2).normal(size=(8, 3))
    crystal.calc = SinglePointCalculator(crystal, energy=-8224.0, forces=forces - forces.mean(axis=0), stress=stress)
    bare = molecules[0].copy()
    bare.positions[0] += 0.3
    return [*molecules[:5], *isolated_atoms, bare, crystal, *molecules[5:]]


def both(config: RunConfig) -> tuple[PreparedData, PreparedData]:
    data = config.data.model_copy(update={"loading": "memory"})
    return prepare(config), prepare(config.model_copy(update={"data": data}))


def module(prepared: PreparedData) -> GraphDataModule:
    return GraphDataModule(prepared, prepared.config.model.elements, prepared.config.model.cutoff)


def assert_same_batches(ours: Any, theirs: Any) -> None:
    ours, theirs = list(ours), list(theirs)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for key in one.keys():  # noqa: SIM118 (a batch is no dictionary)
            if isinstance(other[key], torch.Tensor):
                assert one[key].dtype == other[key].dtype
                torch.testing.assert_close(one[key], other[key], rtol=0, atol=0, equal_nan=True)
            else:
                assert one[key] == other[key]


@pytest.mark.parametrize("suffix", [".h5", ".aselmdb"])
@pytest.mark.parametrize("workers", slow_but([0, 2], "0"))
def test_the_same_batches_to_the_bit(
    suffix: str, workers: int, frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig
) -> None:
    first, second = write_store(f"a-0{suffix}", frames[:9]), write_store(f"a-1{suffix}", frames[9:])
    lazy, memory = both(
        lazy_config(
            {
                "train": first.replace("-0", "-*"),
                "validation": 0.2,
                "test": {"some": f"{second}@1:4", "last": f"{second}@-1"},
                "stress": {},
                "weights": {"key": "weight", "groups": {"odd": {"forces": 3.0}}},
                "workers": workers,
            },
        )
    )
    assert isinstance(lazy.train, SplitInFiles)
    assert isinstance(lazy.validation, SplitInFiles)
    assert isinstance(lazy.tests["some"], SplitInFiles)
    assert isinstance(memory.train, SplitInMemory)
    assert lazy.splits == memory.splits
    assert json.dumps(lazy.splits)
    assert lazy.reference_energies == memory.reference_energies
    assert lazy.config.model == memory.config.model
    assert lazy.groups == memory.groups == ["default", "even", "odd"]
    assert lazy.statistics == memory.statistics
    assert lazy.digest == memory.digest
    assert isinstance(lazy.train_graphs, GraphsInFiles)
    assert lazy.train_graphs.num_atoms.tolist() == [graph.num_nodes for graph in memory.train_graphs]
    ours, theirs = module(lazy), module(memory)
    assert ours.train_graphs is lazy.train_graphs
    for epoch in range(2):
        loaders = ours.train_dataloader(), theirs.train_dataloader()
        for loader in loaders:
            loader.batch_sampler.set_epoch(epoch)
        assert_same_batches(*loaders)
    assert_same_batches(ours.val_dataloader(), theirs.val_dataloader())
    for one, other in zip(ours.test_dataloader(), theirs.test_dataloader(), strict=True):
        assert_same_batches(one, other)


def test_samples_are_read_once(
    frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = []
    sample = SplitInFiles.sample

    def counted(split: SplitInFiles, seed: int) -> list[LabeledFrame]:
        sampled.append(len(split))
        return sample(split, seed)

    monkeypatch.setattr(SplitInFiles, "sample", counted)
    prepared = prepare(lazy_config({"train": write_store("a.h5", frames), "validation": 2}))
    assert sampled == [len(prepared.train), len(prepared.validation)]


def test_train_size_and_seed(frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig) -> None:
    path = write_store("a.h5", frames)
    for seed in (1, 2):
        lazy, memory = both(lazy_config({"train": path, "validation": 2, "test": 1, "train_size": 6}, seed=seed))
        assert len(lazy.train) == 6
        assert lazy.splits == memory.splits


def test_other_parts_may_be_in_memory(
    frames: list[Atoms],
    molecules: list[Atoms],
    write: Callable[..., str],
    write_store: WriteStore,
    lazy_config: LazyConfig,
) -> None:
    prepared = prepare(
        lazy_config({"train": write_store("a.h5", frames), "validation": write("b.traj", molecules[:2])})
    )
    assert isinstance(prepared.train, SplitInFiles)
    assert isinstance(prepared.validation, SplitInMemory)
    assert any("validation frames that are also training frames: 2 of 2" in warning for warning in prepared.warnings)


def test_workers_get_what_the_main_process_has(
    frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig
) -> None:
    graphs = prepare(lazy_config({"train": write_store("a.aselmdb", frames), "validation": 2})).train_graphs
    copied = pickle.loads(pickle.dumps(graphs))
    assert torch.equal(copied[3].positions, graphs[3].positions)
    assert int(copied[3].frame_index) == 3


def test_auto_leaves_many_frames_in_their_files(
    frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = lazy_config({"train": write_store("a.h5", frames), "validation": 2, "loading": "auto"})
    assert isinstance(prepare(config).train, SplitInMemory)
    monkeypatch.setattr(reading, "FEW_FRAMES", 16)
    prepared = prepare(config)
    assert isinstance(prepared.train, SplitInFiles)
    assert any("17 frames are read from their files when needed" in note for note in prepared.notes)


def test_notes_and_warnings_tell_of_all_frames(
    frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig
) -> None:
    lazy, memory = both(lazy_config({"train": write_store("a.h5", frames), "validation": 2}))
    more = [note for note in lazy.notes if note not in memory.notes]
    assert len(more) == 2
    assert more[0].startswith("data.loading = lazy: 17 frames")
    assert "the index is stored in" in more[1]
    assert [warning for warning in lazy.warnings if "frames without labels" in warning] == [
        warning for warning in memory.warnings if "frames without labels" in warning
    ]
    assert lazy.warnings


def test_statistics_of_a_sample(
    frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elements that are too rare to be drawn are known all the same."""
    many = [atoms.copy() for _ in range(30) for atoms in frames[:5]]
    for number, atoms in enumerate(many):
        atoms.rattle(0.05, seed=number)
        atoms.calc = frames[number % 5].calc
    rare = Atoms("CO", [[0, 0, 0], [0, 0, 1.2]])
    rare.numbers[1] = 7
    rare.calc = SinglePointCalculator(rare, energy=-1028.0 - 1500.0 + 0.5, forces=np.zeros((2, 3)))
    path = write_store("a.h5", [*many, rare])
    monkeypatch.setattr(sampling, "SAMPLED_FRAMES", 40)
    lazy, memory = both(lazy_config({"train": path, "validation": f"{path}@:3", "train_size": None}))
    assert lazy.config.model.elements == memory.config.model.elements == ["H", "C", "N", "O"]
    assert lazy.statistics.num_frames == 40
    errors = lazy.statistics.standard_errors
    assert errors.frames == 151
    for name in ("average_neighbors", "forces_rms"):
        assert abs(getattr(lazy.statistics, name) - getattr(memory.statistics, name)) < 4 * getattr(errors, name)
    for symbol, energy in memory.reference_energies.items():
        assert lazy.reference_energies[symbol] == pytest.approx(energy, abs=0.05)
    energies = next(note for note in lazy.notes if note.startswith("data.reference_energies"))
    assert "a sample of 151, standard errors H " in energies
    for key in ("model.average_neighbors", "model.scale", "model.shift"):
        note = next(note for note in lazy.notes if note.startswith(key))
        assert "a sample of 40 of 151 training frames" in note
        assert "standard error" in note


def test_the_digest_is_that_of_the_contents(
    frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig
) -> None:
    def digest(path: str) -> str:
        return prepare(lazy_config({"train": path, "validation": 2})).digest

    first = digest(write_store("a.aselmdb", frames))
    assert digest(write_store("b.aselmdb", frames)) == first
    for atoms in frames[:5]:
        atoms.calc.results["energy"] += 1e-9
    assert digest(write_store("a.aselmdb", frames)) != first


@pytest.mark.parametrize("suffix", [".h5", ".aselmdb"])
def test_nan_counts_as_missing(
    suffix: str, frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig
) -> None:
    """As of the same files in memory, where the labels themselves are looked at."""
    frames[1].calc.results["energy"] = np.nan
    frames[2].calc.results["forces"][:] = np.nan
    frames[3].calc.results["forces"][0] = np.nan
    frames[4].calc.results.update(energy=np.nan, forces=np.full_like(frames[4].calc.results["forces"], np.nan))
    path = write_store(f"a{suffix}", frames)
    lazy, memory = both(lazy_config({"train": path, "validation": 2}))
    # Without three isolated atoms, two frames without labels and two for validation.
    assert len(lazy.train) == len(memory.train) == len(frames) - 7
    assert lazy.statistics == memory.statistics
    assert lazy.reference_energies == memory.reference_energies
    for prepared in (lazy, memory):
        assert any("no energy in 3 of" in note for note in prepared.notes)  # with the frame that never had one
        assert any("3 components of the forces are NaN in 1 of" in note for note in prepared.notes)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("suffix", [".h5", ".aselmdb"])
def test_what_is_wrong_with_a_frame_is_said_when_it_is_read(
    workers: int,
    suffix: str,
    frames: list[Atoms],
    write_store: WriteStore,
    lazy_config: LazyConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampling, "SAMPLED_FRAMES", 3)
    monkeypatch.setattr(sampling, "_RARE", 1)
    monkeypatch.setattr(reading, "_CHECKED", 2)
    frames[2].calc.results["energy"] = np.inf
    path = write_store(f"a{suffix}", frames)
    prepared = prepare(lazy_config({"train": path, "validation": f"{path}@:2", "workers": workers}, seed=4))
    with batches_of(module(prepared).train_dataloader()) as batches, pytest.raises(DataError) as caught:
        list(batches)
    name = f"a{suffix}"
    assert str(caught.value).startswith('the energy "energy" is infinite in')
    assert f"{name}: 2); correct them" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"energy": "REF_energy"},
            'training data: data.energy: no frame of .*a.h5 has "REF_energy"; did you mean "energy"',
        ),
        ({"weights": {"key": "w"}}, 'training data: data.weights.key: no frame of .*a.h5 has "w"'),
        ({"group_key": "kind"}, 'training data: data.group_key: no frame of .*a.h5 has "kind"'),
        (
            {"weights": {"groups": {"evn": 2}}},
            'no frame is in the group "evn".*default, even, odd.*did you mean "even"',
        ),
        ({"train": ["{path}", "{path}@3"]}, r'a.h5, frame 3 is listed twice \(the second time by ".*a.h5@3"\)'),
        ({"train": "{path}@99:"}, 'a.h5@99:" selects no frame: the file has 17 frames'),
        ({"train": "{path}@5:9"}, "the training data are empty: they contain no labeled frames"),
        ({"validation": "{path}@5:8"}, "the validation data are empty"),
        ({"train": "{path}@:5", "validation": "{path}@9:10"}, None),
    ],
)
def test_data_that_cannot_be_trained_on(
    data: dict[str, Any], message: str | None, frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig
) -> None:
    path = write_store("a.h5", frames)
    placed = json.loads(json.dumps(data).replace("{path}", path))
    config = lazy_config({"train": path, "validation": 2, **placed})
    if message is None:
        prepare(config)
        return
    with pytest.raises(DataError, match=message):
        prepare(config)


def test_elements_that_are_not_known(frames: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig) -> None:
    path = write_store("a.h5", frames)
    # Frames 1, 4, ... are water, without carbon.
    with pytest.raises(
        DataError, match=r"the validation frames contain elements .* lack: C in 2 frames \(.*a.h5: 0, 2\)"
    ):
        prepare(lazy_config({"train": f"{path}@1:2", "validation": f"{path}@0:3:2"}))


def test_lazy_needs_files_that_allow_it(
    frames: list[Atoms], write: Callable[..., str], write_store: WriteStore, lazy_config: LazyConfig
) -> None:
    for files in (write("a.xyz", frames), [write_store("a.h5", frames), write("b.xyz", frames)]):
        with pytest.raises(DataError, match=r"data\.loading: lazy requires training files in "):
            prepare(lazy_config({"train": files, "validation": 2}))
