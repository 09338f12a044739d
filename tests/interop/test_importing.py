"""Model files of mace-torch, nequip and SevenNet give what these programs gave; files and results are theirs."""

import contextlib
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import potentials
from potentials.data.graph import build_graph, collate
from potentials.errors import ConversionError, ModelFileError
from potentials.interop import import_model
from potentials.interop.foreign_state import ForeignState
from potentials.interop.mace_file import potential_from_mace_model
from potentials.interop.pickles import read_torch_file
from potentials.interop.pickles.modules import stored_state, submodule
from potentials.interop.pickles.records import record_class

FILES = Path(__file__).parent / "model_files"
STRUCTURES = ("molecule", "triclinic", "left-handed", "slab")
HEADS = {
    "allegro-averaged": ["Default"],
    "allegro-packaged": ["Default"],
    "mace-agnesi-zbl": ["Default"],
    "mace-float32": ["Default"],
    "mace-heads": ["pbe", "r2scan"],
    "mace-heads-layers1": ["pbe", "r2scan", "hf"],
    "nequip-averaged": ["Default"],
    "nequip-float32": ["Default"],
    "nequip-packaged": ["Default"],
    "sevenn-degrees": ["Default"],
    "sevenn-modals": ["pbe", "r2scan"],
    "sevenn-parity": ["Default"],
}
HEADLESS = (
    "allegro-averaged",
    "allegro-packaged",
    "nequip-averaged",
    "nequip-float32",
    "nequip-packaged",
    "sevenn-degrees",
    "sevenn-parity",
)
CASES = [(name, head) for name, heads in HEADS.items() for head in heads]


def results(name):
    """Metadata, structures by name, and results of the other program by structure, head and quantity."""
    arrays = dict(np.load(FILES / f"{name}.npz"))

    def structure(label):
        numbers, positions, cell, pbc = (
            arrays[f"structure/{label}/{key}"] for key in ("numbers", "positions", "cell", "pbc")
        )
        return Atoms(numbers, positions, cell=cell, pbc=pbc)

    metadata = json.loads(str(arrays.pop("metadata")))
    return metadata, structure, lambda label, head, key: arrays[f"structure/{label}/{head}/{key}"]


def test_every_file_is_tested():
    assert sorted(HEADS) == sorted(path.stem for path in FILES.iterdir() if path.suffix != ".npz")
    assert all(results(name)[0]["heads"] == heads for name, heads in HEADS.items())


@pytest.mark.parametrize(("name", "head"), CASES)
def test_imported_models_reproduce_the_peer(name, head):
    (path,) = (path for path in FILES.glob(f"{name}.*") if path.suffix != ".npz")
    potential = import_model(path, None if name in HEADLESS else head)
    single = name.endswith("float32")
    assert potential.precision == ("float32" if single else "float64")
    assert not potential.training
    _, structure, theirs = results(name)
    for label in STRUCTURES:
        ours = potential(build_graph(structure(label), potential.elements, potential.cutoff), stress=True)
        found = {"energy": ours.energy[0], "forces": ours.forces, "virial": ours.virial[0]}
        for key, value in found.items():
            expected = theirs(label, head, key)
            error = np.abs(value.numpy() - expected).max() / np.abs(expected).max()
            assert error < (1e-4 if single else 1e-8), f"{label}, {key}: off by {error:.1e}"


def test_heads_differ():
    """A wrong head would be noticed."""
    theirs = results("mace-heads")[2]
    energies = [theirs("molecule", head, "energy") for head in HEADS["mace-heads"]]
    assert abs(energies[0] - energies[1]) > 0.01 * abs(energies[0])


def test_the_source_is_kept_in_the_model_file(tmp_path):
    potentials.import_model(FILES / "mace-heads.model", head="r2scan").save(tmp_path / "a.potential")
    loaded = potentials.load(tmp_path / "a.potential")
    assert loaded.metadata["imported_from"] == {
        "program": "mace-torch",
        "class": "ScaleShiftMACE",
        "head": "r2scan",
        "heads": ["pbe", "r2scan"],
        "file": "mace-heads.model",
    }


