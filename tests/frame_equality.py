"""Whether two structures are the same in everything a file can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms


def assert_same_frame(read: Atoms, written: Atoms, *, tolerance: float = 0.0) -> None:
    """The same keys of arrays, info and results, and equal values; to the bit without a tolerance."""
    np.testing.assert_array_equal(read.cell.array, written.cell.array)
    assert read.pbc.tolist() == written.pbc.tolist()
    assert str([c.todict() for c in read.constraints]) == str([c.todict() for c in written.constraints])
    for place, ours, theirs in (
        ("arrays", read.arrays, written.arrays),
        ("info", read.info, written.info),
        ("results", _results(read), _results(written)),
    ):
        assert ours.keys() == theirs.keys(), place
        for key, value in theirs.items():
            _assert_same_value(f"{place} {key}", ours[key], value, tolerance)


def _results(atoms: Atoms) -> dict[str, Any]:
    return {} if atoms.calc is None else atoms.calc.results


def _assert_same_value(name: str, ours: Any, theirs: Any, tolerance: float) -> None:
    if isinstance(theirs, dict):
        assert ours == theirs, name
        return
    assert np.shape(ours) == np.shape(theirs), name
    if np.asarray(theirs).dtype.kind in "fc":
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, err_msg=name)
    else:
        assert np.asarray(ours).dtype.kind == np.asarray(theirs).dtype.kind, name
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
