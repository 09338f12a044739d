"""The model file: what comes back, and what is refused."""

from __future__ import annotations

import json
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ase import Atoms
from families.cases import Case, case_parameters, cases
from families.evaluation import Result, predict
from families.structures import STRUCTURES, ethanol
from ordinary_user import folder_of_root, ordinary_user
from safetensors.torch import save_file

from potentials.config import families
from potentials.errors import ModelFileError, UnknownElementError
from potentials.potential import Potential, model_file

Header = dict[str, Any]
Tensors = dict[str, torch.Tensor]


@pytest.fixture(params=case_parameters())
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def small() -> Potential:
    """One with a tensor `embedding` of shape [3, 6]."""
    return next(case for case in cases() if str(case) == "nequip invariant").potential()


@pytest.fixture
def saved(small: Potential, tmp_path: Path) -> Path:
    path = tmp_path / "model.potential"
    model_file.save(small, path)
    return path


def parts(path: Path) -> tuple[Header, Tensors]:
    """The header and the tensors of a model file, by the format itself: length, JSON, then raw data."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    index = json.loads(data[8 : 8 + length])
    header = json.loads(index.pop("__metadata__")["potentials"])
    kinds = {"F64": torch.float64, "F32": torch.float32}
    tensors = {}
    for name, entry in index.items():
        start, stop = (8 + length + offset for offset in entry["data_offsets"])
        flat = torch.frombuffer(bytearray(data[start:stop]), dtype=kinds[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return header, tensors


def rewrite(path: Path, change: Callable[[Header, Tensors], None]) -> None:
    """Change a file into another that is whole."""
    header, tensors = parts(path)
    change(header, tensors)
    save_file(tensors, path, metadata={"potentials": json.dumps(header)})


@pytest.mark.parametrize("precision", ["float32", "float64", "mixed"])
def test_round_trip_to_the_bit(precision: Any, case: Case, tmp_path: Path) -> None:
    potential = case.potential(precision)
    potential.metadata = {"run": "test", "errors": {"forces": 0.1 + 0.2}}
    model_file.save(potential, tmp_path / "a.potential")
    loaded = model_file.load(tmp_path / "a.potential")

    assert loaded.config == potential.config
    assert (loaded.elements, loaded.cutoff) == (potential.elements, potential.cutoff)
    assert (loaded.precision, loaded.metadata) == (precision, potential.metadata)
    expected, found = dict(potential.named_parameters()), dict(loaded.named_parameters())
    assert expected.keys() == found.keys()
    for tensors in (expected, found):
        tensors |= dict((potential if tensors is expected else loaded).named_buffers())
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
    structures = [build() for build in STRUCTURES.values()]
    before, after = predict(potential, *structures), predict(loaded, *structures)
    for name in Result._fields:
        assert getattr(before, name).tobytes() == getattr(after, name).tobytes(), name


def test_a_loaded_potential_is_for_use(saved: Path) -> None:
    loaded = model_file.load(saved)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_saving_again_gives_the_same_file(saved: Path) -> None:
    again = saved.with_name("again.potential")
    model_file.save(model_file.load(saved), again)
    assert again.read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_another_precision(precision: Any, case: Case, tmp_path: Path) -> None:
    potential = case.potential()
    model_file.save(potential, tmp_path / "a.potential")
    loaded = model_file.load(tmp_path / "a.potential", precision=precision)
    assert loaded.precision == precision
    for name, parameter in loaded.model.named_parameters():
        assert torch.equal(parameter, dict(potential.model.named_parameters())[name].float())
    difference = predict(loaded, ethanol()).energy - predict(potential, ethanol()).energy
    assert abs(difference) < 1e-4
    # And back: the file keeps what it was written with.
    again = model_file.load(tmp_path / "a.potential").model.state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in potential.model.state_dict().items())


def test_reference_energies_keep_all_digits(small: Potential, tmp_path: Path) -> None:
    exact = torch.tensor([-13.587222780835477, -1029.4889999855063, -2041.9816003861047], dtype=torch.float64)
    small.reference_energies.copy_(exact)
    model_file.save(small, tmp_path / "a.potential")
    assert torch.equal(model_file.load(tmp_path / "a.potential").reference_energies, exact)


def test_header(case: Case, tmp_path: Path) -> None:
    potential = case.potential("mixed")
    potential.metadata = {"validation": {"forces_rmse": 0.021}, "note": "Wüstit"}
    model_file.save(potential, tmp_path / "a.potential")
    header = model_file.read_header(tmp_path / "a.potential")
    assert header == parts(tmp_path / "a.potential")[0]
    assert (header["format"], header["format_version"]) == ("potentials", 1)
    assert header["elements"] == ["H", "C", "O"]
    assert header["reference_energies"] == {"H": -1.3, "C": -2.4, "O": -3.7}
    assert (header["cutoff"], header["precision"]) == (3.5, "mixed")
    assert header["units"] == {"energy": "eV", "length": "A", "stress": "eV/A^3"}
    assert header["versions"].keys() == {"potentials", "torch", "e3nn", "ase", "numpy"}
    assert header["metadata"] == potential.metadata
    assert families()[case.family].model_validate(header["model"]) == potential.config


def test_the_file_is_readable_as_others_are(saved: Path) -> None:
    # Colleagues and batch systems read it, unless the user's umask says otherwise.
    other = saved.with_name("other")
    other.touch()
    assert stat.S_IMODE(saved.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_nothing_else_is_left_in_the_folder(saved: Path) -> None:
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_an_existing_file_is_replaced(saved: Path) -> None:
    other = next(case for case in cases() if str(case) == "mace residual").potential()
    model_file.save(other, saved)
    assert model_file.load(saved).config == other.config


def test_loading_leaves_random_numbers_alone(saved: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    model_file.load(saved)
    assert torch.equal(torch.rand(4), expected)


def test_nothing_is_executed(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The file is a length, JSON and raw numbers, to the last byte; and unpickling is off.
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("unpickled")

    for module in ("pickle", "torch"):
        monkeypatch.setattr(f"{module}.load", refuse)
    monkeypatch.setattr("pickle.loads", refuse)
    monkeypatch.setattr("pickle.Unpickler", refuse)
    model_file.load(saved)
    header, tensors = parts(saved)
    assert saved.stat().st_size == 8 + struct.unpack("<Q", saved.read_bytes()[:8])[0] + sum(
        tensor.nbytes for tensor in tensors.values()
    )
    assert header["format"] == "potentials"


# What is refused


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 200, 0.5, 0.9, -1], ids=str)
def test_truncated(kept: float, saved: Path) -> None:
    data = saved.read_bytes()
    number = round(kept * len(data)) if 0 < kept < 1 else int(kept)
    saved.write_bytes(data[:number])
    for read in (model_file.load, model_file.read_header):
        with pytest.raises(ModelFileError, match=rf"{saved.name}: not a model file, or truncated"):
            read(saved)


def test_truncated_in_the_header(saved: Path) -> None:
    data = saved.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    for number in (8 + length // 2, 8 + length - 1, 8 + length):
        saved.write_bytes(data[:number])
        with pytest.raises(ModelFileError, match="not a model file, or truncated"):
            model_file.load(saved)


def test_names_of_tensors_are_not_printed_as_they_are(saved: Path) -> None:
    entries = {"a\nb\x1b[31m\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}
    index = json.dumps({"__metadata__": {"potentials": "{}"}, **entries}).encode()
    saved.write_bytes(struct.pack("<Q", len(index)) + index + bytes(4))
    with pytest.raises(ModelFileError, match="not a model file, or truncated") as caught:
        model_file.load(saved)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes(seed: int, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(seed)
    data = bytes(torch.randint(0, 256, (1000,), generator=generator).tolist())
    path = tmp_path / "random.potential"
    # The second begins with a plausible length.
    path.write_bytes(data if seed else struct.pack("<Q", 500) + data)
    with pytest.raises(ModelFileError, match="not a model file, or truncated"):
        model_file.load(path)


def test_a_pickle(saved: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, saved)
    with pytest.raises(ModelFileError, match="a file of PyTorch, not a model file; convert"):
        model_file.load(saved)


def test_no_file_and_no_folder(small: Potential, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.potential", tmp_path):
        with pytest.raises(ModelFileError, match="no such model file"):
            model_file.load(path)
    (tmp_path / "file").touch()
    for folder in ("no folder", "file"):
        with pytest.raises(ModelFileError, match="cannot write the model file"):
            model_file.save(small, tmp_path / folder / "a.potential")


def test_safetensors_of_others(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match="this package did not write it"):
        model_file.load(path)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ModelFileError, match="this package did not write it"):
        model_file.load(path)


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000, "\x00"])
def test_a_header_that_is_no_json(text: str, saved: Path) -> None:
    save_file(parts(saved)[1], saved, metadata={"potentials": text})
    with pytest.raises(ModelFileError, match="header is not valid JSON"):
        model_file.load(saved)


@pytest.mark.parametrize("text", ["null", "3", "[]", "{}", '"potentials"'])
def test_a_header_that_is_something_else(text: str, saved: Path) -> None:
    save_file(parts(saved)[1], saved, metadata={"potentials": text})
    with pytest.raises(ModelFileError, match="the header has no format version; this release reads version 1"):
        model_file.load(saved)


@pytest.mark.parametrize("version", [0, 2, 99, "1", None, True, [1]], ids=str)
def test_wrong_version(version: Any, saved: Path) -> None:
    rewrite(saved, lambda header, tensors: header.update(format_version=version))
    with pytest.raises(ModelFileError, match=r"this release( \(.*\))? reads version 1"):
        model_file.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "`model` is missing or not a dict"),
        ({"reference_energies": [1.0]}, "`reference_energies` is missing or not a dict"),
        ({"precision": 64}, "`precision` is missing or not a str"),
        ({"precision": "float16"}, "unknown precision 'float16'"),
        ({"metadata": "text"}, "`metadata` is missing or not a dict"),
        ({"reference_energies": {"H": -1.0, "C": "x", "O": 1.0}}, "reference energies are not all finite"),
        ({"reference_energies": {"H": -1.0, "C": float("nan"), "O": 1.0}}, "reference energies are not all finite"),
        ({"reference_energies": {"H": -1.0, "C": float("inf"), "O": 1.0}}, "reference energies are not all finite"),
        ({"reference_energies": {"H": -1.0, "C": True, "O": 1.0}}, "reference energies are not all finite"),
        pytest.param(
            {"reference_energies": {"H": -1.0, "C": 10**400, "O": 1.0}},
            "reference energies are not all finite",
            id="an energy that no float holds",
        ),
        ({"reference_energies": {"H": -1.0, "O": 1.0}}, "missing C"),
        ({"coupling_signs": None}, "`coupling_signs` is missing or not a str"),
        ({"coupling_signs": "+-+"}, "install the release with which it was written"),
        ({"versions": None}, "`versions` is missing or not a dict"),
    ],
    ids=str,
)
def test_wrong_headers(change: Header, message: str, saved: Path) -> None:
    rewrite(saved, lambda header, tensors: header.update(change))
    with pytest.raises(ModelFileError, match=message) as caught:
        model_file.load(saved)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("key", ["model", "reference_energies", "precision", "coupling_signs", "metadata", "versions"])
def test_headers_that_lack_something(key: str, saved: Path) -> None:
    rewrite(saved, lambda header, tensors: header.pop(key))
    with pytest.raises(ModelFileError, match=f"`{key}` is missing"):
        model_file.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "schnett"}, 'unknown model family: expected one of .*mace, .*, got text "schnett"'),
        ({"name": None}, "unknown model family: .* got null"),
        ({"name": ["mace"]}, "unknown model family: .* got a list of 1 item"),
        ({"channels": -4}, "model configuration is not valid"),
        ({"chanels": 4}, "model configuration is not valid"),
        ({"scale": "auto"}, "model.scale: expected a value, got auto"),
        ({"elements": ["H", "C", "O", "Xx"]}, "model configuration is not valid"),
    ],
    ids=str,
)
def test_wrong_models(change: Header, message: str, saved: Path) -> None:
    rewrite(saved, lambda header, tensors: header["model"].update(change))
    with pytest.raises(ModelFileError, match=message) as caught:
        model_file.load(saved)
    assert str(saved) in str(caught.value)


def flipped(header: Header, tensors: Tensors) -> None:
    signs = header["coupling_signs"]
    header["coupling_signs"] = signs[:-1] + ("-" if signs[-1] == "+" else "+")


def missing(header: Header, tensors: Tensors) -> None:
    del tensors["embedding"]


def extra(header: Header, tensors: Tensors) -> None:
    tensors["bias"] = torch.zeros(2)


def reshaped(header: Header, tensors: Tensors) -> None:
    tensors["embedding"] = tensors["embedding"].T.contiguous()


def integers(header: Header, tensors: Tensors) -> None:
    tensors["embedding"] = tensors["embedding"].long()


def not_a_number(header: Header, tensors: Tensors) -> None:
    tensors["embedding"][1, 2] = torch.nan


def infinite(header: Header, tensors: Tensors) -> None:
    tensors["embedding"][1, 2] = torch.inf


def another_size(header: Header, tensors: Tensors) -> None:
    header["model"]["channels"] += 1


def half_precision(header: Header, tensors: Tensors) -> None:
    tensors["embedding"] = tensors["embedding"].half()


def too_large_for_single_precision(header: Header, tensors: Tensors) -> None:
    header["precision"] = "float32"
    tensors["embedding"][1, 2] = 1e300


def endless_header(header: Header, tensors: Tensors) -> None:
    header["metadata"] = {"notes": "x" * 2**24}


def endless_tensors(header: Header, tensors: Tensors) -> None:
    tensors |= {f"t{number}": torch.zeros(0) for number in range(20_000)}


def enormous(header: Header, tensors: Tensors) -> None:
    header["model"].update(channels=65_536, layers=100, degree=4, radial_mlp=[65_536] * 20)


def another_depth(header: Header, tensors: Tensors) -> None:
    header["model"]["layers"] += 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flipped, "coupling coefficients differ in sign"),
        (missing, r"missing \['embedding'\], unexpected \[\]"),
        (extra, r"missing \[\], unexpected \['bias'\]"),
        (reshaped, r"embedding has shape \(6, 3\), expected \(3, 6\)"),
        (integers, "embedding does not consist of finite floating-point numbers"),
        (not_a_number, "embedding does not consist of finite floating-point numbers"),
        (infinite, "embedding does not consist of finite floating-point numbers"),
        (another_size, "has shape"),
        (half_precision, "embedding does not consist of finite floating-point numbers: expected F32 or F64, got F16"),
        (too_large_for_single_precision, "embedding does not consist of finite floating-point numbers in float32"),
        (endless_header, "more than the limit of 16777216"),
        (endless_tensors, "more than 20000 tensors"),
        (enormous, "weights do not match the header: missing"),
        (another_depth, "weights do not match the header: missing"),
    ],
)
def test_wrong_contents(change: Callable[[Header, Tensors], None], message: str, saved: Path) -> None:
    rewrite(saved, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        model_file.load(saved)
    assert str(saved) in str(caught.value)


def test_rewriting_alone_is_no_reason_to_refuse(saved: Path, small: Potential) -> None:
    rewrite(saved, lambda header, tensors: None)
    assert model_file.load(saved).config == small.config


def test_a_folder_that_cannot_be_written(small: Potential) -> None:
    with folder_of_root() as root:
        folder = root / "locked"
        folder.mkdir(mode=0o555)
        with ordinary_user(), pytest.raises(ModelFileError, match="cannot write the model file"):
            model_file.save(small, folder / "a.potential")
        assert not list(folder.iterdir())


def test_a_folder_in_the_way(small: Potential, tmp_path: Path) -> None:
    (tmp_path / "a.potential").mkdir()
    with pytest.raises(ModelFileError, match="cannot write the model file"):
        model_file.save(small, tmp_path / "a.potential")
    assert [path.name for path in tmp_path.iterdir()] == ["a.potential"]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_old_file(
    step: str, saved: Path, small: Potential, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full_disk(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, full_disk)
    small.metadata = {"other": 1}
    with pytest.raises(ModelFileError, match="No space left on device"):
        model_file.save(small, saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_an_unknown_element_when_predicting(saved: Path) -> None:
    with pytest.raises(UnknownElementError, match=r"contains Cu; the model supports H, C, O"):
        predict(model_file.load(saved), Atoms("CuO", positions=[[0, 0, 0], [0, 0, 1.5]]))
