"""The benchmark script runs, with and without a peer."""

import json
import subprocess
import sys

import pytest


def benchmark(repository, tmp_path, *arguments):
    output = tmp_path / "figures.json"
    command = [sys.executable, str(repository / "scripts" / "benchmark.py"), "--threads", "1", "--rounds", "1"]
    done = subprocess.run([*command, *arguments, "--output", str(output)], capture_output=True, text=True, check=False)
    return done, json.loads(output.read_text()) if output.exists() else None


@pytest.mark.slow
def test_a_case_against_a_peer(repository, tmp_path):
    peers = tmp_path / "peers.py"
    peers.write_text('print("noise")\nprint(\'{"train_ms": 1e6, "infer_ms": 1e6}\')\n')
    picture = tmp_path / "ratios.svg"
    arguments = ("--cases", "si-64-L1", "--repeats", "1", "--peers", str(peers), "--mace-python", sys.executable)
    arguments += ("--plot", str(picture))
    done, figures = benchmark(repository, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    case = figures["si-64-L1"]
    assert case["train_ratio"] == 1e6 / case["train_ms"]
    assert case["memory_mb"] > case["peer_memory_mb"] > 5
    assert "geometric mean against mace" in done.stdout
    assert case["compiled_ms"] > 0
    assert figures["machine"]["kernels"]
    assert "si-64-L1" in picture.read_text()


@pytest.mark.slow
def test_dynamics(repository, tmp_path):
    picture = tmp_path / "dynamics.svg"
    done, figures = benchmark(repository, tmp_path, "--atoms", "8", "--plot", str(picture))
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 1000
    assert figures["8"]["ours_ms"][0] > 0


@pytest.mark.slow
def test_wrong_requests_say_what_is_possible(repository, tmp_path):
    assert "unknown nothing; known are acac-64-L0" in benchmark(repository, tmp_path, "--cases", "nothing")[0].stderr
    assert "expected 8 n^3 atoms" in benchmark(repository, tmp_path, "--atoms", "100")[0].stderr
