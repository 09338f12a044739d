import signal

import pytest
from toy_family import forget_toy, register_toy, toy_run

from potentials.config import dump_config
from potentials.training.lifecycle.stopping import StopRequests


@pytest.fixture(autouse=True)
def config_file(tmp_path, monkeypatch):
    register_toy()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(dump_config(toy_run(tmp_path, logging__report="false")))
    yield
    forget_toy()


def test_train_prints_notes_table_and_paths_and_a_second_time_the_table(potentials, tmp_path):
    result = potentials("train", "toy.yaml", "run=copper", "train.max_epochs=2")
    assert result.exit_code == 0, result.output
    assert "note: model.elements = Cu" in result.stderr
    assert "epoch 2/2" in result.stderr
    table = [line for line in result.stdout.splitlines() if line.split()[0] in ("train", "validation", "test")]
    assert len(table) == 3
    assert "runs/copper/best.potential" in result.stdout
    assert (tmp_path / "runs/copper/best.potential").is_file()
    again = potentials("train", "toy.yaml", "run=copper", "train.max_epochs=2")
    assert again.exit_code == 0
    assert "is finished" in again.stderr
    assert again.stdout == result.stdout


def test_quiet_prints_the_table_and_the_model_only(potentials):
    result = potentials("train", "toy.yaml", "run=copper", "train.max_epochs=1", "--quiet")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    units, head, *rows, model = result.stdout.splitlines()
    assert "meV/atom" in units
    assert [line.split()[0] for line in (head, *rows)] == ["split", "train", "validation", "test"]
    assert model == "runs/copper/best.potential"


def test_bad_input_ends_with_2_before_any_folder_is_made(potentials, tmp_path):
    for override, message in (
        ("train.max_epoch=3", 'did you mean "max_epochs"'),
        ("data.train=missing.xyz", "missing.xyz"),
        ("data.energy=enrgy", 'did you mean "energy"'),
    ):
        result = potentials("train", "toy.yaml", "run=copper", override)
        assert result.exit_code == 2, result.output
        assert message in result.stderr.replace("\n", " ")
        assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 75), ("SIGUSR1", 75)])
def test_an_interrupted_run_ends_with_130_or_is_to_be_queued_again(potentials, monkeypatch, number, code):
    original = StopRequests.on_train_epoch_end

    def interrupt(self, trainer, module):
        self.signal = signal.Signals[number]
        original(self, trainer, module)

    monkeypatch.setattr(StopRequests, "on_train_epoch_end", interrupt)
    result = potentials("train", "toy.yaml", "run=copper")
    assert result.exit_code == code
    assert "Run the same command to continue" in result.stderr.replace("\n", " ")
    assert result.stdout == ""
