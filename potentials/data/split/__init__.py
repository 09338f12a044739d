"""Training, validation and test sets: a `Split` knows its own facts, whether its frames lie in memory or in files.

`read_splits` gives those of a run. `dividing.py` draws splits that do not leak, for `potentials data split`.
"""

from potentials.data.split.in_files import SplitInFiles
from potentials.data.split.in_memory import SplitInMemory, as_split
from potentials.data.split.of_heads import HeadFrames, SplitOfHeads, groups_of_heads
from potentials.data.split.split import Split
from potentials.data.split.splits import Splits, config_of_head, named_splits, read_splits, split_seed

__all__ = [
    "HeadFrames",
    "Split",
    "SplitInFiles",
    "SplitInMemory",
    "SplitOfHeads",
    "Splits",
    "as_split",
    "config_of_head",
    "groups_of_heads",
    "named_splits",
    "read_splits",
    "split_seed",
]
