"""Loaders: order, sharing between processes, worker processes, Lightning's part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from potentials.config.run import RunConfig
from potentials.data.module import GraphDataModule
from potentials.data.prepare import PreparedData, prepare
from potentials.errors import DataError

Prepare = Callable[..., PreparedData]


@pytest.fixture
def prepared(
    write: Callable[[str, list[Atoms]], str], molecules: list[Atoms], make_config: Callable[..., RunConfig]
) -> Prepare:
    for number, atoms in enumerate(molecules):
        atoms.info["config_type"] = "even" if number % 2 == 0 else "odd"
    path = write("t.xyz", molecules)

    def run(seed: int = 1, **data: Any) -> PreparedData:
        return prepare(make_config({"train": path, "validation": 2, "test": 1, "batch_size": 4, **data}, seed=seed))

    return run


def data_module(prepared: PreparedData) -> GraphDataModule:
    return GraphDataModule(prepared, prepared.config.model.elements, prepared.config.model.cutoff)


def order(module: GraphDataModule, epoch: int) -> list[int]:
    loader = module.train_dataloader()
    loader.batch_sampler.set_epoch(epoch)
    return [index for batch in loader for index in batch.frame_index.tolist()]


def test_every_frame_once_an_epoch_in_batches(prepared: Prepare) -> None:
    module = data_module(prepared())
    loader = module.train_dataloader()
    assert [batch.num_graphs for batch in loader] == [4, 4, 1]
    assert len(loader) == 3
    assert sorted(order(module, 0)) == list(range(9))


def test_the_order_depends_on_seed_and_epoch_only(prepared: Prepare) -> None:
    first, again, other = (data_module(prepared(seed, split_seed=1)) for seed in (1, 1, 2))
    expected = [order(first, epoch) for epoch in range(3)]
    torch.manual_seed(123)  # the state of torch's generator must not matter
    assert [order(again, epoch) for epoch in (2, 0, 1)] == [expected[2], expected[0], expected[1]]
    assert expected[0] != expected[1]
    assert order(other, 0) != expected[0]


def test_graphs_are_built_once(prepared: Prepare) -> None:
    data = prepared()
    module = data_module(data)
    assert module.train_graphs is data.train_graphs
    assert [len(module.train_graphs), len(module.validation_graphs), len(module.test_graphs["test"])] == [9, 2, 1]
    # Another cutoff and other elements need other graphs.
    nearer = GraphDataModule(data, ["H", "C", "N", "O"], 1.3)
    for near, far in zip(nearer.train_graphs, module.train_graphs, strict=True):
        assert near.edge_index.shape[1] < far.edge_index.shape[1]
        assert near.species.tolist() == [{0: 0, 1: 1, 2: 3}[species] for species in far.species.tolist()]


def test_evaluation_loaders_keep_the_order(prepared: Prepare) -> None:
    module = data_module(prepared(validation=6))
    batches = list(module.val_dataloader())
    assert [index for batch in batches for index in batch.frame_index.tolist()] == list(range(6))
    assert len(batches) == 1  # four times the batch size by default
    assert len(list(data_module(prepared(validation=6, evaluation_batch_size=2)).val_dataloader())) == 3


def test_named_test_sets_in_order(prepared: Prepare) -> None:
    path = prepared().config.data.train
    module = data_module(prepared(test={"b": f"{path}@:3", "a": f"{path}@3:5"}))
    assert module.test_names == ["b", "a"]
    assert [sum(batch.num_graphs for batch in loader) for loader in module.test_dataloader()] == [3, 2]


def test_groups_are_numbered_alike_in_all_parts(prepared: Prepare) -> None:
    module = data_module(prepared())
    assert module.groups == ["even", "odd"]
    for part, graphs in (
        (module.prepared.train, module.train_graphs),
        (module.prepared.validation, module.validation_graphs),
    ):
        for labeled, graph in zip(part, graphs, strict=True):
            assert module.groups[int(graph.group)] == labeled.group == ("even", "odd")[labeled.frame.index % 2]


def test_worker_processes_give_the_same_batches(prepared: Prepare) -> None:
    alone, helped = data_module(prepared()), data_module(prepared(workers=2))
    loader = helped.train_dataloader()
    assert loader.persistent_workers
    for epoch in range(2):
        loader.batch_sampler.set_epoch(epoch)
        seen = [batch.frame_index.tolist() for batch in loader]
        reference = alone.train_dataloader()
        reference.batch_sampler.set_epoch(epoch)
        assert seen == [batch.frame_index.tolist() for batch in reference]


class Recorder(lightning.LightningModule):
    """Does nothing but write down which frames it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: dict[int, list[int]] = {}

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        self.seen.setdefault(self.current_epoch, []).extend(batch.frame_index.tolist())
        return self.weight * 1.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("limit", [{}, {"max_atoms_per_batch": 17}])
