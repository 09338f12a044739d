"""Runs that start from a potential: what they take from it, what they train, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.io
import pytest
import torch
import yaml
from ase.calculators.singlepoint import SinglePointCalculator
from families.cases import shipped_families, with_random_matrices
from families.structures import ethanol
from run_comparison import interrupt_at_the_end_of, quietly, same_end
from safetensors.torch import load_file

import potentials.interop.starting  # noqa: F401  (reads starting potentials)
from potentials.config import family_config, load_config
from potentials.config.run import RunConfig
from potentials.config.train import OptimizerConfig
from potentials.data.builtin import builtin_path
from potentials.data.graph import build_graph
from potentials.data.prepare import prepare
from potentials.errors import ConfigError, DataError, PotentialsError
from potentials.potential import Potential, model_file
from potentials.training.fine_tuning.low_rank import adapt, linear_maps, merged
from potentials.training.fine_tuning.starting import initial_potential, starting_baseline
from potentials.training.optimizers import build_optimizer

SEVENNET = Path(__file__).parents[1] / "interop" / "model_files" / "sevenn-modals.pth"
ENERGIES = {"Cu": -0.5, "H": -1.5}
MODEL: dict[str, Any] = {
    "name": "nequip", "cutoff": 3.0, "channels": [4, 2], "layers": 2, "radial_mlp": [6], "elements": ["H", "Cu"],
    "average_neighbors": 12.0, "scale": 1.5, "shift": 0.1,
}  # fmt: skip


def start_file(folder: Path, **changes: Any) -> Path:
    """A potential with random weights."""
    torch.manual_seed(5)
    path = folder / "start.potential"
    Potential(family_config(MODEL | changes), ENERGIES, "float32").save(path)
    return path


def configuration(folder: Path, start: Any = "start.potential", **sections: Any) -> RunConfig:
    content = {
        "run": str(folder / "run"),
        "start_from": start,
        "data": {"train": "builtin:copper@1:25", "validation": 4, "stress": None, "batch_size": 5},
        "train": {"max_epochs": 3, "accelerator": "cpu"},
        "logging": {"report": False},
    }
    for name, section in sections.items():
        content[name] = content.get(name, {}) | section
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return load_config(folder / "config.yaml")


def test_the_settings_are_those_of_the_starting_potential(tmp_path: Path) -> None:
    path = start_file(tmp_path)
    config = configuration(tmp_path)
    assert config.model == family_config(MODEL)
    assert config.data.reference_energies == pytest.approx(ENERGIES)
    assert config.train.optimizer.learning_rate == 1e-3
    assert config.start_from is not None
    assert config.start_from.file == str(path)
    energies = configuration(tmp_path, data={"reference_energies": {"Cu": -7.0}}).data.reference_energies
    assert energies == pytest.approx({"Cu": -7.0, "H": -1.5})
    assert configuration(tmp_path, train={"optimizer": {"learning_rate": 0.5}}).train.optimizer.learning_rate == 0.5
    assert configuration(tmp_path, model={"cutoff": 3.0, "elements": "auto"}).model == family_config(MODEL)


def test_the_run_begins_with_its_weights(tmp_path: Path) -> None:
    start = model_file.load(start_file(tmp_path))
    first = initial_potential(configuration(tmp_path), ENERGIES)
    for name, weight in start.model.state_dict().items():
        assert torch.equal(first.model.state_dict()[name], weight), name
    double = initial_potential(configuration(tmp_path, train={"precision": "float64"}), ENERGIES)
    assert {p.dtype for p in double.model.parameters()} == {torch.float64}
    untrained = Potential(first.config, ENERGIES).num_parameters()
    assert first.num_parameters() == untrained


def test_readouts_alone_are_trained_and_the_rest_keeps_its_bits(tmp_path: Path) -> None:
    before = load_file(start_file(tmp_path))
    result = quietly(configuration(tmp_path, fine_tune={"method": "readouts"}))
    after = load_file(result.best)
    changed = {name for name, weight in before.items() if not torch.equal(after[name], weight)}
    assert changed == {name for name in before if "readout" in name}
    header = model_file.read_header(result.best)
    started = header["metadata"]["started_from"]
    assert started["method"] == "readouts"
    assert started["file"] == str(tmp_path / "start.potential")
    log = (result.folder / "log.txt").read_text().replace("\n", " ")
    assert "with 4 parameters" in log
    assert "start.potential (" in log


def test_all_weights_are_trained_by_default(tmp_path: Path) -> None:
    before = load_file(start_file(tmp_path))
    after = load_file(quietly(configuration(tmp_path)).best)
    # The frequencies of the Bessel functions are constants of this model.
    assert {name for name in before if torch.equal(after[name], before[name])} == {"edges.radial.basis.frequencies"}


def test_changes_of_low_rank(tmp_path: Path) -> None:
    """The file has the sums; each matrix differs from that of the start by one of rank 1, biases not at all."""
    before = load_file(start_file(tmp_path, bias=True))
    config = configuration(tmp_path, fine_tune={"method": "lora", "rank": 1, "alpha": 2.0})
    result = quietly(config)
    after = load_file(result.best)
    assert before.keys() == after.keys()
    start = model_file.load(tmp_path / "start.potential").model
    end = model_file.load(result.best).model
    for first, last in zip(linear_maps(start), linear_maps(end), strict=True):
        change = getattr(last.module, last.name).double() - getattr(first.module, first.name).double()
        sizes = [rows * columns for rows, columns in first.shapes]
        for part, shape in zip(change.reshape(first.species, -1).split(sizes, dim=1), first.shapes, strict=True):
            for matrix in part.reshape(first.species, *shape):
                values = torch.linalg.svdvals(matrix)
                assert values[1:].sum() < 1e-5 * max(1.0, float(values[0]))
    mapped = [weight for first in linear_maps(start) for weight in [getattr(first.module, first.name)]]
    names = [name for name, p in start.named_parameters() if not any(p is weight for weight in mapped)]
    assert names
    assert all(torch.equal(before[name], after[name]) for name in names)
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("family", [family for family in shipped_families() if family != "ace"])
def test_merged_potentials_are_the_same(family: str) -> None:
    """To rounding; at the start exactly the potential that was adapted."""
    elements = ["H", "C", "O"]
    section = {"name": family, "elements": elements, "average_neighbors": 4.0, "scale": 1.0, "shift": 0.0}
    torch.manual_seed(0)
    potential = with_random_matrices(Potential(family_config(section), dict.fromkeys(elements, 0.0), "float64").eval())
    graph = build_graph(ethanol(), elements, potential.cutoff)
    before = potential(graph)
    adapt(potential, rank=2, alpha=1.0)
    torch.testing.assert_close(potential(graph).energy, before.energy, rtol=0, atol=1e-12)
    trained = [parameter for parameter in potential.parameters() if parameter.requires_grad]
    groups = build_optimizer(potential, OptimizerConfig()).param_groups
    assert {id(p) for group in groups for p in group["params"]} == {id(p) for p in trained}
    assert 0 < sum(p.numel() for p in trained) < sum(p.numel() for p in potential.parameters())
    with torch.no_grad():
        for parameter in trained:
            parameter.add_(0.1 * torch.randn_like(parameter))
    unmerged, merged_ = potential(graph), merged(potential).eval()(graph)
    assert (unmerged.energy - before.energy).abs() > 1e-6
    torch.testing.assert_close(merged_.energy, unmerged.energy, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(merged_.forces, unmerged.forces, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("source", ["auto", "least-squares"])
def test_re_estimated_reference_energies(source: str, tmp_path: Path) -> None:
    """Labels that differ from the starting potential by a constant for each element; H does not occur."""
    start = model_file.load(start_file(tmp_path))
    frames = ase.io.read(builtin_path("copper"), "1:25")
    for atoms in frames:
        atoms.calc = start.calculator(compiled=False)
        labels = {"energy": atoms.get_potential_energy() + 1.25 * len(atoms), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
    ase.io.write(tmp_path / "shifted.xyz", frames)
    data = {"train": str(tmp_path / "shifted.xyz"), "reference_energies": source}
    config = configuration(tmp_path, data=data, train={"max_epochs": 1, "optimizer": {"learning_rate": 1e-9}})
    prepared = prepare(config, baseline=starting_baseline(config))
    assert prepared.reference_energies == pytest.approx({"H": -1.5, "Cu": -0.5 + 1.25}, abs=1e-5)
    assert any("the errors of the starting potential were 1.25 eV/atom on average" in note for note in prepared.notes)
    result = quietly(config)
    assert result.table is not None
    assert result.table.splits[0].errors.energy_per_atom.mae < 1e-4
    assert starting_baseline(configuration(tmp_path)) is None


@pytest.mark.parametrize("method", ["full", "readouts", "lora"])
def test_interrupted_and_continued_runs_give_the_same_bits(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for name, epochs in (("whole", ()), ("interrupted", (1, 2))):
        (tmp_path / name).mkdir()
        start_file(tmp_path / name)
        config = configuration(tmp_path / name, fine_tune={"method": method})
        for epoch in epochs:
            with monkeypatch.context() as patch:
                interrupt_at_the_end_of(patch, epoch)
                assert quietly(config).interrupted
        results.append(quietly(config))
    same_end(*results)


def test_another_file_under_the_same_name_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start_file(tmp_path)
    config = configuration(tmp_path)
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, 1)
        quietly(config)
    start_file(tmp_path, scale=2.5)
    with pytest.raises(ConfigError, match="has changed since the start of the run"):
        load_config(tmp_path / "run" / "resolved.yaml")


def test_a_run_can_be_read_without_the_file_that_it_started_from(tmp_path: Path) -> None:
    path = start_file(tmp_path)
    config = configuration(tmp_path)
    folder = quietly(config).folder
    path.unlink()
    assert load_config(folder / "resolved.yaml").model == config.model
    with pytest.raises(ConfigError, match=r"start_from.file: .*start.potential"):
        configuration(tmp_path)


def test_the_package_alone_reads_starting_potentials(tmp_path: Path) -> None:
    start_file(tmp_path)
    configuration(tmp_path)
    code = (
        "import potentials.interop, potentials.models, potentials.config as c; "
        f"print(c.load_config({str(tmp_path / 'config.yaml')!r}).model.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "nequip"


def test_a_model_of_another_program(tmp_path: Path) -> None:
    data = {"train": "builtin:ethanol@4:12", "validation": 2}
    config = configuration(tmp_path, {"file": str(SEVENNET), "head": "r2scan"}, data=data)
    assert config.model.name == "nequip"
    assert config.model.bias
    first = initial_potential(config, config.data.reference_energies)
    assert first.metadata["started_from"]["imported_from"]["head"] == "r2scan"
    with pytest.raises(ConfigError, match=r"start_from.file: .* choose one of pbe, r2scan as head"):
        configuration(tmp_path, str(SEVENNET), data=data)


@pytest.mark.parametrize("family", [family for family in shipped_families() if family != "ace"])
def test_every_family_has_readouts(family: str) -> None:
    section = {"name": family, "elements": ["H"], "average_neighbors": 4.0, "scale": 1.0, "shift": 0.0}
    potential = Potential(family_config(section), {"H": 0.0})
    readouts = {id(parameter) for parameter in potential.readout_parameters()}
    own = {id(parameter) for parameter in potential.parameters()}
    assert readouts
    assert readouts < own


@pytest.mark.parametrize(
    ("start", "sections", "message"),
    [
        ("missing.potential", {}, "start_from.file: .*missing.potential"),
        ("config.yaml", {}, "start_from.file: .*config.yaml"),
        ({"file": "start.potential", "head": "pbe"}, {}, "there is one head only"),
        ("start.potential", {"model": {"name": "mace"}}, 'model.name: the starting potential has "nequip", got "mace"'),
        ("start.potential", {"model": {"cutoff": 6.0}}, "model.cutoff: the starting potential has 3.0, got 6.0"),
        ("start.potential", {"model": {"radial": {"size": 5}}}, "model.radial.size: the starting potential has 8"),
        ("start.potential", {"model": {"max_ell": 3}}, "model.max_ell: the starting potential has no such setting"),
        (
            "start.potential",
            {"data": {"reference_energies": "zero"}},
            "data.reference_energies: with start_from, expected from-model",
        ),
        (None, {"fine_tune": {"method": "readouts"}, "model": MODEL}, "fine_tune: there is no starting potential"),
        ("start.potential", {"fine_tune": {"method": "ewc"}}, 'expected "full", "readouts", "lora" or "replay"'),
        ("start.potential", {"fine_tune": {"method": "lora", "rank": 0}}, "fine_tune.rank"),
        ({"head": "pbe"}, {}, "start_from"),
        (3, {}, "start_from"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_refused(tmp_path: Path, start: Any, sections: dict[str, Any], message: str) -> None:
    start_file(tmp_path)
    with pytest.raises(ConfigError, match=message):
        configuration(tmp_path, start, **sections)


def test_a_linear_family_does_not_start_from_a_potential(tmp_path: Path) -> None:
    section = {
        "name": "ace", "elements": ["H", "Cu"], "average_neighbors": 12.0, "scale": 1.0, "shift": 0.0, "cutoff": 3.0,
        "polynomial_degree": 4,
    }  # fmt: skip
    Potential(family_config(section), ENERGIES).save(tmp_path / "start.potential")
    with pytest.raises(ConfigError, match="ace is fitted in closed form and does not start from other weights"):
        configuration(tmp_path)


def write_silver(folder: Path) -> None:
    """The frames of copper with every second atom replaced by silver."""
    frames = ase.io.read(builtin_path("copper"), "1:25")
    for atoms in frames:
        results = atoms.calc.results
        atoms.symbols[::2] = "Ag"
        atoms.calc = SinglePointCalculator(atoms, energy=results["energy"], forces=results["forces"])
    ase.io.write(folder / "silver.extxyz", frames)


def test_elements_that_the_data_lack_are_removed_on_request(tmp_path: Path) -> None:
    """A smaller potential with the same energies, whose run can be continued and repeated from its configuration."""
    start_file(tmp_path)
    config = configuration(tmp_path, fine_tune={"elements": "data"})
    prepared = prepare(config)
    assert prepared.config.model.elements == ["Cu"]
    first = initial_potential(prepared.config, prepared.reference_energies)
    start = model_file.load(tmp_path / "start.potential")
    graph = prepared.train_graphs[0]
    wanted = start(build_graph(prepared.train[0].frame.atoms, start.elements, start.cutoff)).energy
    assert float(first.eval()(graph).energy) == pytest.approx(float(wanted), abs=1e-4)
    result = quietly(config)
    assert model_file.load(result.best).elements == ["Cu"]
    assert load_config(result.folder / "resolved.yaml").model.elements == ["Cu"]
    assert quietly(configuration(tmp_path, fine_tune={"elements": "data"})).was_finished


def test_new_elements_begin_as_copies_of_others(tmp_path: Path) -> None:
    start_file(tmp_path)
    write_silver(tmp_path)
    data = {"train": "silver.extxyz", "reference_energies": "least-squares"}
    config = configuration(tmp_path, fine_tune={"new_elements": {"Ag": "Cu"}}, data=data)
    prepared = prepare(config, baseline=starting_baseline(config))
    assert prepared.config.model.elements == ["H", "Cu", "Ag"]
    assert set(prepared.reference_energies) == {"H", "Cu", "Ag"}
    first = initial_potential(prepared.config, prepared.reference_energies).eval()
    start = model_file.load(tmp_path / "start.potential")
    atoms = prepared.train[0].frame.atoms.copy()
    forces = first(build_graph(atoms, first.elements, first.cutoff)).forces
    atoms.symbols[:] = "Cu"
    torch.testing.assert_close(forces, start(build_graph(atoms, start.elements, start.cutoff)).forces)
    result = quietly(config)
    assert model_file.load(result.best).elements == ["H", "Cu", "Ag"]
    given = {"train": "silver.extxyz", "reference_energies": {"Ag": -1.0}}
    energies = configuration(tmp_path, fine_tune={"new_elements": {"Ag": "Cu"}}, data=given).data.reference_energies
    assert energies == pytest.approx({**ENERGIES, "Ag": -1.0})


def test_new_elements_that_are_not_declared(tmp_path: Path) -> None:
    start_file(tmp_path)
    write_silver(tmp_path)
    with pytest.raises(DataError, match=r"model.elements does not include Ag"):
        prepare(configuration(tmp_path, data={"train": "silver.extxyz"}))
    config = configuration(tmp_path, data={"train": "silver.extxyz"}, fine_tune={"elements": "data"})
    with pytest.raises(PotentialsError, match=r"no energy is given for Ag|fine_tune.new_elements: {Ag: ELEMENT}"):
        quietly(config)
    with pytest.raises(ConfigError, match=r"fine_tune.new_elements.Ag: got Au, which the starting potential does not"):
        configuration(tmp_path, fine_tune={"new_elements": {"Ag": "Au"}})
