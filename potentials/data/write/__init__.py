"""Writing structures as extended XYZ, with warnings about entries that the format cannot represent."""

from potentials.data.write.extxyz_output import Loss, frame_text, is_same
from potentials.data.write.structure_output import StructureOutput, check_structure_output, write_structures

__all__ = ["Loss", "StructureOutput", "check_structure_output", "frame_text", "is_same", "write_structures"]
