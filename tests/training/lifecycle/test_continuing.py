"""Runs that are cut off and continued: in the end, the same bits as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities import CombinedLoader
from run_comparison import interrupt_at_the_end_of, quietly, rows, same_end, status
from slow_cases import slow_but
from toy_family import SECOND_STAGE, toy_run

import potentials
from potentials.errors import DataError, TrainingError
from potentials.potential.model_file import read_header
from potentials.training.lifecycle.stopping import StopRequests
from potentials.training.module import TrainingModule
from potentials.training.run import TrainingResult


@contextmanager
def signal_at(monkeypatch: pytest.MonkeyPatch, step: int, number: signal.Signals) -> Iterator[None]:
    """Send a signal to this process in the course of a step, counted from 0."""
    original = TrainingModule.training_step

    def sends(self, batch, batch_index):
        if self.global_step == step:
            os.kill(os.getpid(), number)
        return original(self, batch, batch_index)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", sends)
        yield


def dies_in_step(step: int, config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train until a step, counted from 0, in which it is as good as killed."""
    original = TrainingModule.training_step

    def dies(self, batch, batch_index):
        if self.global_step == step:
            raise MemoryError("as good as killed")
        return original(self, batch, batch_index)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", dies)
        with pytest.raises(MemoryError):
            quietly(config)


NOISE = {"model__noise": 0.05, "model__anisotropy": 0.3, "train__max_epochs": 4}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> TrainingResult:
    """A family that draws random numbers at every step, so that the random state matters too, and whose frames are
    turned at random."""
    return quietly(toy_run(tmp_path_factory.mktemp("uninterrupted"), **NOISE))


@pytest.mark.parametrize("workers", slow_but([0, 1], "0"))
def test_two_plus_two_epochs_are_four(uninterrupted, tmp_path, monkeypatch, workers):
    config = toy_run(tmp_path, **NOISE, data__workers=workers)
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, 2)
        first = quietly(config)
    assert first.interrupted
    assert first.table is None
    assert status(first)["state"] == "interrupted"
    assert len(rows(first)) == 2
    assert potentials.load(first.best)
    same_end(uninterrupted, quietly(config))


def test_a_run_killed_within_an_epoch_continues_to_the_same_bits(uninterrupted, tmp_path, monkeypatch):
    config = toy_run(tmp_path, **NOISE)
    dies_in_step(17, config, monkeypatch)
    same_end(uninterrupted, quietly(config))


def test_an_interruption_within_the_first_epoch_validates_and_continues_to_the_same_bits(
    uninterrupted, tmp_path, monkeypatch
):
    """There is no model yet, and there should be one to look at; it does not count in the end."""
    config = toy_run(tmp_path, **NOISE)
    handler = signal.getsignal(signal.SIGINT)
    with signal_at(monkeypatch, 3, signal.SIGINT):
        first = quietly(config)
    assert signal.getsignal(signal.SIGINT) is handler
    assert first.interrupted
    assert [float(row["epoch"]) for row in rows(first)] == pytest.approx([4 / 7])
    assert read_header(first.best)["metadata"]["step"] == 4
    assert (first.folder / "last.ckpt").exists()
    same_end(uninterrupted, quietly(config))


def test_a_run_that_is_extended_goes_on(tmp_path):
    constant = {"train__schedule__name": "constant", "train__schedule__warmup_epochs": 0}
    longer = quietly(toy_run(tmp_path, "longer", train__max_epochs=4, **constant))
    quietly(toy_run(tmp_path, "run", train__max_epochs=2, **constant))
    same_end(longer, quietly(toy_run(tmp_path, "run", train__max_epochs=4, **constant)))


@pytest.mark.parametrize("epoch", slow_but([1, 2, 3], "2"))
def test_continuing_around_the_change_of_stage(tmp_path, monkeypatch, epoch):
    whole = quietly(toy_run(tmp_path, "whole", **SECOND_STAGE))
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, epoch)
        assert quietly(toy_run(tmp_path, **SECOND_STAGE)).interrupted
    same_end(whole, quietly(toy_run(tmp_path, **SECOND_STAGE)))


