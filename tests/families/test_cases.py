"""The suite covers every family, with structures that can tell right from wrong."""

from __future__ import annotations

import numpy as np
import pytest
from families.cases import VARIANTS, Case, shipped_families
from families.evaluation import predict
from families.structures import ELEMENTS, PERIODIC, STRUCTURES

from potentials.potential import Potential


def test_every_family_is_in_the_suite() -> None:
    missing = [name for name in shipped_families() if not VARIANTS.get(name)]
    assert not missing, f"add variants of {', '.join(missing)} to VARIANTS in tests/families/cases.py"


def test_every_entry_is_a_family() -> None:
    unknown = sorted(VARIANTS.keys() - set(shipped_families()))
    assert not unknown, f"no module of potentials.models registers {', '.join(unknown)}; see tests/families/cases.py"


@pytest.mark.parametrize("name", STRUCTURES)
def test_no_potential_is_flat(name: str, potential: Potential) -> None:
    # Errors of forces and stress are judged against one eV/A and eV/A^3.
    result = predict(potential, STRUCTURES[name]())
    assert np.abs(result.forces).max() > 3e-3
    if name in PERIODIC:
        assert np.abs(result.stress).max() > 1e-2


def test_structures_have_the_cells_they_are_named_for(case: Case) -> None:
    cells = {name: build().cell.array for name, build in PERIODIC.items()}
    assert np.linalg.det(cells["crystal"]) > 0 > np.linalg.det(cells["left-handed"])
    assert np.linalg.norm(cells["tiny cell"], axis=1).max() < case.config().cutoff
    assert {symbol for build in STRUCTURES.values() for symbol in build().symbols} == set(ELEMENTS)
