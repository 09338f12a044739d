"""The script that compares the families finds all of them, plans their time, and runs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from types import ModuleType

import pytest
from families.cases import shipped_families

from potentials.config import load_config


@pytest.fixture(scope="module")
def script(repository) -> ModuleType:
    """The script as a module, which imports another script beside it."""
    folder = repository / "scripts"
    specification = importlib.util.spec_from_file_location("compare_families", folder / "compare_families.py")
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setitem(sys.modules, "compare_families", module)  # where dataclasses look their module up
        specification.loader.exec_module(module)
    return module


def run(repository, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repository / "scripts" / "compare_families.py"), "--threads", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("data", ["ethanol", "copper", "acac"])
def test_every_family_has_a_configuration_of_its_own(script, repository, data):
    found = script.configurations(data)
    assert list(found) == sorted(shipped_families())
    assert found["mace"] == repository / "configs" / f"{data}.yaml"
    assert len({str(load_config(file).data.train) for file in found.values()}) == 1


@pytest.mark.parametrize(("seconds", "epoch", "expected"), [(300, 3.0, 95), (10, 0.95, 10), (1, 60.0, 1)])
def test_epochs_fit_into_the_time(script, seconds, epoch, expected):
    assert script.planned_epochs(seconds, epoch) == expected


@pytest.mark.slow
def test_a_family(repository, tmp_path):
    output = tmp_path / "figures.json"
    done = run(repository, "ethanol", "--minutes", "0.02", "--families", "schnet", "--output", str(output))
    assert done.returncode == 0, done.stderr
    head, _, row = done.stdout.strip().splitlines()
    figures = json.loads(output.read_text())
    assert figures["threads"] == 1
    assert figures["machine"]["torch"]
    (family,) = figures["families"]
    assert family["config"] == "ethanol-schnet.yaml"
    assert 0 < family["epochs"] <= family["planned_epochs"]
    assert family["seconds"] < 30
    assert min(family["step_ms"], family["call_ms"], family["energy_rmse"]) > 0
    assert family["forces_rmse"] > family["forces_mae"] > 0
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == head.strip("|").count("|") + 1
    assert cells[0] == "schnet"
    assert family["parameters"] > 10_000
    assert cells[1] == f"{family['parameters']:,}"
    assert cells[7] == f"{1e3 * family['forces_rmse']:.1f}"
    assert family["dynamics"] or family["energy_deviation"] > 0


@pytest.mark.slow
def test_wrong_requests_say_what_is_possible(repository):
    unknown = run(repository, "--families", "morse").stderr
    assert "unknown morse; families with a configuration: ace, allegro, " in unknown
    assert "expected a positive number, got -1" in run(repository, "--minutes", "-1").stderr
