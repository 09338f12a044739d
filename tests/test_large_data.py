"""The script for large data runs, and what it generates is what it says."""

import importlib.util
import itertools
import re
import subprocess
import sys

import numpy as np
import pytest

from potentials.data.read import read_frames


@pytest.mark.slow
def test_an_epoch_of_both_formats(repository, tmp_path):
    script = repository / "scripts" / "large_data.py"
    options = (
        "--frames",
        "60",
        "--shards",
        "3",
        "--workers",
        "1",
        "--batch-size",
        "4",
        "--folder",
        str(tmp_path / "x"),
    )
    environment = {"POTENTIALS_CACHE": str(tmp_path), "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    for suffix in ("aselmdb", "h5"):
        assert f"{suffix}: 60 frames in 3 files" in done.stdout
    assert (
        len(re.findall(r"one epoch: 54 frames, \d+ edges in .* with 1 workers; largest RSS in MiB: main", done.stdout))
        == 2
    )
    assert len(re.findall(r"training step of mace with 64 channels: .* ms for 4 frames", done.stdout)) == 2
    for ours, theirs in zip(
        read_frames(str(tmp_path / "x" / "*.aselmdb")), read_frames(str(tmp_path / "x" / "*.h5")), strict=True
    ):
        np.testing.assert_array_equal(ours.atoms.positions, theirs.atoms.positions)


def test_forces_are_those_of_the_energy(repository, monkeypatch):
    """Springs: dE = -F dx, for frames of one molecule."""
    specification = importlib.util.spec_from_file_location("large_data", repository / "scripts" / "large_data.py")
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    frames = list(script.distorted(3, 300))
    assert len(frames) == 300
    assert {len(atoms) for atoms in frames} == {8, 9, 10, 11, 12, 13, 14, 21}
    same = [atoms for atoms in frames if atoms.info["config_type"] == "C6H6"]
    for one, other in itertools.pairwise(same):
        work = -0.5 * ((one.get_forces() + other.get_forces()) * (other.positions - one.positions)).sum()
        assert other.get_potential_energy() - one.get_potential_energy() == pytest.approx(work, abs=1e-9)
