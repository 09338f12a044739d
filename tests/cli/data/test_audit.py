import json

import ase.io


def test_faults_are_an_exit_code(potentials, methanol_file, tmp_path):
    result = potentials("data", "audit", methanol_file)
    assert result.exit_code == 0, result.output
    assert "training: 30 frames of 6 atoms: CH4O (30)" in result.output
    assert "0 errors, 0 warnings" in result.output
    frames = ase.io.read(methanol_file, ":")
    frames[4].calc.results["forces"] *= 1000
    ase.io.write(tmp_path / "wrong.xyz", frames)
    page = tmp_path / "audit.html"
    result = potentials("data", "audit", tmp_path / "wrong.xyz", "--html", page, "--test", methanol_file)
    assert result.exit_code == 1
    assert "error [force-outlier] training: forces up to" in result.output
    assert "wrong.xyz: 4" in result.output
    assert "test frames that are also training frames: 30 of 30" in result.output
    assert page.read_text().count('class="drawing"') == 6


def test_json(potentials, methanol_file):
    result = potentials("data", "audit", methanol_file, "--json", "--energy-key", "energy")
    found = json.loads(result.stdout)
    assert found["passed"] is True
    assert list(found["facts"]) == ["training"]


def test_a_configuration(potentials, methanol_file, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(f"run: x\ndata: {{train: {methanol_file}, validation: 6}}\nmodel: {{name: mace}}\n")
    result = potentials("data", "audit", config)
    assert result.exit_code == 0, result.output
    assert "validation: 6 frames" in result.output
    result = potentials("data", "audit", config, "--cutoff", 4)
    assert result.exit_code == 2
    assert "remove --cutoff" in result.output


def test_what_cannot_be_read(potentials, tmp_path):
    result = potentials("data", "audit", tmp_path / "nothing.xyz")
    assert result.exit_code == 2
    assert "no such file" in result.output


def test_undeclared_columns_are_an_error(potentials, methanol_file, tmp_path):
    """They would shift the labels in programs that read what is there."""
    rows = methanol_file.read_text().splitlines()
    rows[2] += " 7"
    (tmp_path / "shifted.xyz").write_text("\n".join(rows) + "\n")
    result = potentials("data", "audit", tmp_path / "shifted.xyz")
    assert result.exit_code == 1
    assert "frame 0: line 3 has" in result.output