@pytest.mark.slow
def test_plateau_lowers_the_rate_and_goes_on_after_a_break(tmp_path, monkeypatch):
    plateau = {"train__schedule": "{name: plateau, factor: 0.5, patience: 1}", "train__optimizer__learning_rate": 0.5}
    options = {**plateau, "train__max_epochs": 6}
    whole = quietly(toy_run(tmp_path, "whole", **options))
    rates = [float(row["learning_rate"]) for row in rows(whole)]
    assert rates[0] == 0.5
    assert len(set(rates)) > 1
    losses = [float(row["validation_loss"]) for row in rows(whole)]
    expected = [0.5]
    for index in range(1, 6):
        improved = losses[index - 1] < min(losses[: index - 1], default=np.inf)
        expected.append(expected[-1] * (1.0 if improved else 0.5))
    assert rates == expected
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, 3)
        quietly(toy_run(tmp_path, **options))
    same_end(whole, quietly(toy_run(tmp_path, **options)))


@pytest.mark.parametrize("workers", slow_but([0, 2], "0"))
@pytest.mark.parametrize("number", slow_but([signal.SIGINT, signal.SIGTERM, signal.SIGUSR1], "15"))
def test_interruptions_within_epochs_at_every_place(uninterrupted, tmp_path, monkeypatch, number, workers):
    """After each of the first, a middle and the last but one batch, and in the last one of an epoch."""
    config = toy_run(tmp_path, **NOISE, data__workers=workers)
    for step in (0, 4, 12, 13, 15, 20, 26):
        with signal_at(monkeypatch, step, number):
            result = quietly(config)
        assert result.interrupted
        assert result.signal is number
        whole_epochs, batches = divmod(step + 1, 7)
        assert len(rows(result)) == (whole_epochs if step > 4 else 1)
        state = torch.load(result.folder / "last.ckpt", weights_only=True)
        assert state["global_step"] == step + 1
        assert state["GraphDataModule"]["batches_done"] == batches
        assert status(result)["epoch"] == pytest.approx((step + 1) / 7)
    same_end(uninterrupted, quietly(config))


