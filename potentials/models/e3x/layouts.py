"""Layouts of the features of E3x after each layer."""

from __future__ import annotations

from potentials.equivariant import Irrep, Layout

SCALARS = Layout([Irrep(0, 1)])


def layer_layouts(layers: int, degree: int, pseudotensors: bool, has_attention: bool) -> list[Layout]:
    """Return the blocks of the features after each layer.

    These are the blocks that messages starting from scalars can reach in this layer, and from which scalars of the last
    layer can be reached, by messages or, with attention, by scalar products.
    """
    possible = Layout.full(degree) if pseudotensors else Layout.natural(degree)
    harmonics = Layout.natural(degree)

    def sent(irrep: Irrep) -> set[Irrep]:
        return {irrep, *(product for harmonic in harmonics for product in irrep.products(harmonic))}

    useful = [set(SCALARS)]
    for _ in range(layers - 1):
        useful.append({irrep for irrep in possible if has_attention or sent(irrep) & useful[-1]})
    made, reached = [], set(SCALARS)
    for wanted in reversed(useful):
        reached = {product for irrep in reached for product in sent(irrep)} & wanted
        made.append(Layout(irrep for irrep in possible if irrep in reached))
    return made
