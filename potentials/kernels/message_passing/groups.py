"""Groups of paths that are summed in one pass over the edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from potentials.kernels.message_passing.table import MessagePath, MessageTable

_MAXIMUM_ACCUMULATORS = 8


@dataclass(frozen=True)
class Group:
    """Paths that are summed in one pass over the edges.

    Attributes:
        outputs: the components that are written.
        paths: indices of the paths.
    """

    outputs: tuple[int, ...]
    paths: tuple[int, ...]


def receiver_groups(table: MessageTable) -> list[Group]:
    """Group receiver components so that the sums of a group fit into registers; each belongs to one path."""
    groups: list[Group] = []
    for number, path in sorted(enumerate(table.paths), key=lambda item: item[1].sender_start):
        outputs = tuple(receivers_of(path))
        last = groups[-1] if groups else None
        shared = last is not None and table.paths[last.paths[0]].sender_start == path.sender_start
        if last is not None and shared and len(last.outputs) + len(outputs) <= _MAXIMUM_ACCUMULATORS:
            groups[-1] = Group(last.outputs + outputs, (*last.paths, number))
        else:
            groups.append(Group(outputs, (number,)))
    return groups


def sender_groups(table: MessageTable) -> list[Group]:
    """Group the paths that read overlapping sender components."""
    return _overlapping([(path.sender_start, path.coefficients.shape[0]) for path in table.paths])


def harmonic_groups(table: MessageTable) -> list[Group]:
    """Group the paths that read overlapping harmonics."""
    return _overlapping([(path.harmonic_start, path.coefficients.shape[1]) for path in table.paths])


def _overlapping(ranges: Sequence[tuple[int, int]]) -> list[Group]:
    """Group paths by overlapping ranges of components, each given as first component and number of components."""
    groups: list[Group] = []
    for number, (start, size) in sorted(enumerate(ranges), key=lambda item: item[1]):
        components = set(range(start, start + size))
        if groups and components & set(groups[-1].outputs):
            groups[-1] = Group(tuple(sorted(components | set(groups[-1].outputs))), (*groups[-1].paths, number))
        else:
            groups.append(Group(tuple(sorted(components)), (number,)))
    return groups


def receivers_of(path: MessagePath) -> list[int]:
    """List the receiver components of a path."""
    return [path.receiver_start + path.receiver_step * d for d in range(path.coefficients.shape[2])]
