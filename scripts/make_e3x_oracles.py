"""Generate the fixture for the tests of the E3x building blocks: results of the published package for random input.

    <environment with e3x>/bin/python scripts/make_e3x_oracles.py --output tests/interop/oracles/e3x.npz

E3x needs JAX and runs in its own environment; it is not needed to run the tests. Everything is computed in float64. The
fixture is one `.npz` file without pickles:

- `metadata`: JSON with the versions, the seed, and for each case the module and its settings;
- `harmonics/points`, `harmonics/values`: Racah-normalized spherical harmonics in E3x's order, which define the basis of
  each degree; `couplings`: its Clebsch-Gordan coefficients, which define the signs;
- `radial/NAME`: radial functions and cutoff functions at `radial/distances`;
- `graph/...`: atoms, edges (an edge points from `receivers` to `senders`) and basis, for cases that use a graph;
- `CASE/parameters/...`, `CASE/input...`, `CASE/output`: one application of a module with random parameters.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

os.environ["JAX_ENABLE_X64"] = "1"  # before JAX is imported
import e3x
import jax
import jax.numpy as jnp
import numpy as np

SEED = 20261121
CHANNELS, SIZE, CUTOFF, DEGREE = 4, 5, 3.0, 4

# name -> module, settings, layouts of the inputs as (parities, degree)
CASES: dict[str, tuple[str, dict[str, Any], list[tuple[int, int]]]] = {
    "dense": ("Dense", {"features": 3}, [(1, 2)]),
    "dense-pseudotensors": ("Dense", {"features": 3}, [(2, 2)]),
    "tensor": ("Tensor", {}, [(1, 2), (1, 2)]),
    "tensor-pseudotensors": ("Tensor", {}, [(2, 2), (2, 1)]),
    "tensor-mixed": ("Tensor", {"max_degree": 3}, [(1, 1), (2, 2)]),
    "tensor-proper": ("Tensor", {"max_degree": 1, "include_pseudotensors": False}, [(1, 2), (1, 2)]),
    "tensor-scalars": ("Tensor", {}, [(1, 0), (1, 2)]),
    "fused": ("FusedTensor", {}, [(1, 2), (1, 2)]),
    "fused-pseudotensors": ("FusedTensor", {}, [(2, 2), (2, 1)]),
    "fused-mixed": ("FusedTensor", {"max_degree": 3}, [(1, 1), (2, 2)]),
    "fused-proper": ("FusedTensor", {"max_degree": 1, "include_pseudotensors": False}, [(1, 2), (1, 2)]),
    "tensor-dense": ("TensorDense", {"features": 3}, [(1, 2)]),
    "tensor-dense-pseudotensors": ("TensorDense", {"max_degree": 1}, [(2, 1)]),
    "messages-scalars": ("MessagePass", {}, [(1, 0)]),
    "messages": ("MessagePass", {}, [(1, 2)]),
    "messages-pseudotensors": ("MessagePass", {"max_degree": 1}, [(2, 2)]),
    "messages-last": ("MessagePass", {"max_degree": 0, "include_pseudotensors": False}, [(2, 2)]),
    "attention": ("SelfAttention", {}, [(1, 2)]),
    "attention-heads": ("SelfAttention", {"num_heads": 2}, [(2, 1)]),
    "silu": ("silu", {}, [(2, 1)]),
    "gelu": ("gelu", {"approximate": False}, [(2, 1)]),
    "mish": ("mish", {}, [(1, 2)]),
}
ON_GRAPHS = {"MessagePass", "SelfAttention"}

RADIAL: dict[str, Callable[[Any], Any]] = {
    "smooth_cutoff": functools.partial(e3x.nn.smooth_cutoff, cutoff=CUTOFF),
    "cosine_cutoff": functools.partial(e3x.nn.cosine_cutoff, cutoff=CUTOFF),
    "sinc-none": functools.partial(e3x.nn.sinc, num=SIZE, limit=CUTOFF),
}
for _name in ("bernstein", "chebyshev", "fourier", "gaussian"):
    RADIAL[f"{_name}-none"] = functools.partial(getattr(e3x.nn, f"basic_{_name}"), num=SIZE, limit=CUTOFF)
    _reciprocal = getattr(e3x.nn, f"reciprocal_{_name}")
    RADIAL[f"{_name}-reciprocal"] = functools.partial(_reciprocal, num=SIZE, kind="shifted")
    RADIAL[f"{_name}-reciprocal damped"] = functools.partial(_reciprocal, num=SIZE, kind="damped")
    RADIAL[f"{_name}-reciprocal cuspless"] = functools.partial(_reciprocal, num=SIZE, kind="cuspless")
    _exponential = getattr(e3x.nn, f"exponential_{_name}")
    RADIAL[f"{_name}-exponential"] = functools.partial(_exponential, num=SIZE, gamma=0.7)
    RADIAL[f"{_name}-exponential cuspless"] = functools.partial(_exponential, num=SIZE, gamma=0.7, cuspless=True)


def random_parameters(tree: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw normal random numbers in the shapes of a tree of parameters; return them by path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {"/".join(key.key for key in path): rng.normal(size=leaf.shape) for path, leaf in leaves}


def as_tree(flat: dict[str, np.ndarray]) -> dict[str, Any]:
    """Convert parameters by path back to a tree."""
    tree: dict[str, Any] = {}
    for path, values in flat.items():
        *folders, name = path.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = jnp.asarray(values)
    return tree


def make_graph(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Create a graph of five atoms, all pairs within the cutoff, sorted by receiver, and a basis up to degree 2."""
    positions = rng.normal(size=(5, 3))
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    receivers, senders = (
        np.array(
            [pair[k] for pair in pairs if np.linalg.norm(positions[pair[1]] - positions[pair[0]]) < CUTOFF],
            dtype=np.int64,
        )
        for k in (0, 1)
    )
    basis, cutoff = e3x.nn.basis(
        jnp.asarray(positions[senders] - positions[receivers]),
        max_degree=2,
        num=SIZE,
        radial_fn=e3x.nn.reciprocal_bernstein,
        cutoff_fn=RADIAL["smooth_cutoff"],
        return_cutoff=True,
    )
    return {
        "positions": positions,
        "receivers": receivers,
        "senders": senders,
        "basis": np.asarray(basis),
        "cutoff": np.asarray(cutoff),
    }


