"""What all tests share: one thread each, no network, and the way to data from outside the repository."""

import gc
import os

# Before torch is imported: the tests run in parallel processes, and one thread makes them repeatable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Triton's kernels run in Python, without a GPU.
os.environ.setdefault("TRITON_INTERPRET", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from documentation_site import Site, built_site

from potentials.kernels.dispatch import use_kernels

# New memory is filled with NaN, so that a result that rests on what happened to be there shows.
torch.use_deterministic_algorithms(True)
torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
SEVENNET_WEIGHTS = REPOSITORY / "build" / "sevennet" / "sevenn" / "pretrained_potentials"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Published data beside the repository."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def sevennet_weights() -> Path:
    """Checkpoints of the package sevenn, which `make published-weights` downloads."""
    return SEVENNET_WEIGHTS


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of published data and weights where they are not."""
    missing = {
        name
        for name, path in (("shared_data", SHARED_DATA), ("sevennet_weights", SEVENNET_WEIGHTS))
        if not path.is_dir()
    }
    left_out = [item for item in items if missing & set(getattr(item, "fixturenames", ()))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def hypothesis_leaves_no_callback() -> Iterator[None]:
    """A signal that arrives in Hypothesis's callback of the garbage collector would be lost in the tests after it."""
    before = gc.callbacks[:]
    yield
    gc.callbacks[:] = before


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The documentation site, built from the source tree."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    return built_site(REPOSITORY / "docs", shared)


@pytest.fixture(params=["reference", "cpu"])
def kernels(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs once with each implementation of the kernels."""
    with use_kernels(request.param):
        yield request.param


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
