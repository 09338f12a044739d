"""Loaders: order, sharing between processes, worker processes, Lightning's part."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import lightning
import pytest
import torch
from ase import Atoms

from potentials.config.run import RunConfig
from potentials.data.module import EpochSampler, GraphDataModule, ShareSampler
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
    loader.sampler.set_epoch(epoch)
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
        for labelled, graph in zip(part, graphs, strict=True):
            assert module.groups[int(graph.group)] == labelled.group == ("even", "odd")[labelled.frame.index % 2]


def test_worker_processes_give_the_same_batches(prepared: Prepare) -> None:
    alone, helped = data_module(prepared()), data_module(prepared(workers=2))
    loader = helped.train_dataloader()
    assert loader.persistent_workers
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        seen = [batch.frame_index.tolist() for batch in loader]
        reference = alone.train_dataloader()
        reference.sampler.set_epoch(epoch)
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


def test_lightning_sets_the_epoch_also_when_a_run_is_continued(prepared: Prepare, tmp_path: Any) -> None:
    options: dict[str, Any] = {
        "accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False,
        "default_root_dir": tmp_path, "limit_val_batches": 0,
    }  # fmt: skip
    data = prepared()
    whole, first, second = Recorder(), Recorder(), Recorder()
    lightning.Trainer(max_epochs=4, enable_checkpointing=False, **options).fit(whole, datamodule=data_module(data))
    trainer = lightning.Trainer(max_epochs=2, **options)
    trainer.fit(first, datamodule=data_module(data))
    trainer.save_checkpoint(tmp_path / "last.ckpt", weights_only=False)
    continued = lightning.Trainer(max_epochs=4, enable_checkpointing=False, **options)
    continued.fit(second, datamodule=data_module(data), ckpt_path=tmp_path / "last.ckpt", weights_only=False)
    assert first.seen | second.seen == whole.seen
    assert whole.seen == {epoch: order(data_module(data), epoch) for epoch in range(4)}


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_a_training_step_is_shared_between_processes(prepared: Prepare, processes: int) -> None:
    """Step k of W processes with batches of B holds the frames of step k of one process with batches of W B."""
    graphs = data_module(prepared()).train_graphs * 5  # 45 frames
    size = 2

    def drawn(num_replicas: int, rank: int) -> list[int]:
        sampler = EpochSampler(graphs, 3, num_replicas, rank)
        sampler.set_epoch(5)
        assert len(sampler) == len(list(sampler))
        return list(sampler)

    shares, whole = [drawn(processes, rank) for rank in range(processes)], drawn(1, 0)
    assert len({len(share) for share in shares}) == 1  # or processes would wait for each other for ever
    for step in range(45 // (size * processes)):
        of_step = [index for share in shares for index in share[step * size : (step + 1) * size]]
        assert sorted(of_step) == sorted(whole[step * size * processes : (step + 1) * size * processes])
    assert set(itertools.chain(*shares)) == set(range(45))


def test_evaluation_is_shared_without_repetition(prepared: Prepare) -> None:
    graphs = data_module(prepared()).train_graphs
    shares = [ShareSampler(graphs, 4, rank) for rank in range(4)]
    assert sorted(index for share in shares for index in share) == list(range(9))
    assert [len(share) for share in shares] == [len(list(share)) for share in shares] == [3, 2, 2, 2]
    with pytest.raises(DataError, match="9 frames cannot be shared out among 10 processes"):
        ShareSampler(graphs, 10, 0)
