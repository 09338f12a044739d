"""Reading of PyTorch files of other programs without executing anything in them and without the other program.

Containers, numbers, text and tensors become themselves. Objects of all other classes become `Record`s, which hold the
name of the class and the stored state.
"""

from potentials.interop.pickles.records import Record, StoredTensor
from potentials.interop.pickles.torch_file import Package, is_package, read_package, read_torch_file

__all__ = ["Package", "Record", "StoredTensor", "is_package", "read_package", "read_torch_file"]
