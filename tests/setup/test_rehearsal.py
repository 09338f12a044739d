import pytest
import torch

import potentials.models  # noqa: F401  (enters the families)
from potentials.config import parse_config
from potentials.data.module import GraphDataModule
from potentials.data.prepare import prepare
from potentials.errors import TrainingError
from potentials.potential import Potential
from potentials.setup.rehearsal import rehearse
from potentials.training.losses import combine

CONFIG = """
run: small
data: {train: "builtin:copper@1:21", validation: 4, batch_size: 3, stress: stress}
model: {name: mace, channels: 4, feature_degree: 0, edge_degree: 1, correlation: 2}
loss: {stress: {weight: 10}}
train: {max_epochs: 5}
"""


@pytest.fixture(scope="module")
def prepared():
    return prepare(parse_config(CONFIG))


def test_figures_follow_from_each_other(prepared):
    result = rehearse(prepared)
    config = prepared.config
    potential = Potential(config.model, prepared.reference_energies)
    assert result.parameters == sum(part.numel() for part in potential.parameters() if part.requires_grad)
    assert result.steps_per_epoch == 6  # 16 frames in batches of 3
    assert result.epoch_seconds == pytest.approx(6 * result.step_seconds + result.validation_seconds)
    assert result.run_seconds == pytest.approx(5 * result.epoch_seconds)
    assert result.peak_memory > 1e7
    assert result.loss > 0


def test_the_largest_batch_is_among_those_run(prepared):
    result = rehearse(prepared)
    edges = sorted(graph.edge_index.shape[1] for graph in prepared.train_graphs)
    assert (result.frames, result.edges) == (3, sum(edges[-3:]))


def test_max_time_bounds_the_run():
    config = parse_config(CONFIG, overrides=["train.max_epochs=1000000", "train.max_time=2m"])
    assert rehearse(prepare(config)).run_seconds == 120


def test_loss_is_that_of_the_formula(prepared):
    """Mean squared errors of energy per atom, forces and stress, with their weights, on the largest batch."""
    config = prepared.config
    result = rehearse(prepared)
    torch.manual_seed(config.seed)
    potential = Potential(config.model, prepared.reference_energies, config.train.precision)
    energy, forces, stress = [], [], []
    for graph in sorted(prepared.train_graphs, key=lambda graph: graph.edge_index.shape[1])[-3:]:
        prediction = potential(graph, stress=True)
        energy.append((prediction.energy - graph.energy) / len(graph.positions))
        forces.append((prediction.forces - graph.forces).flatten())
        stress.append((prediction.stress - graph.stress).flatten())
    means = [torch.cat(errors).square().mean().item() for errors in (energy, forces, stress)]
    assert result.loss == pytest.approx(means[0] + 100 * means[1] + 10 * means[2], rel=1e-5)


def test_a_loss_that_is_not_finite(prepared, monkeypatch):
    monkeypatch.setattr("potentials.setup.rehearsal.combine", lambda *arguments: combine(*arguments) * float("nan"))
    with pytest.raises(TrainingError, match="the loss before training is nan"):
        rehearse(prepared)


def test_a_gradient_that_is_not_finite(prepared, monkeypatch):
    def with_infinite_slope(*arguments):
        loss = combine(*arguments)
        return loss + (loss - loss.detach()).sqrt()

    monkeypatch.setattr("potentials.setup.rehearsal.combine", with_infinite_slope)
    with pytest.raises(TrainingError, match=r"gradient of .* is not finite"):
        rehearse(prepared)


@pytest.mark.parametrize("quantity", ["atoms", "edges"])
def test_the_largest_batch_within_a_budget(quantity):
    """Frames of one and of many atoms: the batch run first is nearly full, and no batch of training has more edges."""
    most = {"atoms": 70, "edges": 4000}[quantity]
    config = parse_config(CONFIG, overrides=["data.batch_size=null", f"data.max_{quantity}_per_batch={most}"])
    prepared = prepare(config)
    result = rehearse(prepared)
    taken = getattr(result, quantity)
    smallest = min(
        graph.num_nodes if quantity == "atoms" else graph.edge_index.shape[1] for graph in prepared.train_graphs
    )
    assert most - smallest < taken <= most
    loader = GraphDataModule(prepared, prepared.config.model.elements, prepared.config.model.cutoff).train_dataloader()
    assert result.steps_per_epoch == len(loader) > 1
    assert max(batch.edge_index.shape[1] for batch in loader) <= result.edges
