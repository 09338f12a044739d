"""Each published format, in small files made here, against what was put into them."""

import json
from functools import partial

import numpy as np
import pytest
from ase import units
from published_files import (
    extxyz,
    isolated_atoms,
    mlearn_frames,
    rmd17_arrays,
    rmd17_members,
    rmd17_split,
    write_tar,
)

from potentials.config.data import DataConfig
from potentials.data.label import label_frames
from potentials.data.public.convert import convert_botnet, convert_mlearn, convert_rmd17
from potentials.data.read import read_frames
from potentials.data.write import write_structures
from potentials.errors import DataError


def labeled(convert, files, folder, config):
    """What the `data` section reads from the files that are written, by name."""
    found = {}
    for name, frames in convert(files):
        path = folder / f"{name}.extxyz"
        write_structures(path, frames)
        found[name] = label_frames(read_frames(str(path)), config)
    return found


def test_botnet(tmp_path):
    members = {
        "dataset_acac/train_300K.xyz": extxyz("COH", 4, -9391.0),
        "dataset_acac/._train_300K.xyz": b"\x00\x05\x16\x07macOS",
        "dataset_acac/isolated_atoms.xyz": isolated_atoms({"H": -13.5, "C": -1026.8}),
        "dataset_acac/README.md": b"# Acetylacetone",
    }
    files = {"archive": write_tar(tmp_path / "a.tar.gz", members)}
    found = labeled(convert_botnet, files, tmp_path, DataConfig(train="-", forces=None))
    assert list(found) == ["train_300K", "isolated_atoms"]
    assert [frame.energy for frame in found["train_300K"]] == pytest.approx([-9391.0, -9390.99, -9390.98, -9390.97])
    assert {frame.group for frame in found["train_300K"]} == {"300K_MD"}
    assert [frame.energy for frame in found["isolated_atoms"]] == [-13.5, -1026.8]
    source = np.loadtxt(members["dataset_acac/train_300K.xyz"].decode().splitlines()[2:5], usecols=range(1, 7))
    first = read_frames(str(tmp_path / "train_300K.extxyz"))[0].atoms
    assert first.get_chemical_symbols() == ["C", "O", "H"]
    np.testing.assert_allclose(np.hstack([first.positions, first.get_forces()]), source, atol=1e-8)


@pytest.mark.parametrize(
    ("members", "message"),
    [({"f/README.md": b""}, r"contains no \*\.xyz"), ({"f/a.xyz": b"3\nthree\n"}, "f/a.xyz is not extended XYZ")],
)
def test_botnet_of_another_form(tmp_path, members, message):
    files = {"archive": write_tar(tmp_path / "a.tar.gz", members)}
    with pytest.raises(DataError, match=message):
        list(convert_botnet(files))


def test_rmd17(tmp_path):
    files = {"rmd17.tar.bz2": write_tar(tmp_path / "a.tar.bz2", rmd17_members("ethanol"), "w:bz2")}
    found = labeled(partial(convert_rmd17, "ethanol"), files, tmp_path, DataConfig(train="-"))
    assert len(found) == 10
    arrays = rmd17_arrays()
    kilocalorie = 4184 / (units.mol / units.J)  # 4184 J/mol, in eV
    for name, frames in found.items():
        part, number = name.split("_")
        order = rmd17_split(part, int(number))
        assert [frame.frame.atoms.info["rmd17_index"] for frame in frames] == order
        for frame, index in zip(frames, order, strict=True):
            assert frame.frame.atoms.get_chemical_symbols() == ["C", "O", "H"]
            assert not frame.frame.atoms.pbc.any()
            np.testing.assert_allclose(frame.frame.atoms.positions, arrays["coords"][index], atol=1e-8)
            assert frame.energy == pytest.approx(arrays["energies"][index] * kilocalorie, rel=1e-12)
            np.testing.assert_allclose(frame.forces, arrays["forces"][index] * kilocalorie, atol=1e-8)


def test_rmd17_of_another_form(tmp_path):
    members = rmd17_members("ethanol")
    files = {"rmd17.tar.bz2": tmp_path / "a.tar.bz2"}
    write_tar(tmp_path / "a.tar.bz2", members, "w:bz2")
    with pytest.raises(DataError, match=r"does not contain rmd17/npz_data/rmd17_uracil\.npz$"):
        list(convert_rmd17("uracil", files))
    for name, content in (("splits/index_test_02.csv", b"99\n"), ("npz_data/rmd17_ethanol.npz", b"PK")):
        write_tar(tmp_path / "a.tar.bz2", members | {f"rmd17/{name}": content}, "w:bz2")
        with pytest.raises(DataError, match="not have the published format"):
            list(convert_rmd17("ethanol", files))


def test_mlearn(tmp_path):
    files = {"training.json": tmp_path / "a.json", "test.json": tmp_path / "b.json"}
    files["training.json"].write_bytes(mlearn_frames("Mo", 4, 3.2))
    files["test.json"].write_bytes(mlearn_frames("Mo", 2, 3.1))
    stress = {"key": "virial_stress", "unit": "kbar", "sign": "compression-positive", "order": "xx yy zz xy yz xz"}
    found = labeled(convert_mlearn, files, tmp_path, DataConfig(train="-", group_key="group", stress=stress))
    assert list(found) == ["train", "test"]
    for name, source in (("train", "training.json"), ("test", "test.json")):
        for frame, entry in zip(found[name], json.loads(files[source].read_text()), strict=True):
            atoms, structure = frame.frame.atoms, entry["structure"]
            assert set(atoms.symbols) == {"Mo"}
            assert atoms.pbc.all()
            np.testing.assert_allclose(atoms.cell, structure["lattice"]["matrix"], rtol=1e-12)
            fractions = [site["abc"] for site in structure["sites"]]
            np.testing.assert_allclose(atoms.get_scaled_positions(wrap=False), fractions, atol=1e-8)
            assert frame.energy == entry["outputs"]["energy"]
            np.testing.assert_allclose(frame.forces, entry["outputs"]["forces"], atol=1e-8)
            assert frame.group == entry["group"]
            assert atoms.info["description"] == entry["description"]
            xx, _, _, xy, yz, _ = -0.1 * units.GPa * np.array(entry["outputs"]["virial_stress"])
            assert [frame.stress[0, 0], frame.stress[0, 1], frame.stress[1, 2]] == pytest.approx([xx, xy, yz])


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b'[{"structure": {}}]', mlearn_frames("Mo", 1, 3.2).replace(b'"forces": [[', b'"forces": [[0, ')],
)
def test_mlearn_of_another_form(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    files = dict.fromkeys(("training.json", "test.json"), tmp_path / "a.json")
    with pytest.raises(DataError, match=r"a\.json \(training\.json\) does not have the published format"):
        list(convert_mlearn(files))
