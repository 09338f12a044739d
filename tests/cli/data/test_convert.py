import pytest
from ase.io import read

from potentials.data.read import read_frames


def test_from_extxyz_to_shards_and_back(potentials, methanol_file, tmp_path):
    result = potentials("data", "convert", methanol_file, tmp_path / "a.aselmdb", "--shards", 3)
    assert result.exit_code == 0, result.output
    assert "a-00000.aselmdb and 2 more: 33 frames, 183 atoms, " in result.output
    result = potentials("data", "convert", tmp_path / "a-*.aselmdb", "builtin:copper@:2", tmp_path / "b.extxyz")
    assert result.exit_code == 0, result.output
    assert "b.extxyz: 35 frames, " in result.output
    expected = [frame.atoms for frame in read_frames([str(methanol_file), "builtin:copper@:2"])]
    found = read(tmp_path / "b.extxyz", ":")
    assert [atoms.get_chemical_formula() for atoms in found] == [atoms.get_chemical_formula() for atoms in expected]
    assert all(abs(a.positions - b.positions).max() < 1e-8 for a, b in zip(found, expected, strict=True))


def test_wrong_requests(potentials, methanol_file, tmp_path):
    (tmp_path / "there.h5").touch()
    for target, message in (
        ("there.h5", "exists; choose another name"),
        ("a.cif", "expected a name that ends in .extxyz"),
    ):
        result = potentials("data", "convert", methanol_file, tmp_path / target)
        assert result.exit_code == 2
        assert message in result.output
    assert (tmp_path / "there.h5").stat().st_size == 0


@pytest.mark.slow
def test_stores_are_data_like_any_other(potentials, methanol_file, tmp_path):
    for name in ("a.h5", "a.aselmdb"):
        potentials("data", "convert", methanol_file, tmp_path / name)
        for command in (("stats",), ("audit",), ("split", "-o", tmp_path / name.replace(".", "-"))):
            ours = potentials("data", command[0], tmp_path / name, *command[1:])
            again = ("--overwrite",) if command[0] == "split" else ()
            theirs = potentials("data", command[0], methanol_file, *command[1:], *again)
            assert ours.exit_code == theirs.exit_code
            assert ours.stdout.replace(name, "methanol.xyz") == theirs.stdout