@pytest.mark.parametrize("name", ["mace-heads", "mace-heads-layers1"])
def test_all_heads_are_imported_together(name, tmp_path):
    """Without a choice, all heads of a model of mace-torch become heads of one potential, and of its file."""
    import_model(FILES / f"{name}.model").save(tmp_path / "all.potential")
    potential = potentials.load(tmp_path / "all.potential")
    assert potential.heads == tuple(HEADS[name])
    assert "head" not in potential.metadata["imported_from"]
    _, structure, theirs = results(name)
    graphs = []
    for number, _ in enumerate(HEADS[name]):
        graph = build_graph(structure("molecule"), potential.elements, potential.cutoff)
        graph.head = torch.tensor([number])
        graphs.append(graph)
    found = potential(collate(graphs)).energy
    for energy, head in zip(found, HEADS[name], strict=True):
        assert float(energy) == pytest.approx(float(theirs("molecule", head, "energy")), rel=1e-8)


def test_an_unknown_head():
    with pytest.raises(ConversionError, match="no head hf; its heads are pbe, r2scan"):
        import_model(FILES / "mace-heads.model", "hf")


def test_coupling_tensors_of_compiled_modules_are_found():
    """e3nn stores them within its compiled modules; they determine signs of weights."""
    state = stored_state(read_torch_file(FILES / "mace-heads.model"))
    assert any(name.endswith("_w3j_1_1_2") for name in state)


def test_an_unknown_sign_is_refused():
    """Couplings of odd sum have a sign that depends on the release of e3nn."""
    state = ForeignState({"weight": torch.ones(1)}, ())
    assert state.coupling_sign("conv_tp.", (1, 1, 2)) == 1
    assert state.coupling_sign("conv_tp.", (0, 1, 1)) == 1
    with pytest.raises(ConversionError, match=r"_w3j_1_2_2: missing .* sign cannot be determined"):
        state.coupling_sign("conv_tp.", (1, 2, 2))


def without(path, target, change):
    """Save the content of a checkpoint of nequip after a change; the tensors are read and written again."""
    content = read_torch_file(path)
    plain = {
        "state_dict": {
            name: value.tensor() for name, value in content["state_dict"].items() if hasattr(value, "tensor")
        },
        "hyper_parameters": {"model": dict(content["hyper_parameters"]["model"])},
    }
    change(plain)
    torch.save(plain, target)
    return target


class TestNequIP:
    def test_averaged_weights_differ(self, tmp_path):
        """The weights of the last step give another energy, so that a mistake would be noticed."""

        def no_averages(content):
            for name in [name for name in content["state_dict"] if name.startswith("ema.")]:
                del content["state_dict"][name]

        path = FILES / "nequip-averaged.ckpt"
        last = import_model(without(path, tmp_path / "a.ckpt", no_averages))
        averaged = import_model(without(path, tmp_path / "b.ckpt", lambda content: None))
        _, structure, theirs = results("nequip-averaged")
        graph = build_graph(structure("molecule"), last.elements, last.cutoff)
        energy = theirs("molecule", "Default", "energy")
        assert averaged(graph).energy.item() == pytest.approx(energy, rel=1e-8)
        assert abs(last(graph).energy.item() - energy) > 1e-4 * abs(energy)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda c: c["state_dict"].pop("ema.ema_weight_0"), "tensors, which do not match the"),
            (lambda c: c["hyper_parameters"].update(model=[1]), "expected the arguments of the model"),
            (lambda c: c["hyper_parameters"]["model"].update(l_max=2), "do not belong to this state dict|missing in"),
            (lambda c: c["hyper_parameters"]["model"].update(_target_="my.Model"), "model: expected 'NequIPGNNModel'"),
            (lambda c: c["hyper_parameters"]["model"].update(pair_potential={"units": "metal"}), "pair_potential"),
            (lambda c: c["hyper_parameters"]["model"].pop("r_max"), "r_max: missing"),
            (lambda c: c["hyper_parameters"]["model"].update(r_max="4"), "r_max: expected int or float, got '4'"),
            (lambda c: c["hyper_parameters"]["model"].update(type_names=[]), "expected chemical symbols, got none"),
        ],
    )
    def test_checkpoints_that_cannot_be_expressed(self, tmp_path, change, message):
        path = without(FILES / "nequip-averaged.ckpt", tmp_path / "a.ckpt", change)
        with pytest.raises(ConversionError, match=message):
            import_model(path)

    def test_there_are_no_heads(self):
        with pytest.raises(ConversionError, match=r"no named heads; remove the option `head` \(given: pbe\)"):
            import_model(FILES / "nequip-averaged.ckpt", "pbe")


