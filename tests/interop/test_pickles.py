"""Files of PyTorch are read without executing or importing anything in them."""

import collections
import contextlib
import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from potentials.errors import ConversionError
from potentials.interop.pickles import Record, StoredTensor, read_torch_file
from potentials.interop.pickles.arrays import array_of
from potentials.interop.pickles.unpickler import unpickle


class Model(nn.Module):
    """A class that the reader does not know."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.register_buffer("cutoff", torch.tensor(5.0, dtype=torch.float64))
        self.heads = ["Default"]


class Numbers(tuple):
    """A subclass of tuple with state, as e3nn's Irreps."""


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def saved(content, path):
    torch.save(content, path)
    return path


def archive(path, description, storages=(), compression=zipfile.ZIP_STORED, root="model/"):
    """A file with this pickle and these storages."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr(f"{root}data.pkl", description)
        for key, content in storages:
            file.writestr(f"{root}data/{key}", content)
    return path


class TestContent:
    def test_modules_become_records_with_their_tensors(self, tmp_path):
        model = Model()
        record = read_torch_file(saved(model, tmp_path / "a.model"))
        assert isinstance(record, Record)
        assert type(record).class_name == f"{Model.__module__}.Model"
        assert record.attribute("heads") == ["Default"]
        assert torch.equal(record.attribute("_buffers")["cutoff"].tensor(), model.cutoff)
        layer = record.attribute("_modules")["layer"]
        assert type(layer).class_name == "torch.nn.modules.linear.Linear"
        assert torch.equal(layer.attribute("_parameters")["weight"].tensor(), model.layer.weight)
        assert record.attribute("no such attribute") is None

    def test_a_state_dict_is_a_dictionary(self, tmp_path):
        expected = Model().state_dict()
        found = read_torch_file(saved(expected, tmp_path / "a.pth"))
        assert isinstance(found, dict)
        assert list(found) == list(expected)
        assert all(torch.equal(found[name].tensor(), expected[name]) for name in expected)

    @pytest.mark.parametrize(
        "tensor",
        [
            torch.arange(12.0).reshape(3, 4).T,
            torch.arange(12.0).reshape(3, 4)[1:, ::2],
            torch.zeros(0, 3),
            torch.tensor(5),
            torch.tensor([True, False]),
            torch.arange(4, dtype=torch.float16),
            torch.arange(4, dtype=torch.bfloat16),
            torch.arange(4, dtype=torch.uint8),
            nn.Parameter(torch.arange(3.0)),
        ],
        ids=["transposed", "strided", "empty", "scalar", "bool", "half", "bfloat16", "uint8", "parameter"],
    )
    def test_tensors(self, tmp_path, tensor):
        found = read_torch_file(saved({"x": tensor}, tmp_path / "a.pt"))["x"]
        assert isinstance(found, StoredTensor)
        assert found.tensor().dtype == tensor.dtype
        assert torch.equal(found.tensor(), tensor.detach())

    def test_containers_numbers_and_text(self, tmp_path):
        content = {
            "set": {1, 2}, "size": torch.Size([2, 3]), "dtype": torch.float64, "slice": slice(1, 3), "none": None,
            "ordered": collections.OrderedDict(b=1, a=2.5), "text": "é", "bytes": b"\0\xff", "big": 10**30,
            "tuple": (1, (2,)),
        }  # fmt: skip
        assert read_torch_file(saved(content, tmp_path / "a.pt")) == content

    def test_other_objects_keep_names_arguments_and_state(self, tmp_path):
        numbers = Numbers((1, 2))
        numbers.note = "kept"
        found = read_torch_file(saved({"x": numbers, "f": torch.nn.functional.silu}, tmp_path / "a.pt"))
        assert type(found["x"]).class_name == f"{Numbers.__module__}.Numbers"
        assert found["x"].arguments == ((1, 2),)
        assert found["x"].state == {"note": "kept"}
        assert found["f"].class_name == "torch.nn.functional.silu"

    def test_tensors_share_no_memory(self, tmp_path):
        x = torch.arange(3.0)
        found = read_torch_file(saved({"a": x, "b": x}, tmp_path / "a.pt"))
        found["a"].tensor().zero_()
        assert torch.equal(found["b"].tensor(), x)


class TestArrays:
    @pytest.mark.parametrize(
        "value",
        [
            np.arange(6.0).reshape(2, 3),
            np.asfortranarray(np.arange(6).reshape(2, 3)),
            np.arange(3, dtype=np.float32)[::2],
            np.zeros((0, 2)),
            np.array(True),
            np.float64(2.5),
            np.int32(7),
        ],
        ids=["matrix", "Fortran", "strided", "empty", "bool", "number", "integer"],
    )
    @pytest.mark.parametrize("protocol", [2, 4])
    def test_numbers(self, tmp_path, value, protocol):
        found = array_of(read_torch_file(archive(tmp_path / "a.pt", pickle.dumps(value, protocol))))
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)

    @pytest.mark.parametrize(("value", "expected"), [([1, 2], [1.0, 2.0]), (3, 3.0), ((0.5,), [0.5])])
    def test_plain_numbers(self, value, expected):
        np.testing.assert_array_equal(array_of(value), expected)

    @pytest.mark.parametrize("value", [np.array(["text"]), np.array([{}], dtype=object), np.arange(3, dtype=">f8")])
    def test_other_arrays_are_refused(self, tmp_path, value):
        record = read_torch_file(archive(tmp_path / "a.pt", pickle.dumps(value, 2)))
        with pytest.raises(ConversionError, match=r"expected (little-endian numbers|an array)"):
            array_of(record)

    @pytest.mark.parametrize("value", [None, "text", {}, [None], ["a"], [[1], [1, 2]]])
    def test_what_is_not_an_array_is_refused(self, value):
        with pytest.raises(ConversionError, match="expected"):
            array_of(value)

    def test_an_array_of_another_size_is_refused(self, tmp_path):
        description = pickle.dumps(np.arange(3.0), 2).replace(b"K\x03\x85", b"K\x04\x85")
        with pytest.raises(ConversionError, match="got 24 bytes"):
            array_of(read_torch_file(archive(tmp_path / "a.pt", description)))


def hostile(marker):
    """Objects whose pickles create the file `marker` when they are loaded by `pickle`."""
    write = f"open({str(marker)!r}, 'w').close()"
    return {
        "os.system": Calls(os.system, f"touch {marker}"),
        "eval": Calls(eval, write),
        "open": Calls(open, str(marker), "w"),
        "nested": {"x": [Calls(exec, write)]},
    }


class TestHostileFiles:
    @pytest.mark.parametrize("protocol", [0, 2, 4])
    @pytest.mark.parametrize("name", ["os.system", "eval", "open", "nested"])
    def test_nothing_is_called(self, tmp_path, name, protocol):
        marker = tmp_path / "marker"
        description = pickle.dumps(hostile(marker)[name], protocol)
        pickle.loads(description)
        assert marker.exists()
        marker.unlink()
        assert isinstance(read_torch_file(archive(tmp_path / "a.model", description)), Record | dict)
        assert not marker.exists()

    def test_nothing_is_called_through_an_attribute(self, tmp_path):
        marker = tmp_path / "marker"
        description = b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(Vos\ntRVmkdir\ntR(V%s\ntR." % str(marker).encode()
        pickle.loads(description)
        marker.rmdir()
        with pytest.raises(ConversionError, match="cannot be read"):
            read_torch_file(archive(tmp_path / "a.model", description))
        assert not marker.exists()

    @pytest.mark.parametrize(
        ("description", "message"),
        [
            (b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00xK\x01sb.", "cannot be read"),
            (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00xK\x01sb.", "cannot be read"),
            (b"\x80\x02cmodels\nModel\n}X\x0a\x00\x00\x00class_nameK\x01sb.", "cannot be read"),
            (b"\x80\x02cmodels\nModel\nN}X\x0a\x00\x00\x00class_nameK\x01s\x86b.", "cannot be read"),
            (b"\x80\x02]r\xff\xff\xff\x7f.", "memo index"),
            (b"\x80\x02\x82\x01.", "EXT1"),
            (b"(imodels\nModel\n.", "INST"),
            (b"\x80\x04\x96\xff\xff\xff\xff\xff\x00\x00\x00.", "cannot be read"),
            (b"\x80\x02", "cannot be read"),
            (b"", "cannot be read"),
            (b"\x80\x02X\x07\x00\x00\x00storageQ.", "description of a storage"),
        ],
    )
    def test_pickles_that_change_the_reader_or_are_damaged(self, description, message):
        with pytest.raises(ConversionError, match=message):
            unpickle(description, {}, {})

    def test_the_reader_is_unchanged(self, tmp_path):
        """Classes and functions of the reader are the same after all these attempts."""
        record = read_torch_file(saved(Model(), tmp_path / "a.model"))
        with pytest.raises(TypeError, match="cannot be changed"):
            type(record).class_name = "other"
        assert Record.class_name == ""

    @pytest.mark.parametrize(
        ("shape", "strides", "offset"),
        [
            ((4,), (1,), 0),
            ((2,), (2,), 1),
            ((1000, 1000), (0, 0), 0),
            ((3,), (1,), 1),
            ((3,), (1,), -1),
            ((-3,), (1,), 0),
            ((3,), (-1,), 2),
            ((3,), (1, 1), 0),
            ((2.0,), (1,), 0),
            ((2**62, 2**62), (0, 0), 0),
        ],
    )
    def test_tensors_outside_their_numbers(self, shape, strides, offset):
        class Stored:
            def __reduce__(self):
                return torch._utils._rebuild_tensor_v2, (Numbered(), offset, shape, strides, False, {})

        class Numbered:
            """Its persistent id names three numbers."""

        class Writer(pickle.Pickler):
            def persistent_id(self, thing):
                return ("storage", torch.FloatStorage, "0", "cpu", 3) if isinstance(thing, Numbered) else None

        buffer = io.BytesIO()
        Writer(buffer, 2).dump(Stored())
        with pytest.raises(ConversionError, match=r"exceed|expected sizes"):
            unpickle(buffer.getvalue(), {"0": lambda: bytes(12)}, {"0": 12})

    def test_storages_that_are_missing_or_short(self, tmp_path):
        path = saved({"x": torch.arange(3.0)}, tmp_path / "a.pt")
        with zipfile.ZipFile(path) as file:
            description = file.read("a/data.pkl")
        for storages in ([], [("0", bytes(8))]):
            with pytest.raises(ConversionError, match="storage 0: expected 3 numbers"):
                read_torch_file(archive(tmp_path / "b.pt", description, storages))
        found = read_torch_file(archive(tmp_path / "b.pt", description, [("0", struct.pack("<3f", 7, 8, 9))]))
        assert found["x"].tensor().tolist() == [7, 8, 9]


class TestArchives:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda path: path.unlink(), "no such file"),
            (lambda path: (path.unlink(), path.mkdir()), "no such file"),
            (lambda path: path.write_bytes(path.read_bytes()[:-30]), "written by torch.save"),
            (lambda path: path.write_bytes(b""), "written by torch.save"),
            (lambda path: path.write_bytes(pickle.dumps({"x": 1})), "before 1.6"),
            (lambda path: archive(path, b"x" * 10000, compression=zipfile.ZIP_DEFLATED), "compressed"),
            (lambda path: archive(path, b"N.", root=""), "one entry data.pkl"),
            (lambda path: archive(path, b"N.", [("../../../constants.pkl", b"")], root="a/b/"), "one entry data.pkl"),
            (lambda path: torch.jit.script(nn.Linear(1, 1)).save(path), "TorchScript"),
        ],
        ids=["missing", "folder", "truncated", "empty", "pickle", "bomb", "no root", "deep root", "TorchScript"],
    )
    def test_a_clear_error_names_the_file(self, tmp_path, change, message):
        path = saved({"x": torch.arange(3.0)}, tmp_path / "a.pt")
        change(path)
        with pytest.raises(ConversionError, match=message) as caught:
            read_torch_file(path)
        assert str(path) in str(caught.value)

    def test_two_entries_of_one_name(self, tmp_path):
        path = archive(tmp_path / "a.pt", b"N.")
        with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as file:
            file.writestr("model/data.pkl", b"N.")
        with pytest.raises(ConversionError, match="two entries"):
            read_torch_file(path)

    def test_big_endian_numbers_are_refused(self, tmp_path):
        path = archive(tmp_path / "a.pt", b"N.")
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("model/byteorder", "big")
        with pytest.raises(ConversionError, match="little-endian order, got big"):
            read_torch_file(path)

    def test_entries_outside_the_folder_are_not_written(self, tmp_path):
        path = archive(tmp_path / "a.pt", b"N.", [("../../../outside", b"x")])
        assert read_torch_file(path) is None
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.pt"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_files_are_read_or_refused(tmp_path, changes):
    path = tmp_path / "a.model"
    content = bytearray(saved(Model(), path).read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content)
    with contextlib.suppress(ConversionError):
        read_torch_file(path)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([bytes([code]) for code in b"()]}.0122NRKaeubstlodqhjQcb\x81\x85\x86\x87\x93\x8f\x90\x91"]),
            st.sampled_from(
                [b"cos\nsystem\n", b"cbuiltins\nset\n", b"ccollections\nOrderedDict\n", b"K\x01", b"X\1\0\0\0a"]
            ),
            st.sampled_from([b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccopyreg\n_reconstructor\n", b"cm\nC\n"]),
        ),
        max_size=30,
    )
)
def test_random_instructions_are_executed_or_refused(instructions):
    with contextlib.suppress(ConversionError):
        unpickle(b"\x80\x02" + b"".join(instructions) + b".", {}, {})
