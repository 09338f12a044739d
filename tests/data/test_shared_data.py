"""Published data beside the repository, read as a user would; skipped (visibly) where they are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from potentials.config.run import RunConfig
from potentials.data.prepare import prepare

MakeConfig = Callable[..., RunConfig]


@pytest.mark.slow
def test_acetylacetone(shared_data: Path, make_config: MakeConfig) -> None:
    folder = shared_data / "acac"
    data = {
        "train": str(folder / "train_300K.xyz"),
        "validation": 50,
        "test": {"300K": str(folder / "test_MD_300K.xyz")},
        "isolated_atoms": str(folder / "isolated_atoms.xyz"),
    }
    prepared = prepare(make_config(data))
    assert [len(prepared.train), len(prepared.validation), len(prepared.tests["300K"])] == [450, 50, 650]
    assert prepared.config.model.elements == ["H", "C", "O"]
    assert prepared.reference_energies["H"] == -13.568422178253735
    assert {labeled.group for labeled in prepared.train} == {"300K_MD"}
    # The box of 50 A is padding: no periodicity, and cohesive energies of a few eV per atom.
    assert not any(labeled.frame.atoms.pbc.any() for labeled in prepared.train)
    assert -8 < prepared.config.model.shift < -3
    assert prepared.warnings == []


@pytest.mark.slow
def test_acetylacetone_without_isolated_atoms_warns(shared_data: Path, make_config: MakeConfig) -> None:
    prepared = prepare(make_config({"train": str(shared_data / "acac" / "train_300K.xyz")}))
    assert any("H, C and O occur in the fixed ratio 8:5:2" in warning for warning in prepared.warnings)


@pytest.mark.slow
def test_silicon_with_a_declared_stress(shared_data: Path, make_config: MakeConfig) -> None:
    stress = {
        "key": "virial_stress", "unit": "kbar", "sign": "compression-positive", "order": "xx yy zz xy yz xz",
    }  # fmt: skip
    path = str(shared_data / "mlearn-si" / "train.xyz")
    data = {"train": path, "stress": stress, "group_key": "group", "validation": 0.1}
    prepared = prepare(make_config(data))
    assert len(prepared.train) + len(prepared.validation) == 214
    assert "Vacancy" in {labeled.group for labeled in prepared.train}
    (first,) = [one for one in (*prepared.train, *prepared.validation) if one.frame.index == 0]
    # -6.58094686 kbar along xx in the file is 0.658094686 GPa of tension.
    assert first.stress[0, 0] == pytest.approx(0.658094686 / 160.2176621, rel=1e-6)
    assert first.stress[1, 2] == first.stress[2, 1] == pytest.approx(0.160618898 / 160.2176621, rel=1e-6)
    assert np.isfinite([labeled.stress for labeled in prepared.train]).all()
