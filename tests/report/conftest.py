"""A run of the toy family, made once, and frames with labels of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from run_comparison import quietly
from toy_family import forget_toy, register_toy, toy_run

from potentials.data.label import LabeledFrame
from potentials.data.read import Frame

MakeFrame = Callable[..., LabeledFrame]


@pytest.fixture(scope="module", autouse=True)
def _toy_family() -> Iterator[None]:
    register_toy()
    yield
    forget_toy()


@pytest.fixture(scope="module")
def toy_folder(_toy_family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on copper, with stresses."""
    return quietly(toy_run(tmp_path_factory.mktemp("toy"))).folder


@pytest.fixture
def make_frame() -> MakeFrame:
    """A frame with random positions and labels; `energy`, `forces` and `stress` say which are known."""

    def make(
        formula: str = "Cu4",
        seed: int = 0,
        *,
        energy: bool = True,
        forces: bool = True,
        stress: bool = False,
        pbc: bool = False,
        group: str = "default",
        index: int | None = None,
    ) -> LabeledFrame:
        random = np.random.default_rng(seed)
        atoms = Atoms(formula, cell=[7.0, 7.5, 8.0], pbc=pbc)
        grid = np.stack(np.meshgrid(*3 * [np.arange(3)], indexing="ij"), axis=-1).reshape(-1, 3)[: len(atoms)]
        atoms.positions = 2.3 * grid + random.normal(scale=0.1, size=(len(atoms), 3))
        unknown = np.nan
        return LabeledFrame(
            Frame(atoms, "somewhere/frames.xyz", seed if index is None else index),
            energy=float(random.normal(-4.0 * len(atoms))) if energy else unknown,
            forces=random.normal(size=(len(atoms), 3)) if forces else np.full((len(atoms), 3), unknown),
            stress=random.normal(scale=0.05, size=(3, 3)) if stress else np.full((3, 3), unknown),
            group=group,
        )

    return make