def apply(case: str, graph: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Apply one module with random parameters to random features."""
    name, settings, layouts = CASES[case]
    atoms = len(graph["positions"])
    inputs = [rng.normal(size=(atoms, parities, (degree + 1) ** 2, CHANNELS)) for parities, degree in layouts]
    found = {f"{case}/input{number}": values for number, values in enumerate(inputs)}
    module = getattr(e3x.nn, name)
    if name in ("silu", "gelu", "mish"):
        return found | {f"{case}/output": np.asarray(module(jnp.asarray(inputs[0]), **settings))}
    module = module(param_dtype=jnp.float64, **settings)
    arguments = [jnp.asarray(values) for values in inputs]
    options: dict[str, Any] = {}
    if name in ON_GRAPHS:
        arguments.append(jnp.asarray(graph["basis"]))
        options = {"dst_idx": jnp.asarray(graph["receivers"]), "src_idx": jnp.asarray(graph["senders"])}
        options["num_segments"] = atoms
    if name == "SelfAttention":
        options["cutoff_value"] = jnp.asarray(graph["cutoff"])
    shapes = jax.eval_shape(functools.partial(module.init, **options), jax.random.PRNGKey(0), *arguments)
    parameters = random_parameters(shapes["params"], rng)
    output = module.apply({"params": as_tree(parameters)}, *arguments, **options)
    found |= {f"{case}/parameters/{path}": values for path, values in parameters.items()}
    return found | {f"{case}/output": np.asarray(output)}


def main() -> None:
    """Write the fixture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    rng = np.random.default_rng(SEED)
    points = rng.normal(size=(40, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    distances = np.concatenate([np.linspace(0.05, 2.95, 30), [3.2]])
    harmonics = e3x.so3.spherical_harmonics(jnp.asarray(points), DEGREE, normalization="racah", cartesian_order=True)
    arrays: dict[str, Any] = {
        "harmonics/points": points,
        "harmonics/values": np.asarray(harmonics),
        "couplings": np.asarray(e3x.so3.clebsch_gordan(2, 2, 3, cartesian_order=True)),
        "radial/distances": distances,
    }
    arrays |= {f"radial/{name}": np.asarray(function(jnp.asarray(distances))) for name, function in RADIAL.items()}
    graph = make_graph(rng)
    arrays |= {f"graph/{name}": values for name, values in graph.items()}
    for case in CASES:
        arrays |= apply(case, graph, rng)
    metadata = {
        "versions": {name: importlib.metadata.version(name) for name in ("e3x", "jax", "flax")},
        "seed": SEED,
        "cutoff": CUTOFF,
        "size": SIZE,
        "gamma": 0.7,
        "cases": CASES,
    }
    arrays["metadata"] = np.array(json.dumps(metadata))
    np.savez_compressed(arguments.output, **arrays)
    print(f"{arguments.output}: {len(CASES)} cases, {arguments.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
