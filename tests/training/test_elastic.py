"""Elastic weight consolidation: the penalty is the loss on the starting potential's predictions, to second order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from families.structures import crystal, ethanol
from run_comparison import interrupt_at_the_end_of, quietly, same_end

import potentials.interop.starting  # noqa: F401  (reads starting potentials)
from potentials.config import family_config, load_config
from potentials.config.loss import EnergyLoss, ForcesLoss, LossConfig
from potentials.config.run import RunConfig
from potentials.data.graph import AtomicGraph, build_graph, collate
from potentials.errors import ConfigError, DataError
from potentials.potential import Potential, model_file
from potentials.training.fine_tuning.elastic import ElasticPenalty, elastic_penalty, fisher_information
from potentials.training.losses import combine, loss_sums, property_weights

ENERGIES = {"H": -1.5, "C": -3.0, "O": -2.5, "Cu": -0.5}
MODEL: dict[str, Any] = {
    "name": "mace", "cutoff": 4.0, "channels": 2, "feature_degree": 1, "edge_degree": 1, "correlation": 2, "layers": 2,
    "radial_mlp": [4], "radial": {"size": 4}, "readout_channels": 2, "elements": ["H", "C", "O", "Cu"],
    "average_neighbors": 12.0, "scale": 1.5, "shift": 0.1,
}  # fmt: skip
LOSS = LossConfig(energy=EnergyLoss(weight=50.0), forces=ForcesLoss(weight=10.0))


def small_potential() -> Potential:
    torch.manual_seed(5)
    return Potential(family_config(MODEL), ENERGIES, "float64")


def structures(potential: Potential) -> list[AtomicGraph]:
    return [build_graph(atoms, potential.elements, potential.cutoff) for atoms in (ethanol(), crystal())]


def test_the_diagonal_of_the_fisher_information() -> None:
    """The mean over random signs is the sum over all force components, computed one by one."""
    potential = small_potential().train()
    graphs = structures(potential)
    parameters = [parameter for parameter in potential.parameters() if parameter.requires_grad]
    exact = [torch.zeros_like(parameter) for parameter in parameters]
    for graph in graphs:
        prediction = potential(collate([graph]))
        atoms = graph.num_nodes
        quantities = [(50.0, prediction.energy[0] / atoms)]
        quantities += [(10.0 / (3 * atoms), component) for component in prediction.forces.flatten()]
        for weight, quantity in quantities:
            gradients = torch.autograd.grad(quantity, parameters, retain_graph=True, materialize_grads=True)
            for total, gradient in zip(exact, gradients, strict=True):
                total += 2 * weight * gradient.square() / len(graphs)
    draws = [fisher_information(potential, graphs, LOSS, seed) for seed in range(150)]
    whole = torch.cat([value.flatten() for value in exact])
    found = torch.stack([torch.cat([value.flatten() for value in draw]) for draw in draws])
    error = (found.mean(dim=0) - whole).abs()
    uncertainty = found.std(dim=0) / len(draws) ** 0.5
    assert (error <= 5 * uncertainty + 1e-9 * whole.max()).all()
    assert float(error.sum() / whole.sum()) < 0.1


def test_the_penalty_is_the_loss_to_second_order() -> None:
    """For a change of one parameter, with the predictions of the start as labels."""
    potential = small_potential().train()
    graphs = structures(potential)
    labeled = []
    for graph in graphs:
        prediction = potential(collate([graph]))
        graph.energy, graph.forces = prediction.energy.detach(), prediction.forces.detach()
        labeled.append(graph)
    penalties = [ElasticPenalty(potential, graphs, LOSS, 1.0, seed) for seed in range(150)]

    def loss() -> float:
        # The mean over structures, as in the penalty: structures of different sizes count the same.
        found = []
        for graph in labeled:
            batch = collate([graph])
            found.append(combine(*loss_sums(potential(batch), batch, LOSS), property_weights(LOSS)))
        return float(torch.stack(found).mean())

    assert loss() < 1e-20
    assert float(penalties[0]()) == 0
    stiffest = [(index, int(values.argmax())) for index, values in enumerate(penalties[0].stiffness) if values.any()]
    assert len(stiffest) > 10
    for index, position in stiffest[::3]:
        parameter = penalties[0].parameters[index].data.view(-1)
        kept = float(parameter[position])
        parameter[position] = kept + 1e-5
        expected, found = loss(), sum(float(penalty()) for penalty in penalties) / len(penalties)
        parameter[position] = kept
        assert found == pytest.approx(expected, rel=0.35)


def configuration(folder: Path, run: str, **fine_tune: Any) -> RunConfig:
    if not (folder / "start.potential").is_file():
        small_potential().save(folder / "start.potential")
    content = {
        "run": str(folder / run),
        "start_from": "start.potential",
        "fine_tune": fine_tune,
        "data": {"train": "builtin:copper@1:17", "validation": 4, "stress": None, "batch_size": 5},
        "train": {"max_epochs": 3, "accelerator": "cpu"},
        "logging": {"report": False},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return load_config(folder / "config.yaml")


def change(folder: Path, file: Path) -> float:
    """Size of the change of the weights from the start, by the stiffness of the penalty."""
    config = configuration(folder, "other", elastic={"generate": 20})
    start = model_file.load(folder / "start.potential", precision="float32").train().requires_grad_(True)
    penalty = elastic_penalty(config, start)
    assert penalty is not None
    start.model.load_state_dict(model_file.load(file).model.state_dict())
    return float(penalty())


def test_a_stronger_penalty_keeps_more(tmp_path: Path) -> None:
    changes = []
    for strength in (None, 1.0, 1e4):
        settings = {} if strength is None else {"elastic": {"strength": strength, "generate": 20}}
        changes.append(change(tmp_path, quietly(configuration(tmp_path, f"run-{strength}", **settings)).best))
    assert changes[0] > changes[1] > changes[2]
    assert changes[2] < 0.5 * changes[0]


def test_an_interrupted_run_ends_as_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elastic = {"strength": 5.0, "generate": 20}
    whole = quietly(configuration(tmp_path, "whole", elastic=elastic))
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, 2)
        quietly(configuration(tmp_path, "run", elastic=elastic))
    same_end(quietly(configuration(tmp_path, "run", elastic=elastic)), whole)


def test_a_start_with_too_large_forces_is_refused(tmp_path: Path) -> None:
    """Otherwise the penalty would be zero."""
    config = configuration(tmp_path, "run", elastic={"generate": 3})
    start = small_potential().train()
    start.scale.fill_(1e9)
    with pytest.raises(DataError, match=r"fine_tune\.elastic: none of 3 generated structures .* 20 eV/A"):
        elastic_penalty(config, start)


def test_low_rank_updates_have_no_penalty(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fine_tune.elastic: lora does not change the original weights"):
        configuration(tmp_path, "run", method="lora", elastic={})
