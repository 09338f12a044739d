"""Counts the processes in which the first sine that two threads compute differs from the second."""

import os
import sys

import torch

torch.set_num_threads(1)  # a pool of threads would not live on in forked processes

from potentials.equivariant.spherical_harmonics import harmonics_table  # noqa: E402
from potentials.kernels import EdgeTopology, edge_geometry  # noqa: E402

TABLE = harmonics_table(3)
VECTORS = torch.randn(3000, 3, generator=torch.Generator().manual_seed(0))
TOPOLOGY = EdgeTopology.from_edge_index(torch.arange(3000).expand(2, -1), 3000)
NUMBERS = VECTORS.expand(4, -1, -1).reshape(-1, 3)


def first_differs() -> bool:
    torch.set_num_threads(2)
    # Afterwards the second thread waits for work, as in a step.
    edge_geometry(TABLE, VECTORS, TOPOLOGY)
    return not torch.equal(NUMBERS.sin(), NUMBERS.sin())


differ = 0
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        status = 2
        try:
            status = int(first_differs())
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status > 1:
        sys.exit("a process failed")
    differ += status
print(differ, "differ")
