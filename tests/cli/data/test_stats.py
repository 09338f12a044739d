import json


def test_figures(potentials, methanol_file, aluminium_file):
    result = potentials("data", "stats", methanol_file)
    assert result.exit_code == 0, result.output
    assert "1: CH4O (30)" in result.output
    assert "isolated atoms (not counted above): H, C, O" in result.output
    assert "H-O" in result.output
    result = potentials("data", "stats", aluminium_file, "--json")
    found = json.loads(result.stdout)
    assert found["frames"] == found["periodic"] == 24
    assert found["elements"]["Al"]["atoms"] == 96


def test_wrong_requests(potentials, methanol_file):
    result = potentials("data", "stats", methanol_file, "--cutoff", 50)
    assert result.exit_code == 2
    assert "unreasonably large" in result.output
