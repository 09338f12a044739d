from pathlib import Path


def test_a_working_installation(potentials, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = potentials("doctor")
    assert result.exit_code == 0, result.output
    for subject in ("python", "torch", "e3nn", "vesin", "cpu", "gpu", "kernels", "wandb login", "builtin:ethanol"):
        assert subject in result.stdout
    assert "broken" not in result.stdout


def test_what_is_broken_is_told_with_advice(potentials, monkeypatch):
    missing = Path("/nonexistent/ethanol.extxyz.gz")
    monkeypatch.setattr("potentials.data.read.frames.builtin_path", lambda name: missing)
    result = potentials("doctor")
    assert result.exit_code == 1
    assert "broken" in result.stdout
    assert "reinstall the package" in result.stderr
