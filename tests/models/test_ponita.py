"""PONITA against its formulas, its grid, its error under rotations, and what its configuration refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from families.cases import REFERENCE_ENERGIES
from families.evaluation import predict
from families.structures import ethanol
from pydantic import ValidationError
from scipy.spatial.transform import Rotation
from scipy.special import erf

from potentials.models.ponita import PonitaConfig, orientation_grid
from potentials.potential import Potential

RESOLVED: dict[str, Any] = {
    "name": "ponita",
    "cutoff": 3.0,
    "elements": ["H", "C", "O"],
    "average_neighbors": 4.0,
    "scale": 1.0,
    "shift": 0.0,
}
SMALL: dict[str, Any] = {"channels": 5, "layers": 2, "orientations": 6, "basis": 7, "widening": 2}


def potential(**options: Any) -> Potential:
    torch.manual_seed(0)
    return Potential(PonitaConfig(**{**RESOLVED, **SMALL, **options}), REFERENCE_ENERGIES, "float64").eval()


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + erf(x / 2**0.5))


def polynomials(x: np.ndarray) -> np.ndarray:
    """All products of one, two and three entries, in the order of nested loops."""
    second = [a * b for a in x for b in x]
    return np.array([*x, *second, *(a * b for a in second for b in x)])


@pytest.mark.parametrize("orientations", [6, 0])
def test_against_the_published_formulas(orientations: int) -> None:
    """One atom, edge and orientation after the other; weights taken from the model, the rest by NumPy."""
    built = potential(orientations=orientations)
    with torch.no_grad():
        for block in built.model.blocks:
            block.bias.normal_()
            block.norm.weight.normal_()
            block.norm.bias.normal_()
    weights = {name.removeprefix("model."): p.detach().numpy() for name, p in built.named_parameters()}

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return weights[f"{name}.weight"] @ x + weights.get(f"{name}.bias", 0.0)

    def basis(name: str, x: list[float]) -> np.ndarray:
        return gelu(linear(f"{name}.2", gelu(linear(f"{name}.0", polynomials(np.array(x))))))

    atoms = ethanol()
    grid = orientation_grid(orientations) if orientations else [None]
    features = {
        (i, o): weights["embedding"]["HCO".index(s)] for i, s in enumerate(atoms.symbols) for o in range(len(grid))
    }
    energies = np.zeros(len(atoms))
    for layer in ("0", "1"):
        messages = {key: np.zeros(5) for key in features}
        for i in range(len(atoms)):
            for j in range(len(atoms)):
                r = atoms.positions[j] - atoms.positions[i]
                x = np.linalg.norm(r) / 3.0
                if x >= 1:
                    continue
                envelope = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
                for o, axis in enumerate(grid):
                    invariants = [3.0 * x]
                    if axis is not None:
                        across = np.linalg.norm(r - (r @ axis) * axis)
                        invariants = [r @ axis, (across**2 + 1e-6) ** 0.5]
                    kernel = linear(f"blocks.{layer}.kernel", basis("kernel_basis", invariants) * envelope)
                    messages[i, o] += kernel * features[j, o] / 4.0**0.5
        updated = {}
        for i, o in features:
            y = messages[i, o]
            if orientations:
                kernels = [
                    linear(f"blocks.{layer}.sphere_kernel", basis("sphere_basis", [grid[o] @ axis])) for axis in grid
                ]
                y = sum(kernel * messages[i, p] for p, kernel in enumerate(kernels)) / len(grid)
            y = y + weights[f"blocks.{layer}.bias"]
            y = (y - y.mean()) / (y.var() + 1e-5) ** 0.5
            y = y * weights[f"blocks.{layer}.norm.weight"] + weights[f"blocks.{layer}.norm.bias"]
            hidden = gelu(linear(f"blocks.{layer}.first", y))
            updated[i, o] = features[i, o] + linear(f"blocks.{layer}.second", hidden)
            energies[i] += linear(f"readouts.{layer}", updated[i, o])[0] / len(grid) / 2
        features = updated
    expected = energies + [REFERENCE_ENERGIES[symbol] for symbol in atoms.symbols]
    np.testing.assert_allclose(predict(built, atoms).node_energies, expected, rtol=1e-11)


@pytest.mark.parametrize("size", [4, 12, 20, 33])
def test_grid(size: int) -> None:
    """Unit vectors, the same each time, far apart, and balanced: second moments like those of the sphere."""
    grid = orientation_grid(size)
    np.testing.assert_allclose(np.linalg.norm(grid, axis=1), 1.0, rtol=1e-12)
    orientation_grid.cache_clear()
    np.testing.assert_array_equal(orientation_grid(size), grid)
    distances = np.linalg.norm(grid[:, None] - grid[None], axis=2) + 2 * np.eye(size)
    # Four points each own a circle of this radius when none overlaps by half.
    assert distances.min() > 2.4 / size**0.5
    np.testing.assert_allclose(grid.T @ grid / size, np.eye(3) / 3, atol=0.04)


@pytest.mark.slow
def test_more_orientations_rotate_better() -> None:
    """The error under rotations shrinks with the grid, and is rounding without orientations."""
    rotations = Rotation.random(8, random_state=0)
    spread = []
    for orientations in (6, 20, 60, 0):
        built = potential(orientations=orientations)
        frames = []
        for rotation in rotations:
            atoms = ethanol()
            atoms.positions = rotation.apply(atoms.positions)
            frames.append(atoms)
        spread.append(np.ptp(predict(built, *frames).energy))
    assert spread[0] > 3 * spread[1] > 3 * spread[2] > 0
    assert spread[3] < 1e-13


def test_an_atom_on_an_axis_of_the_grid_has_finite_forces() -> None:
    atoms = ethanol()[:2]
    atoms.positions[1] = atoms.positions[0] + 1.5 * orientation_grid(6)[2]
    assert np.isfinite(predict(potential(), atoms).forces).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"orientations": 2}, "expected 0 or at least 4, got 2"),
        ({"orientations": -1}, "greater than or equal to 0"),
        ({"channels": 0}, "greater than or equal to 1"),
        ({"degree": 1}, "degree"),
        ({"readout": "vector"}, "readout.*has no readout settings.*forces are its gradient"),
    ],
    ids=str,
)
def test_wrong_configurations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PonitaConfig.model_validate({**RESOLVED, **options})
