"""Tables: keys that follow the content, terms, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from potentials.equivariant import Layout, message_table
from potentials.kernels import ManyBodyTable, MessagePath, MessageTable
from potentials.kernels.tables import lookup


def paths(value: float = 0.5) -> list[MessagePath]:
    """Two paths; the receiver components 0 and 2 belong to the first, 1 to the second."""
    first = np.zeros((1, 3, 2))
    first[0, 2, 1], first[0, 0, 0] = value, -1.5
    return [MessagePath(0, 1, 0, 2, first), MessagePath(1, 0, 1, 1, np.full((2, 1, 1), 2.0))]


def test_terms_are_the_coefficients_that_are_not_zero() -> None:
    indices, coefficients = MessageTable.create(3, 4, 3, paths()).terms()
    found = {tuple(index): value for index, value in zip(indices.tolist(), coefficients.tolist(), strict=True)}
    # (path, sender, harmonic, receiver)
    assert found == {(0, 0, 1, 0): -1.5, (0, 0, 3, 2): 0.5, (1, 1, 0, 1): 2.0, (1, 2, 0, 1): 2.0}


def test_terms_add_up_to_the_dense_coefficients() -> None:
    table = message_table(Layout.full(2), 2, Layout.full(2)).table
    dense = np.zeros((len(table.paths), table.sender_components, table.harmonic_components, table.receiver_components))
    for number, path in enumerate(table.paths):
        a, b, d = path.coefficients.shape
        receivers = path.receiver_start + path.receiver_step * np.arange(d)
        block = dense[number, path.sender_start : path.sender_start + a, path.harmonic_start : path.harmonic_start + b]
        block[:, :, receivers] += path.coefficients
    indices, coefficients = table.terms()
    for index, value in zip(indices, coefficients, strict=True):
        dense[tuple(index)] -= value
    assert np.abs(dense).max() < 1e-11


def test_equal_content_gives_the_same_table() -> None:
    table = MessageTable.create(3, 4, 3, paths())
    assert MessageTable.create(3, 4, 3, paths()) is table
    assert lookup(table.key) is table
    # The last bit of a square root is no other content.
    assert MessageTable.create(3, 4, 3, paths(0.5 + 1e-15)) is table


def test_other_content_gives_another_key() -> None:
    swapped = [MessagePath(0, 1, 1, 1, paths()[0].coefficients), MessagePath(1, 0, 0, 1, paths()[1].coefficients)]
    tables = [
        MessageTable.create(3, 4, 3, paths()),
        MessageTable.create(4, 4, 3, paths()),
        MessageTable.create(3, 5, 3, paths()),
        MessageTable.create(3, 4, 3, paths(0.6)),
        MessageTable.create(3, 4, 3, swapped),
    ]
    assert len({table.key for table in tables}) == len(tables)


@pytest.mark.slow
def test_the_key_is_the_same_in_every_process() -> None:
    program = (
        "from potentials.equivariant import Layout, message_table\n"
        "print(message_table(Layout.full(2), 2, Layout.full(2)).table.key)"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", program]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == message_table(Layout.full(2), 2, Layout.full(2)).table.key


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param([paths()[0]], id="component 1 belongs to no path"),
        pytest.param([*paths(), paths()[1]], id="component 1 belongs to two"),
        pytest.param([MessagePath(0, 1, 1, 2, paths()[0].coefficients), paths()[1]], id="component 3 does not exist"),
    ],
)
def test_every_receiver_component_belongs_to_one_path(wrong: list[MessagePath]) -> None:
    with pytest.raises(ValueError, match="3 receiver components must be in one path"):
        MessageTable.create(3, 4, 3, wrong)


def test_many_body_tables_differ_by_all_they_hold() -> None:
    factors, outputs = np.array([[0, 1], [1, 2]]), np.array([0, 1])
    tables = [
        ManyBodyTable.create(2, 2, factors, outputs),
        ManyBodyTable.create(3, 2, factors, outputs),
        ManyBodyTable.create(2, 3, factors, outputs),
        ManyBodyTable.create(2, 2, factors[::-1], outputs),
        ManyBodyTable.create(2, 2, factors, outputs * 0),
    ]
    assert len({table.key for table in tables}) == len(tables)
    assert ManyBodyTable.create(2, 2, factors.copy(), outputs.copy()) is tables[0]
    assert tables[0].num_terms == 2