def changed(path, old, new):
    """Replace text in the description of a model; both have the same length."""
    assert len(old) == len(new)
    with zipfile.ZipFile(path) as file:
        content = {entry: file.read(entry) for entry in file.namelist()}
    (description,) = (entry for entry in content if entry.endswith("/data.pkl"))
    assert old in content[description]
    content[description] = content[description].replace(old, new)
    with zipfile.ZipFile(path, "w") as file:
        for entry, data in content.items():
            file.writestr(entry, data)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ScaleShiftMACE", b"AtomicDipoleMA", r"of the class MACE or ScaleShiftMACE, got AtomicDipoleMA"),
        (b"RealAgnosticDensityInteractionBlock", b"RealAgnosticUnknownInteractionBlock", "got RealAgnosticUnknown"),
        (b"cmace.modules.models\n", b"cmice.modules.models\n", "got an object of the class mice.modules.models"),
        (b"products", b"producis", "no module products"),
        (b"AgnesiTransform", b"AgnosiTransform", "distance_transform: expected .* got 'Agnosi'"),
        (b"r_max", b"r_min", "the model has no scalar r_max"),
        (b"_lmax", b"_lmix", "do not fit the family mace"),
    ],
)
def test_models_that_cannot_be_expressed(tmp_path, old, new, message):
    path = shutil.copy(FILES / "mace-agnesi-zbl.model", tmp_path / "a.model")
    changed(path, old, new)
    with pytest.raises(ConversionError, match=message) as caught:
        import_model(path)
    assert str(caught.value).startswith(str(path))


def readout_activation(model):
    return submodule(model, "readouts", "1", "non_linearity", "acts").state["_modules"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: readout_activation(m).update({"0": None}), "gate: expected 'silu', got 'None'"),
        (lambda m: readout_activation(m)["0"].state.update(f=record_class("torch.tanh")), "got 'tanh'"),
        (
            lambda m: submodule(m, "interactions", "1").state.update(avg_num_neighbors=3.0),
            "avg_num_neighbors: expected the same in all layers, got 2.75, 3.0",
        ),
        (
            lambda m: (
                m.state["_modules"]["radial_embedding"]
                .state["_modules"]
                .update(bessel_fn=record_class("mace.modules.radial.GaussianBasis")())
            ),
            "radial_type: expected 'bessel', got 'gaussian'",
        ),
        (lambda m: m.state.update(heads=5), "heads: expected a list of names, got 5"),
        (lambda m: m.state.update(heads=list("abcde")), "expected values for 5 heads, got 2"),
        (lambda m: m.state["_buffers"].pop("atomic_numbers"), "the model has no tensor atomic_numbers"),
        (lambda m: m.state.update(_modules=[1]), "no module interactions"),
    ],
    ids=["no gate", "gate", "neighbors", "radial", "heads", "number of heads", "tensor", "modules"],
)
def test_other_settings_are_refused_and_never_ignored(change, message):
    model = read_torch_file(FILES / "mace-heads.model")
    change(model)
    names = model.attribute("heads")
    with pytest.raises(ConversionError, match=message):
        potential_from_mace_model(model, names[0] if isinstance(names, list) else None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": 1, "optimizer": 2}, r"a dictionary \(model, optimizer, ...\); state dicts, .* lack hyperparameters"),
        ({"model_state_dict": {}, "config": {}}, "a dictionary"),
        (torch.nn.Linear(1, 1), "an object of the class torch.nn.modules.linear.Linear"),
        ([1, 2], "an object of the type list"),
    ],
)
def test_files_of_something_else(tmp_path, content, message):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ConversionError, match=f"expected a whole model of mace-torch .* got {message}"):
        import_model(tmp_path / "a.pt")


