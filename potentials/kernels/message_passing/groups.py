"""Groups of paths that are summed in one pass over the edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from potentials.kernels.message_passing.table import MessageTable

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
        outputs = tuple(path.receivers)
        last = groups[-1] if groups else None
        shared = last is not None and table.paths[last.paths[0]].sender_start == path.sender_start
        if last is not None and shared and len(last.outputs) + len(outputs) <= _MAXIMUM_ACCUMULATORS:
            groups[-1] = Group(last.outputs + outputs, (*last.paths, number))
        else:
            groups.append(Group(outputs, (number,)))
    return groups


def sender_groups(table: MessageTable) -> list[Group]:
    """Group the paths that read overlapping sender components."""
    return _overlapping([path.senders for path in table.paths])


def harmonic_groups(table: MessageTable) -> list[Group]:
    """Group the paths that read overlapping harmonics."""
    return _overlapping([path.harmonics for path in table.paths])


def _overlapping(ranges: Sequence[range]) -> list[Group]:
    """Group paths by their components, so that no two groups share a component."""
    groups: list[Group] = []
    for number, components in sorted(enumerate(ranges), key=lambda item: (item[1].start, len(item[1]))):
        joined, paths = set(components), [number]
        for group in [group for group in groups if joined & set(group.outputs)]:
            groups.remove(group)
            joined |= set(group.outputs)
            paths = [*group.paths, *paths]
        groups.append(Group(tuple(sorted(joined)), tuple(paths)))
    return groups
