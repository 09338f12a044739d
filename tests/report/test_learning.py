from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_family import toy_potential

from potentials.errors import DataError
from potentials.report.gathering import Origin, gather
from potentials.report.sections import learning
from potentials.report.sections.learning import best_row, read_metrics, rise
from potentials.report.subject import Subject

HEAD = "epoch,step,time_s,stage,learning_rate,training_loss,validation_loss,forces_rmse_meV_per_A,best\n"


def metrics(tmp_path, rows, head=HEAD):
    file = tmp_path / "metrics.csv"
    file.write_text(head + rows)
    return read_metrics(file)


def test_rows_that_are_no_numbers_or_cut_off_are_dropped(tmp_path):
    found = metrics(
        tmp_path, "1,7,0.1,1,0.01,9,8,70,1\n2,14,0.2,1,0.01,x,7,60,1\n3,21,0.3,1,0.01,,6,,1\n4,28,0.4,1\n5,3"
    )
    assert found["epoch"].tolist() == [1, 3]
    assert np.isnan(found["training_loss"][1])
    assert found.dropped == 3
    assert found.has("training_loss")
    assert not found.has("stress_rmse_meV_per_A3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns epoch, validation_loss"),
        ("a,b\n1,2\n", "missing: epoch, validation_loss"),
        (HEAD, "contains no complete row"),
        (HEAD + "1,2\n", "contains no complete row"),
        ("epoch,validation_loss\n1,nan\n", "contains no complete row"),
    ],
)
def test_files_that_tell_nothing(tmp_path, text, message):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_metrics(tmp_path / "metrics.csv")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_metrics(tmp_path / "metrics.csv")
    (tmp_path / "metrics.csv").write_bytes(b"epoch,validation_loss\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_metrics(tmp_path / "metrics.csv")


def test_the_best_and_the_rise_of_the_last_stage(tmp_path):
    rows = "1,7,0.1,1,0.01,9,2,70,1\n2,14,0.2,1,0.01,9,1,60,1\n3,21,0.3,2,0.01,9,50,50,1\n4,28,0.4,2,0.01,9,75,60,0\n"
    found = metrics(tmp_path, rows)
    assert best_row(found) == 2
    assert rise(found) == pytest.approx(1.5)


def test_a_run_that_got_worse_is_judged(toy_folder, tmp_path):
    subject = gather(Origin.of(toy_folder))
    run = replace_metrics(subject, tmp_path, "1,7,0.1,1,0.01,9,1,60,1\n2,14,0.2,1,0.01,9,3,90,0\n")
    (table,) = [part for part in learning.section(run).parts if type(part).__name__ == "Table"]
    (mark,) = [cell for row in table.rows for cell in row if not isinstance(cell, str)]
    assert (mark.kind, mark.text) == ("bad", "3.00 times the lowest")


def replace_metrics(subject: Subject, folder: Path, rows: str) -> Subject:
    (folder / "metrics.csv").write_text(HEAD + rows)
    run = type(subject.run)(f"{folder}/")
    return replace(subject, run=run)


def test_steps_are_drawn_where_they_were_recorded(toy_folder, tmp_path):
    subject = gather(Origin.of(toy_folder))
    run = replace_metrics(subject, tmp_path, "1,7,0.1,1,0.01,9,1,60,1\n2,14,0.2,1,0.01,9,0.9,50,1\n")
    steps = "\n".join(f"{step},{step / 7},{step / 70},0.01,{10 / step},{9 / step},{1 / step}," for step in range(1, 15))
    (tmp_path / "steps.csv").write_text(
        f"step,epoch,time_s,learning_rate,loss,loss_energy,loss_forces,loss_stress\n{steps}\n"
    )
    html = learning.section(run).parts[1].html()
    assert "training, each step" in html
    assert "training, forces term" in html
    assert "training, stress term" not in html


def test_where_there_is_no_course():
    model = toy_potential(["Cu"]).eval()
    subject = Subject(model, Path("somewhere.potential"), {}, None, 1.0)
    assert "contains no resolved.yaml" in learning.section(subject).missing