def test_an_interruption_leaves_the_best_model_alone(tmp_path, monkeypatch):
    """A model that is better within an epoch than at the end of any is none that the uninterrupted run would have."""
    config = toy_run(tmp_path, train__validate_every=2)
    with signal_at(monkeypatch, 16, signal.SIGTERM):
        first = quietly(config)
    assert [float(row["epoch"]) for row in rows(first)] == [2]
    assert read_header(first.best)["metadata"]["epoch"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("validate_every", [1, 3])
def test_interruptions_where_not_every_epoch_is_validated(tmp_path, monkeypatch, validate_every):
    options = {**NOISE, "train__validate_every": validate_every, "train__max_epochs": 5}
    whole = quietly(toy_run(tmp_path, "whole", **options))
    for step in (3, 6, 10, 30):
        with signal_at(monkeypatch, step, signal.SIGTERM):
            assert quietly(toy_run(tmp_path, **options)).interrupted
    same_end(whole, quietly(toy_run(tmp_path, **options)))


@pytest.mark.slow
def test_interruption_within_the_last_epoch(uninterrupted, tmp_path, monkeypatch):
    """Lightning does not announce an epoch that is continued, and the last one has to end with a validation."""
    options = {**NOISE, "train__validate_every": 3}
    whole = quietly(toy_run(tmp_path, "whole", **options))
    with signal_at(monkeypatch, 24, signal.SIGTERM):
        assert quietly(toy_run(tmp_path, **options)).interrupted
    same_end(whole, quietly(toy_run(tmp_path, **options)))


@pytest.mark.slow
def test_checkpoints_within_a_long_epoch(uninterrupted, tmp_path, monkeypatch):
    """Killed without a word in step 12, of which the interval of no time at all has made a checkpoint."""
    config = toy_run(tmp_path, **NOISE, train__checkpoint_interval="0.000001s")
    dies_in_step(12, config, monkeypatch)
    for name, steps in (("last", 12), ("previous", 11)):
        assert torch.load(tmp_path / "run" / f"{name}.ckpt", weights_only=True)["global_step"] == steps
    same_end(uninterrupted, quietly(toy_run(tmp_path, **NOISE)))


def test_a_signal_before_training_begins(tmp_path, monkeypatch):
    def signalled(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    handler = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr("potentials.training.run.prepare", signalled)
        result = quietly(toy_run(tmp_path))
    assert result.interrupted
    assert result.signal is signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is handler
    assert quietly(toy_run(tmp_path)).reason == "max_epochs"


@pytest.mark.slow
def test_a_signal_while_the_best_model_is_evaluated(uninterrupted, tmp_path, monkeypatch):
    def signalled(*_):
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(5)

    with monkeypatch.context() as patch:
        patch.setattr("potentials.training.run._evaluate_best", signalled)
        result = quietly(toy_run(tmp_path, **NOISE))
    assert result.interrupted
    assert result.signal is signal.SIGUSR1
    same_end(uninterrupted, quietly(toy_run(tmp_path, **NOISE)))


@pytest.mark.slow
def test_a_signal_in_the_last_step(uninterrupted, tmp_path, monkeypatch):
    """Nothing is left to train, but the best model would still have to be evaluated."""
    with monkeypatch.context() as patch:
        patch.setattr("potentials.training.run._evaluate_best", lambda *_: pytest.fail("went on"))
        with signal_at(patch, 27, signal.SIGTERM):
            result = quietly(toy_run(tmp_path, **NOISE))
    assert result.interrupted
    assert result.signal is signal.SIGTERM
    same_end(uninterrupted, quietly(toy_run(tmp_path, **NOISE)))


@pytest.mark.slow
def test_a_signal_while_workers_are_ended(uninterrupted, tmp_path, monkeypatch):
    """An exception there would leave them behind, and loaders that nobody closes."""
    config = toy_run(tmp_path, **NOISE, data__workers=1)
    original = CombinedLoader.reset
    closed = []

    def signalled(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        original(self)
        closed.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(CombinedLoader, "reset", signalled)
        result = quietly(config)
    assert closed
    assert result.interrupted
    assert result.signal is signal.SIGTERM
    same_end(uninterrupted, quietly(config))


def test_the_best_model_of_a_run_whose_time_was_over_is_not_lost_when_it_has_more(tmp_path, monkeypatch):
    """The validation that ends such a run stands within an epoch, after the last checkpoint."""
    original = StopRequests.on_train_batch_end

    def ends_after_step_11(self, trainer, module, *rest):
        if trainer.global_step == 11:
            self._earlier = 1e9
        original(self, trainer, module, *rest)

    def worse(self, batch, batch_index):
        raise TrainingError("no better model is needed")

    with monkeypatch.context() as patch:
        patch.setattr(StopRequests, "on_train_batch_end", ends_after_step_11)
        first = quietly(toy_run(tmp_path, train__max_time="1h"))
    assert first.reason == "max_time"
    best = read_header(first.best)["metadata"]
    assert best["step"] == 11
    again = quietly(toy_run(tmp_path, train__max_time="1000000h"))
    assert again.reason == "max_epochs"
    now = read_header(again.best)["metadata"]
    assert now["step"] >= 11
    assert now["validation_loss"] <= best["validation_loss"]


@pytest.mark.slow
def test_random_states_of_python_and_numpy_are_continued_too(tmp_path, monkeypatch):
    import random

    drawn: list[tuple[int, float, float]] = []
    original = TrainingModule.training_step

    def draws(self, batch, batch_index):
        drawn.append((self.global_step, random.random(), float(np.random.rand())))
        return original(self, batch, batch_index)

    monkeypatch.setattr(TrainingModule, "training_step", draws)
    quietly(toy_run(tmp_path, "whole"))
    expected = {step: (a, b) for step, a, b in drawn}
    drawn.clear()
    for step in (2, 9):
        with signal_at(monkeypatch, step, signal.SIGTERM):
            quietly(toy_run(tmp_path))
    quietly(toy_run(tmp_path))
    assert [step for step, _, _ in drawn] == list(range(28))
    assert {step: (a, b) for step, a, b in drawn} == expected


def test_another_number_of_processes_does_not_continue_within_an_epoch(tmp_path, monkeypatch):
    config = toy_run(tmp_path)
    with signal_at(monkeypatch, 2, signal.SIGTERM):
        result = quietly(config)
    file = result.folder / "last.ckpt"
    contents = torch.load(file, weights_only=True)
    contents["GraphDataModule"]["processes"] = 2
    torch.save(contents, file)
    with pytest.raises(DataError, match="within an epoch that used 2 processes, but 1 are used now"):
        quietly(config)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_batches_within_a_budget_are_taken_up_where_they_were_left(tmp_path, monkeypatch, workers):
    options = {**NOISE, "data__batch_size": "null", "data__max_atoms_per_batch": 150, "data__workers": workers}
    data = {"data__train": "builtin:copper@1:60", "data__test": "null"}
    whole = quietly(toy_run(tmp_path, "whole", **options, **data))
    assert int(rows(whole)[0]["step"]) > 5
    for step in (1, 3, 12):
        with signal_at(monkeypatch, step, signal.SIGTERM):
            assert quietly(toy_run(tmp_path, **options, **data)).interrupted
    same_end(whole, quietly(toy_run(tmp_path, **options, **data)))


BLOCKED = """
import hashlib
from potentials.training.lifecycle import signal_watch
from potentials.training.lifecycle.stopping import StopRequests
signal_watch._PATIENCE = 0.3
with StopRequests(None).listening():
    print("waiting", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes of foreign code, in which no handler is called
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_a_signal_while_foreign_code_does_not_return(number, code):
    """As while the processes of other nodes are waited for."""
    process = subprocess.Popen([sys.executable, "-c", BLOCKED], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.2)
    process.send_signal(number)
    assert process.wait(timeout=20) == code


@pytest.mark.slow
def test_a_signal_to_a_worker_process_is_not_answered_by_the_main_one(tmp_path, monkeypatch):
    """Workers are forked with the handlers; ending them must not look like a signal to the run."""
    original = TrainingModule.on_train_epoch_start
    others = set(multiprocessing.active_children())
    signalled = []

    def ends_workers(self):
        if self.current_epoch == 2:  # those of validation have begun to work, too
            for process in set(multiprocessing.active_children()) - others:
                os.kill(process.pid, signal.SIGTERM)
                signalled.append(process.pid)
        original(self)

    monkeypatch.setattr(TrainingModule, "on_train_epoch_start", ends_workers)
    result = quietly(toy_run(tmp_path, data__workers=1))
    assert result.reason == "max_epochs"
    assert len(signalled) == 2


@pytest.mark.slow
def test_a_signal_that_ends_a_worker_too_is_an_interruption(uninterrupted, tmp_path, monkeypatch):
    """As in the moment between its start and when it leaves signals to the main process."""
    original = TrainingModule.on_train_epoch_start

    def ends_all(self):
        if self.current_epoch == 2:
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "on_train_epoch_start", ends_all)
        result = quietly(toy_run(tmp_path, **NOISE, data__workers=1))
    assert result.interrupted
    assert result.signal is signal.SIGTERM
    same_end(uninterrupted, quietly(toy_run(tmp_path, **NOISE)))


def test_listening_ends_while_forked_processes_are_there():
    """They hold what the thread that watches signals reads from."""
    context = multiprocessing.get_context("fork")
    with StopRequests(None).listening():
        child = context.Process(target=time.sleep, args=(60,))
        child.start()
    child.kill()
    child.join()
