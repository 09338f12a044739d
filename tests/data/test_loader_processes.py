"""Worker processes end with the program, however it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import potentials.models
from potentials.config import parse_config
from potentials.data.module import GraphDataModule
from potentials.data.prepare import prepare

config = parse_config('''
run: x
data: {train: "builtin:copper@:12", validation: 2, batch_size: 2, workers: 2}
model: {name: schnet, cutoff: 3.0}
''')
prepared = prepare(config)
module = GraphDataModule(prepared, prepared.config.model.elements, 3.0)
loader = module.train_dataloader()
batches = iter(loader)
next(batches)
sys.kept = [loader, batches]  # as a traceback might
print("trained", flush=True)
raise SystemExit(3)
"""


@pytest.mark.parametrize("kept", [True, False])
def test_a_loader_that_is_kept_does_not_keep_the_program(kept: bool, tmp_path: Path, repository: Path) -> None:
    script = SCRIPT if kept else SCRIPT.replace("sys.kept = ", "")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == "trained\n"
