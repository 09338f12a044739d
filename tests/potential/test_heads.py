"""Potentials with several heads: each computes what the potential of that head alone computes."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families.cases import Case, cases, with_random_matrices
from families.structures import crystal, ethanol
from slow_cases import slow_but
from toy_family import ToyConfig

import potentials
from potentials.data.graph import AtomicGraph, build_graph, collate
from potentials.errors import ModelFileError, PotentialsError
from potentials.potential import Head, MultiHeadPotential, Potential, PotentialCalculator, compile_for_md

ENERGIES = [{"H": -1.0, "C": -2.0, "O": -3.0}, {"H": 4.0, "C": 5.0, "O": 6.0}, {"H": 0.5, "C": 0.25, "O": 0.0}]
HEADS = [
    Head("pbe", ENERGIES[0], 1.5, 0.2),
    Head("r2scan", ENERGIES[1], {"H": 1.0, "C": 2.0, "O": 3.0}, -0.3),
    Head("mp2", ENERGIES[2], 0.7, {"H": 0.1, "C": 0.2, "O": 0.3}),
]
CASES = [case for case in cases() if case.family != "ace"]


def three_heads(case: Case | None = None, precision: Any = "float64") -> MultiHeadPotential:
    """Heads whose readouts have different random weights."""
    chosen = case or next(case for case in CASES if case.family == "mace")
    torch.manual_seed(3)
    potential = MultiHeadPotential(chosen.potential().config, HEADS, precision)
    for parameter in potential.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return potential.eval()


def labeled(head: int, atoms: Any, potential: Potential) -> AtomicGraph:
    graph = build_graph(atoms, potential.elements, potential.cutoff)
    graph.head = torch.tensor([head])
    return graph


@pytest.mark.parametrize("case", slow_but(CASES, "mace invariant", "schnet bessel"))
def test_a_batch_of_several_heads(case: Case) -> None:
    """Energies, forces and stress of each frame are those of the potential of its head, which only has its weights."""
    potential = with_random_matrices(three_heads(case))
    frames = [(2, ethanol()), (0, crystal()), (1, ethanol(7)), (0, ethanol(8)), (2, crystal())]
    batch = collate([labeled(head, atoms, potential) for head, atoms in frames])
    together = potential(batch, stress=True)
    start = 0
    for number, (head, atoms) in enumerate(frames):
        alone = potential.select_head(HEADS[head].name)
        assert type(alone) is Potential
        wanted = alone(build_graph(atoms, alone.elements, alone.cutoff), stress=True)
        assert float(together.energy[number]) == pytest.approx(float(wanted.energy[0]), abs=1e-10)
        torch.testing.assert_close(together.forces[start : start + len(atoms)], wanted.forces, atol=1e-10, rtol=1e-10)
        torch.testing.assert_close(together.stress[number], wanted.stress[0], atol=1e-10, rtol=1e-10, equal_nan=True)
        start += len(atoms)
    energies = {
        float(potential.select_head(head.name)(build_graph(ethanol(), potential.elements, potential.cutoff)).energy)
        for head in HEADS
    }
    assert len(energies) == len(HEADS)


def test_scale_shift_and_reference_energies_of_each_head() -> None:
    """With the same readouts, energies of heads differ as their settings do."""
    potential = three_heads()
    potential.network.set_number_of_heads(len(HEADS))
    graph = build_graph(ethanol(), potential.elements, potential.cutoff)
    found = [potential.select_head(head.name)(graph).node_energies for head in HEADS]
    symbols = ethanol().get_chemical_symbols()

    def value(setting: Any, symbol: str) -> float:
        return setting[symbol] if isinstance(setting, dict) else setting

    bare = [
        (float(energy) - value(head.shift, symbol) - head.reference_energies[symbol]) / value(head.scale, symbol)
        for head, energies in zip(HEADS, found, strict=True)
        for symbol, energy in zip(symbols, energies, strict=True)
    ]
    first, *others = np.array(bare).reshape(len(HEADS), -1)
    assert np.abs(first).max() > 1e-3
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-10, atol=1e-12)


def test_gradients_of_one_head_leave_the_readouts_of_others_alone() -> None:
    potential = three_heads().train().requires_grad_(True)
    batch = collate([labeled(1, ethanol(), potential)])
    prediction = potential(batch)
    (prediction.energy.sum() + prediction.forces.square().sum()).backward()
    norms = [
        sum(float(parameter.grad.abs().sum()) for parameter in readouts.parameters())
        for readouts in potential.network.readouts_of_heads()
    ]
    assert norms[1] > 0
    assert norms[0] == norms[2] == 0


def test_model_files_and_copies(tmp_path: Path) -> None:
    potential = three_heads()
    potential.save(tmp_path / "heads.potential")
    graph = collate([labeled(head, ethanol(), potential) for head in range(3)])
    wanted = potential(graph)
    loaded = potentials.load(tmp_path / "heads.potential")
    assert loaded.heads == ("pbe", "r2scan", "mp2")
    for other in (loaded, pickle.loads(pickle.dumps(potential)), copy.deepcopy(potential), copy.copy(potential)):
        assert isinstance(other, MultiHeadPotential)
        found = other(graph)
        assert torch.equal(found.energy, wanted.energy)
        assert torch.equal(found.forces, wanted.forces)
    single = potential.with_precision("float32")
    assert isinstance(single, MultiHeadPotential)
    torch.testing.assert_close(single(graph).energy, wanted.energy, rtol=1e-5, atol=1e-4)
    assert torch.equal(single.double()(graph).energy, single.with_precision("float64")(graph).energy)
    one = potentials.load(tmp_path / "heads.potential", head="mp2")
    one.save(tmp_path / "one.potential")
    again = potentials.load(tmp_path / "one.potential")
    assert again.heads == ()
    assert torch.equal(again(build_graph(ethanol(), again.elements, again.cutoff)).energy, wanted.energy[2:])
    with pytest.raises(
        ModelFileError, match=r'heads.potential: there is no head "b3lyp"; choose one of pbe, r2scan, mp2'
    ):
        potentials.load(tmp_path / "heads.potential", head="b3lyp")
    with pytest.raises(ModelFileError, match=r"one head only, without a name; remove the option `head` \(given: pbe\)"):
        potentials.load(tmp_path / "one.potential", head="pbe")


def test_calculators_compute_with_one_head(tmp_path: Path) -> None:
    potential = three_heads(precision="float32")
    path = tmp_path / "heads.potential"
    potential.save(path)
    energies = []
    for head in HEADS:
        atoms = ethanol()
        atoms.calc = PotentialCalculator(path, head=head.name)
        wanted = float(
            potential.select_head(head.name)(build_graph(atoms, potential.elements, potential.cutoff)).energy
        )
        assert atoms.get_potential_energy() == pytest.approx(wanted, abs=1e-3)
        assert atoms.calc.info["head"] == head.name
        energies.append(atoms.get_potential_energy())
        atoms.calc = potential.calculator(head=head.name)
        assert atoms.get_potential_energy() == pytest.approx(energies[-1], abs=1e-5)
    assert len({round(energy, 3) for energy in energies}) == len(HEADS)


def test_without_a_choice_the_heads_are_named(tmp_path: Path) -> None:
    potential = three_heads()
    path = tmp_path / "heads.potential"
    potential.save(path)
    message = "computes with one of them; choose one of pbe, r2scan, mp2 as head"
    graph = build_graph(ethanol(), potential.elements, potential.cutoff)
    del graph.head
    for attempt in (
        lambda: potential(graph),
        lambda: potential.calculator(),
        lambda: PotentialCalculator(path),
        lambda: compile_for_md(potential),
    ):
        with pytest.raises(PotentialsError, match=message):
            attempt()


def test_what_cannot_have_heads() -> None:
    config = three_heads().config
    with pytest.raises(PotentialsError, match="at least two heads with different names, got pbe, pbe"):
        MultiHeadPotential(config, [HEADS[0], HEADS[0]])
    with pytest.raises(PotentialsError, match="at least two heads"):
        MultiHeadPotential(config, HEADS[:1])
    toy = ToyConfig(name="toy", elements=["H", "C", "O"], average_neighbors=4.0, scale=1.0, shift=0.0)
    with pytest.raises(PotentialsError, match="toy has no readouts, so it cannot have several heads"):
        MultiHeadPotential(toy, HEADS)


def test_joined_heads() -> None:
    potential = three_heads()
    parts = {head.name: potential.select_head(head.name) for head in HEADS}
    joined = MultiHeadPotential.joined(parts)
    assert joined.heads == potential.heads
    batch = collate([labeled(head, ethanol(), potential) for head in range(3)])
    assert torch.equal(joined(batch).energy, potential(batch).energy)
    other = potential.select_head("pbe")
    with torch.no_grad():
        other.model.get_parameter("embedding").add_(1.0)
    with pytest.raises(PotentialsError, match="share all weights but those of the readouts"):
        MultiHeadPotential.joined({**parts, "pbe": other})


def test_headers_with_damaged_heads(tmp_path: Path) -> None:
    import json

    from safetensors import safe_open
    from safetensors.torch import save_file

    potential = three_heads()
    path = tmp_path / "heads.potential"
    potential.save(path)
    with safe_open(path, framework="pt") as opened:
        header = json.loads(opened.metadata()["potentials"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    entry = header["heads"][1]
    damaged: list[Any] = [
        "text",
        [entry, 3],
        [{**entry, "name": 3}],
        [{**entry, "scale": "large"}],
        [{**entry, "more": 1}],
    ]
    for heads in [*damaged, [{**entry, "reference_energies": {"H": None}}]]:
        save_file(tensors, path, metadata={"potentials": json.dumps({**header, "heads": heads})})
        with pytest.raises(ModelFileError, match="the header's `heads` are not valid"):
            potentials.load(path)
    for heads in ([entry], [*header["heads"], {**entry, "name": "four"}]):
        save_file(tensors, path, metadata={"potentials": json.dumps({**header, "heads": heads})})
        with pytest.raises(ModelFileError, match=r"heads|do not match the header"):
            potentials.load(path)
