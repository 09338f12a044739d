from ase.io import read


def test_files_of_parts(potentials, methanol_file, tmp_path):
    result = potentials("data", "split", methanol_file, "-o", tmp_path / "parts", "--test", 0.2, "--blocks", 5)
    assert result.exit_code == 0, result.output
    train, validation, test = (
        read(tmp_path / "parts" / f"{name}.extxyz", ":") for name in ("train", "validation", "test")
    )
    assert "train.extxyz: 18 frames and 3 isolated atoms" in result.output
    assert (len(train), len(validation), len(test)) == (21, 6, 6)
    assert all(atoms.get_forces().shape == (6, 3) for atoms in test)
    again = potentials("data", "split", methanol_file, "-o", tmp_path / "parts")
    assert again.exit_code == 2
    assert "train.extxyz exists; choose another folder" in again.output


def test_wrong_requests(potentials, methanol_file, tmp_path):
    for arguments, message in (
        (("--test", 0, "--validation", 0), "both fractions are 0"),
        (("--by", "group"), 'have no entry "config_type", which defines the groups; available entries: none'),
        (("--by", "color"), "color"),
        (("--test", 0.95), "so that training frames remain"),
    ):
        result = potentials("data", "split", methanol_file, "-o", tmp_path / "parts", *arguments)
        assert result.exit_code == 2
        assert message in result.output
    assert not (tmp_path / "parts").exists()
