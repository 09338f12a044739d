"""Numbers of paths, couplings and products against e3nn."""

import itertools

import pytest
import torch
from e3nn import o3
from families.cases import cases

import potentials
from potentials.visualization.observation import anatomy_of
from potentials.visualization.paths import TIMES, TO, coupling_figure, couplings_of, products_figure


def _e3nn_paths(sent: o3.Irreps, degree: int, received: o3.Irreps) -> list[tuple[str, int]]:
    """Paths by name, and how many of their coupling coefficients are not zero."""
    harmonics = o3.Irreps.spherical_harmonics(degree)
    found = []
    for (_, first), (_, second), (_, product) in itertools.product(sent, harmonics, received):
        if product in first * second:
            coupling = o3.wigner_3j(first.l, second.l, product.l, dtype=torch.float64)
            found.append((f"{first} {TIMES} {second} {TO} {product}", int((coupling.abs() > 1e-9).sum())))
    return sorted(found)


def test_the_paths_of_mace_are_those_of_e3nn() -> None:
    anatomy = anatomy_of(potentials.load("builtin:ethanol"))
    first, second = couplings_of(anatomy)
    received = o3.Irreps.spherical_harmonics(3)
    for couplings, sent in ((first, "0e"), (second, "0e + 1o + 2e")):
        counted = sorted((str(path), path.terms) for path in couplings.paths)
        assert counted == _e3nn_paths(o3.Irreps(sent), 3, received)
        assert all(path.weights == 16 for path in couplings.paths)


def test_pseudotensors_are_reached_by_the_paths_of_e3nn() -> None:
    (case,) = (case for case in cases() if str(case) == "nequip parity")
    anatomy = anatomy_of(case.potential())
    couplings = couplings_of(anatomy)[1]
    counted = sorted((str(path), path.terms) for path in couplings.paths)
    received = o3.Irreps("0e + 1o + 1e")
    assert counted == _e3nn_paths(o3.Irreps("0e + 1o"), 1, received)


@pytest.mark.parametrize("order", [2, 3])
def test_independent_products_are_as_many_as_e3nn_finds(order: int) -> None:
    """MACE with edge degree 2: symmetric products of 0e+1o+2e."""
    (case,) = (case for case in cases() if str(case) == "mace non-residual")
    (first, _) = anatomy_of(case.potential()).many_body
    formula = {2: "ij=ji", 3: "ijk=jik=ikj"}[order]  # neighboring factors exchanged make all orders
    made = o3.ReducedTensorProducts(formula, i="0e + 1o + 2e").irreps_out
    for irrep, counts in first.counts.items():
        assert counts[order - 1] == made.count(o3.Irrep(irrep.degree, irrep.parity))


def test_a_diagram_has_a_line_for_each_path() -> None:
    anatomy = anatomy_of(potentials.load("builtin:ethanol"))
    for couplings in couplings_of(anatomy):
        lines = [trace for trace in coupling_figure(couplings).data if trace.mode == "lines"]
        assert len(lines) == len(couplings.paths)
        assert all(str(path) in line.text[0] for path, line in zip(couplings.paths, lines, strict=True))
    drawn = sum(sum(bar.y) for bar in products_figure(anatomy.many_body).data)
    assert drawn == sum(sum(counts) for place in anatomy.many_body for counts in place.counts.values())
