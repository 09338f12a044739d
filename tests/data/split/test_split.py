"""Splits in memory and in files state the same facts about the same frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from potentials.config.run import RunConfig
from potentials.data.findings import Findings
from potentials.data.split import Split, SplitInFiles, SplitInMemory, named_splits, read_splits

WriteStore = Callable[[str, Sequence[Atoms]], str]
LazyConfig = Callable[[dict[str, Any]], RunConfig]


@pytest.fixture
def mixed() -> list[Atoms]:
    """Molecules and crystals, with groups, weights, and labels of which some are missing."""
    rng = np.random.default_rng(4)
    frames = []
    for number in range(12):
        periodic = number % 3 == 0
        atoms = Atoms(
            "CuAu" if number % 2 else "Cu3", rng.normal(size=(2 if number % 2 else 3, 3)) + 3.0, cell=np.eye(3) * 6.0
        )
        atoms.pbc = periodic
        results: dict[str, Any] = {"energy": float(rng.normal())}
        if number != 4:
            results["forces"] = rng.normal(size=(len(atoms), 3))
        if periodic:
            results["stress"] = rng.normal(size=6)
        atoms.calc = SinglePointCalculator(atoms, **results)
        if number % 4:
            atoms.info["config_type"] = f"group {number % 4}"
        atoms.info["weight"] = 1.0 + number
        frames.append(atoms)
    return frames


@pytest.fixture(params=[".h5", ".aselmdb"])
def splits(
    request: pytest.FixtureRequest, mixed: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig
) -> tuple[Split, Split]:
    """The same training frames in files and in memory."""
    path = write_store(f"mixed{request.param}", mixed)
    settings = {"train": path, "validation": 2, "stress": {}, "weights": {"key": "weight"}}
    lazy = lazy_config(settings)
    memory = lazy.model_copy(update={"data": lazy.data.model_copy(update={"loading": "memory"})})
    in_files, in_memory = (read_splits(config, Findings()).train for config in (lazy, memory))
    assert isinstance(in_files, SplitInFiles)
    assert isinstance(in_memory, SplitInMemory)
    return in_files, in_memory


def test_the_same_facts(splits: tuple[Split, Split]) -> None:
    in_files, in_memory = splits
    assert len(in_files) == len(in_memory) == 10
    assert in_files.num_atoms.tolist() == in_memory.num_atoms.tolist()
    assert in_files.elements() == in_memory.elements() == {"Cu", "Au"}
    for symbol in ("Cu", "Au", "H"):
        assert in_files.has_element(symbol).tolist() == in_memory.has_element(symbol).tolist()
    assert in_files.group_names() == in_memory.group_names()
    assert [str(where) for where in in_files.locations()] == [str(where) for where in in_memory.locations()]
    assert in_files.numbers_by_file() == in_memory.numbers_by_file()
    assert in_files.structure_hashes(1.0).tolist() == in_memory.structure_hashes(1.0).tolist()
    assert in_files.digest() == in_memory.digest()


@pytest.mark.parametrize("chosen", [[3, 1], [], slice(2, 8, 3)])
def test_the_same_facts_of_chosen_frames(chosen: list[int] | slice, splits: tuple[Split, Split]) -> None:
    one, other = (split[chosen] if isinstance(chosen, slice) else split.take(chosen) for split in splits)
    assert one.num_atoms.tolist() == other.num_atoms.tolist()
    assert one.digest() == other.digest()
    assert one.digest() != splits[0].digest()
    for ours, theirs in zip(one, other, strict=True):
        assert ours.frame.atoms == theirs.frame.atoms
        assert ours.energy == theirs.energy
        assert np.array_equal(ours.forces, theirs.forces, equal_nan=True)
        assert np.array_equal(ours.stress, theirs.stress, equal_nan=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda atoms: atoms.positions.__setitem__((0, 0), atoms.positions[0, 0] + 1e-12),
        lambda atoms: atoms.calc.results.__setitem__("energy", atoms.calc.results["energy"] + 1e-12),
        lambda atoms: atoms.calc.results.pop("forces"),
        lambda atoms: atoms.info.__setitem__("config_type", "another"),
        lambda atoms: atoms.info.__setitem__("weight", 7.0),
        lambda atoms: setattr(atoms, "pbc", ~atoms.pbc),
    ],
    ids=["position", "energy", "no forces", "group", "weight", "pbc"],
)
@pytest.mark.parametrize("loading", ["lazy", "memory"])
def test_the_digest_covers_all_that_is_trained_on(
    loading: str, change: Callable[[Atoms], None], mixed: list[Atoms], write_store: WriteStore, lazy_config: LazyConfig
) -> None:
    def digest(name: str) -> str:
        settings = {"train": write_store(name, mixed), "validation": 2, "weights": {"key": "weight"}}
        config = lazy_config({**settings, "loading": loading})
        splits = dict(named_splits(read_splits(config, Findings())))
        return splits["training"].digest() + splits["validation"].digest()

    before = digest("before.h5")
    mixed[5].info["note"] = "what no one trains on"
    assert digest("noted.h5") == before
    change(mixed[5])
    assert digest("after.h5") != before


def test_a_split_without_digests_refuses_to_give_one() -> None:
    with pytest.raises(ValueError, match="without digests"):
        SplitInMemory([]).digest()
