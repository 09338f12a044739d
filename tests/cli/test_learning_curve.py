import pytest

STUDY = """
study: {folder}/study
base: base.yaml
sizes: [8, 16]
seeds: [1]
steps: 4
variants:
  schnet: {{}}
  ace: {{model: {{name: ace, polynomial_degree: 4, radial: {{size: 3}}}}}}
"""
BASE = """
run: base
data: {train: "builtin:copper@1:60", validation: 6, test: 7, batch_size: 4}
model: {name: schnet, cutoff: 4.0, channels: 4, layers: 1, radial: {size: 6}}
"""


@pytest.fixture
def study_file(tmp_path):
    (tmp_path / "base.yaml").write_text(BASE)
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(folder=tmp_path))
    return file


@pytest.mark.slow
def test_a_study_from_beginning_to_end(potentials, study_file):
    result = potentials("learning-curve", study_file, "--report")
    assert result.exit_code == 0, result.output
    assert "no run has finished yet" in result.output
    result = potentials("learning-curve", study_file, "--report", "--slurm", "partition=x")
    assert "no run has finished yet" in result.output
    result = potentials("learning-curve", study_file)
    assert result.exit_code == 0, result.output
    assert "4 runs, 0 finished" in result.output
    assert "With 16 frames, from the smallest error to the largest:" in result.output
    page = study_file.parent / "study" / "report.html"
    assert "Learning curves: study" in page.read_text()
    result = potentials("learning-curve", study_file)
    assert "4 runs, 4 finished" in result.output
    assert "left" not in result.output


@pytest.mark.slow
def test_a_failed_run_is_an_exit_code(potentials, study_file):
    folder = study_file.parent / "study" / "schnet"
    folder.mkdir(parents=True)
    (folder / "8-1").write_text("in the way")
    result = potentials("learning-curve", study_file)
    assert result.exit_code == 1
    assert "schnet, 8 frames, seed 1: failed" in result.output
    assert "1 run failed or was interrupted" in result.output


@pytest.mark.slow
def test_several_processes_say_what_they_do_and_what_failed(potentials, study_file):
    folder = study_file.parent / "study" / "schnet"
    folder.mkdir(parents=True)
    (folder / "8-1").write_text("in the way")
    result = potentials("learning-curve", study_file, "--workers", "2")
    assert result.exit_code == 1
    assert "2 processes" in result.output
    assert result.output.count("ace, 16 frames, seed 1: forces RMSE") == 1
    assert "schnet, 8 frames, seed 1: failed" in result.output
    assert "1 run failed or was interrupted" in result.output
    assert "submitit INFO" not in result.output


def test_too_many_frames(potentials, study_file):
    study_file.write_text(study_file.read_text().replace("16]", "1000]").replace("steps: 4", "steps: 250"))
    result = potentials("learning-curve", study_file)
    assert result.exit_code == 2
    assert "data.train_size: 1000, but only 46 frames are left to train on" in result.output
    assert not (study_file.parent / "study" / "schnet").exists()


def test_wrong_options_of_slurm(potentials, study_file):
    result = potentials("learning-curve", study_file, "--slurm", "partition")
    assert result.exit_code == 2
    assert "expected key=value, such as partition=gpu" in result.output
    result = potentials("learning-curve", study_file, "--slurm", "partition=gpu")
    assert result.exit_code == 2
    assert "the processes could not be started (RuntimeError: Could not detect" in result.output