def test_lightning_sets_the_epoch_also_when_a_run_is_continued(
    prepared: Prepare, tmp_path: Any, limit: dict[str, int]
) -> None:
    options: dict[str, Any] = {
        "accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False,
        "default_root_dir": tmp_path, "limit_val_batches": 0, "use_distributed_sampler": False,
    }  # fmt: skip
    data = prepared(**({"batch_size": None, **limit} if limit else {}))
    whole, first, second = Recorder(), Recorder(), Recorder()
    lightning.Trainer(max_epochs=4, enable_checkpointing=False, **options).fit(whole, datamodule=data_module(data))
    trainer = lightning.Trainer(max_epochs=2, **options)
    trainer.fit(first, datamodule=data_module(data))
    trainer.save_checkpoint(tmp_path / "last.ckpt", weights_only=False)
    continued = lightning.Trainer(max_epochs=4, enable_checkpointing=False, **options)
    continued.fit(second, datamodule=data_module(data), ckpt_path=tmp_path / "last.ckpt", weights_only=False)
    assert first.seen | second.seen == whole.seen
    assert whole.seen == {epoch: order(data_module(data), epoch) for epoch in range(4)}


@pytest.mark.parametrize("quantity", ["atoms", "edges"])
def test_batches_within_a_budget(prepared: Prepare, quantity: str) -> None:
    most = {"atoms": 20, "edges": 120}[quantity]
    data = prepared(batch_size=None, validation=6, **{f"max_{quantity}_per_batch": most})
    module = data_module(data)

    def sizes(loader: Any) -> list[int]:
        return [batch.num_nodes if quantity == "atoms" else batch.edge_index.shape[1] for batch in loader]

    training, validation = sizes(module.train_dataloader()), sizes(module.val_dataloader())
    assert len(training) == len(module.train_dataloader()) > 1
    assert max(training) <= most
    assert most < max(validation) <= 4 * most
    assert sorted(order(module, 1)) == list(range(len(module.train_graphs)))
    by_count = data_module(prepared(batch_size=None, validation=6, evaluation_batch_size=2, max_atoms_per_batch=20))
    assert [batch.num_graphs for batch in by_count.val_dataloader()] == [2, 2, 2]


def test_a_frame_too_large_for_the_budget_is_named(
    prepared: Prepare, write: Callable[[str, list[Atoms]], str], molecules: list[Atoms]
) -> None:
    with pytest.raises(DataError, match=r"t\.xyz, frame \d+: 9 atoms exceed the batch limit of 8 atoms; 4 frames"):
        data_module(prepared(batch_size=None, max_atoms_per_batch=8))
    # Evaluation may take four times as much.
    water = molecules[1]
    several = sum((Atoms(water.symbols, water.positions + 10 * number) for number in range(5)), Atoms())
    several.calc = SinglePointCalculator(several, energy=5 * water.get_potential_energy(), forces=np.zeros((15, 3)))
    options = {"train": f"{prepared().config.data.train}@1::3", "test": write("large.xyz", [several]), "validation": 1}
    data_module(prepared(batch_size=None, max_atoms_per_batch=4, **options))
    with pytest.raises(DataError, match=r"large\.xyz, frame 0: 15 atoms exceed the batch limit of 12 atoms; raise"):
        data_module(prepared(batch_size=None, max_atoms_per_batch=3, **options))