def test_loading_a_model_of_another_program_says_how_to_convert_it(tmp_path):
    with pytest.raises(ModelFileError, match="potentials import"):
        potentials.load(FILES / "mace-heads.model")
    (tmp_path / "old.model").write_bytes(pickle.dumps(1))
    with pytest.raises(ModelFileError, match="not a model file"):
        potentials.load(tmp_path / "old.model")


def packaged(path, **changes):
    """The packaged model with other contents of entries; None removes one, and a pair gives another compression."""
    with zipfile.ZipFile(FILES / "nequip-packaged.zip") as source, zipfile.ZipFile(path, "w") as file:
        for entry in source.namelist():
            name = entry.split("/", 1)[1]
            content = changes.get(name, source.read(entry))
            if content is not None:
                file.writestr(entry, content)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model/eager_model.pkl": None}, "expected a file written by torch.save"),
        ({"model/config.yaml": None}, "expected an entry model/config.yaml"),
        ({"model/config.yaml": b"a: [1"}, "model/config.yaml:1 this bracket is never closed"),
        ({"model/config.yaml": b"a: &x [*x]"}, "model/config.yaml:1 the value contains itself"),
        ({"model/config.yaml": b"training_module: 3"}, "training_module.model: expected the arguments"),
        ({"model/config.yaml": b"training_module: {model: {_target_: other.OtherModel}}"}, "OtherModel"),
        ({"model/config.yaml": b"\xff\xfe"}, "expected a package of nequip"),
        ({"model/config.yaml": b" " * (2**22 + 1)}, "of at most 4194304 bytes"),
        ({"model/eager_model.pkl": pickle.dumps([1])}, "expected a packaged model, got an object of the type list"),
        ({"model/eager_model.pkl": pickle.dumps(os.system)}, "expected a packaged model|model"),
        ({".data/40.storage": b"12345678"}, "the file contains 8"),
    ],
)
def test_packages_that_cannot_be_used(tmp_path, changes, message):
    with pytest.raises(ConversionError, match=message):
        import_model(packaged(tmp_path / "a.nequip.zip", **changes))


def test_programs_in_a_package_do_not_matter(tmp_path):
    path = packaged(tmp_path / "a.nequip.zip")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("out.nequip/nequip/__init__.py", "raise SystemExit")
        file.writestr("../../evil.py", "raise SystemExit")
    assert import_model(path).fingerprint() == import_model(FILES / "nequip-packaged.zip").fingerprint()


DAMAGED = [
    "allegro-packaged.zip",
    "mace-heads-layers1.model",
    "nequip-averaged.ckpt",
    "nequip-packaged.zip",
    "sevenn-modals.pth",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(DAMAGED),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_damaged_descriptions_are_read_or_refused(tmp_path, name, changes):
    with zipfile.ZipFile(FILES / name) as file:
        content = {entry: bytearray(file.read(entry)) for entry in file.namelist()}
    (description,) = (content[entry] for entry in content if entry.endswith(("/data.pkl", "/eager_model.pkl")))
    for place, value in changes:
        description[place % len(description)] = value
    with zipfile.ZipFile(tmp_path / name, "w") as file:
        for entry, data in content.items():
            file.writestr(entry, bytes(data))
    with contextlib.suppress(ConversionError):
        import_model(tmp_path / name, None if name.startswith("nequip") else "pbe")
