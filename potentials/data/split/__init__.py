"""Training, validation and test sets: a `Split` knows its own facts, whether its frames lie in memory or in files.

`read_splits` gives those of a run. `dividing.py` draws splits that do not leak, for `potentials data split`.
"""

from potentials.data.split.in_files import SplitInFiles
from potentials.data.split.in_memory import SplitInMemory, as_split
from potentials.data.split.split import Split
from potentials.data.split.splits import Splits, named_splits, read_splits, split_seed

__all__ = ["Split", "SplitInFiles", "SplitInMemory", "Splits", "as_split", "named_splits", "read_splits", "split_seed"]
