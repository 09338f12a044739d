"""Contents of a model file, and how its potential runs on this machine."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from potentials.data.graph import build_graph
from potentials.evaluation.symmetry import rotation_error
from potentials.files import utf8_name
from potentials.kernels.dispatch import describe_kernels
from potentials.potential import MODEL_DTYPE
from potentials.potential.clusters import rattled_cluster
from potentials.potential.compilation import compile_for_md
from potentials.potential.model_file import load, read_header
from potentials.potential.model_file_contents import model_path


def inspect_model(path: Path) -> dict[str, Any]:
    """Read the header of a model file and test the potential on this machine.

    The result can be written as JSON. Added to the header are `file`, `bytes` and `numbers` (number of weights); and,
    for this machine's processor, `kernels`, `dynamics` (as reported by `compile_for_md`) and `rotation_error`, measured
    on a randomly displaced cluster of the potential's elements.

    Raises:
        ModelFileError: as in `potentials.load`.
    """
    header = read_header(path)
    file = model_path(path)
    with utf8_name(file) as name, safe_open(name, framework="numpy") as contents:
        numbers = sum(math.prod(contents.get_slice(name).get_shape()) for name in contents.keys())  # noqa: SIM118
    loaded = load(path)
    potential = loaded.select_head(loaded.heads[0]) if loaded.heads else loaded
    cluster = build_graph(rattled_cluster(potential.elements, 1.0), potential.elements, potential.cutoff)
    compilation = compile_for_md(potential).compilation
    return {
        "file": str(path),
        "bytes": file.stat().st_size,
        "numbers": numbers,
        **header,
        "model": potential.config.model_dump(mode="json"),
        "kernels": describe_kernels(torch.zeros(1, dtype=MODEL_DTYPE[potential.precision])),
        "dynamics": None if compilation is None else asdict(compilation),
        "rotation_error": asdict(rotation_error(potential, [cluster])),
    }
