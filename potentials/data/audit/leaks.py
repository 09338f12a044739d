"""Frames that are in two splits to the letter, found by the hashes of their structures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from potentials.data.audit.duplicates import leak_finding
from potentials.data.audit.finding import AuditFinding
from potentials.data.split.split import Split


def leaks_between(splits: Mapping[str, Split], length_in_angstrom: float) -> Iterator[AuditFinding]:
    """Frames of a split that are in an earlier one too; none that stays in its file is read.

    Args:
        splits: by name, the training set first.
        length_in_angstrom: the length unit of their files.
    """
    hashes = {name: split.structure_hashes(length_in_angstrom) for name, split in splits.items()}
    names = list(splits)
    for position, name in enumerate(names):
        for earlier in names[:position]:
            same = np.flatnonzero(np.isin(hashes[name], hashes[earlier]))
            if len(same):
                found = [splits[name].location(int(index)) for index in same]
                yield leak_finding(name, earlier, found, len(same), len(splits[name]))
