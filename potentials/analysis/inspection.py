"""What a model file says about itself, without building the model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

from potentials.model_file import read_header


def inspect_model(path: Path) -> dict[str, Any]:
    """The header of a model file, JSON-able, with `file`, `bytes` and `numbers` (how many weights) added.

    Raises:
        ModelFileError: as `potentials.load`.
    """
    header = read_header(path)
    with safe_open(path, framework="numpy") as contents:
        numbers = sum(math.prod(contents.get_slice(name).get_shape()) for name in contents.keys())  # noqa: SIM118
    return {"file": str(path), "bytes": path.stat().st_size, "numbers": numbers, **header}
