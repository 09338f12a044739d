"""ML-PEG's benchmarks of extensivity and locality, which a potential with a cutoff passes to rounding."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, reload
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from clients.guide import snippets

from potentials.potential import PotentialCalculator


@pytest.fixture
def benchmark(
    tmp_path: Path,
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    client: Callable[..., None],
    request: pytest.FixtureRequest,
) -> Callable[[str], Any]:
    """`benchmark("extensivity")` is the module of ML-PEG, for our models file, writing here."""
    client("ml_peg", "rdkit")
    for marker in ("framework", "fast"):
        request.config.addinivalue_line("markers", f"{marker}: of ML-PEG")
    (models,) = snippets("ML-PEG", "yaml")
    entries = yaml.safe_load(models)
    entries["copper"]["kwargs"]["potential"] = str(untrained)
    (tmp_path / "models.yml").write_text(yaml.safe_dump(entries))

    import ml_peg.models

    monkeypatch.setattr(ml_peg.models, "models_file", tmp_path / "models.yml")
    monkeypatch.setattr(ml_peg.models, "current_models", "copper")

    def module(name: str) -> Any:
        import_module("ml_peg.models.get_models")._load_models_yaml.cache_clear()
        loaded = reload(import_module(f"ml_peg.calcs.physicality.{name}.calc_{name}"))
        monkeypatch.setattr(loaded, "OUT_PATH", tmp_path / "outputs")
        return loaded

    return module


@pytest.mark.filterwarnings("error:Error")  # ML-PEG turns exceptions of a calculator into warnings and NaN
def test_extensivity(benchmark: Callable[[str], Any], untrained: Path, tmp_path: Path) -> None:
    module = benchmark("extensivity")
    module.test_extensivity(("copper", module.MODELS["copper"]))
    slabs = ase.io.read(tmp_path / "outputs" / "copper" / "slabs.xyz", ":")
    energies = [slab.info["energy"] if "energy" in slab.info else slab.get_potential_energy() for slab in slabs]
    aluminum, nickel, both = energies
    assert abs(both - aluminum - nickel) < 1e-8
    for slab, energy in zip(slabs, energies, strict=True):
        bare = slab.copy()
        assert energy == pytest.approx(
            PotentialCalculator(untrained, compiled=False).get_potential_energy(bare), abs=1e-4
        )


@pytest.mark.filterwarnings("error:Error")
def test_locality(benchmark: Callable[[str], Any], tmp_path: Path) -> None:
    """Forces on acetone do not change with neon or hydrogen beyond the cutoff."""
    module = benchmark("locality")
    solutes = module.prepared_solute.__wrapped__() if hasattr(module.prepared_solute, "__wrapped__") else None
    assert solutes is not None
    module.test_ghost_atoms(solutes, "copper")
    module.test_rand_h(solutes, "copper")
    for name, count in (("system_ghost", 2), ("system_random_H", 31)):
        solute, *others = ase.io.read(tmp_path / "outputs" / "copper" / f"{name}.xyz", ":")
        assert len(others) == count - 1
        forces = solute.get_forces()
        assert np.abs(forces).max() > 1e-3
        for other in others:
            np.testing.assert_allclose(other.get_forces()[: len(solute)], forces, atol=1e-7)
