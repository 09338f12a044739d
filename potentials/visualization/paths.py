"""Tensor-product paths of a network: couplings of blocks, as a diagram and as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from potentials.equivariant import Irrep
from potentials.equivariant.couplings import coupling_coefficients
from potentials.models.anatomy import Anatomy, ManyBodyProducts
from potentials.pages import palette

Path = tuple[Irrep, Irrep, Irrep]
TIMES, TO = "\u00d7", "\u2192"
_SMALL = 1e-12


@dataclass(frozen=True)
class CountedPath:
    """A path and its cost.

    Args:
        path: irreps of the first factor, the second factor and the product.
        weights: number of learned functions or parameters per channel.
        terms: number of products of two components with a nonzero coefficient.
    """

    path: Path
    weights: int
    terms: int

    def __str__(self) -> str:
        first, second, product = self.path
        return f"{first} {TIMES} {second} {TO} {product}"


@dataclass(frozen=True)
class Couplings:
    """All paths of one tensor product of a network.

    Args:
        name: location in the network.
        first: description of the first factor.
        second: description of the second factor.
        product: description of the product.
        paths: the paths with their costs.
        has_weights: whether each path has its own learned weights.
    """

    name: str
    first: str
    second: str
    product: str
    paths: Sequence[CountedPath]
    has_weights: bool


def terms_of(path: Path) -> int:
    """Count the nonzero coefficients of a path's coupling tensor."""
    degrees = (irrep.degree for irrep in path)
    return int((np.abs(coupling_coefficients(*degrees)) > _SMALL).sum())


def couplings_of(anatomy: Anatomy) -> list[Couplings]:
    """Return all tensor products of two factors in order."""
    found = [
        Couplings(
            f"messages, {place.name}",
            "features of the neighbor",
            "harmonics of the edge",
            "message",
            [
                CountedPath(path, copies * anatomy.channels if place.learned else 0, terms_of(path))
                for path, copies in zip(place.paths, place.copies or [1] * len(place.paths), strict=True)
            ],
            place.learned,
        )
        for place in anatomy.rounds
        if place.paths
    ]
    found += [
        Couplings(
            f"pair products, {products.name}",
            products.first,
            products.second,
            "product",
            [CountedPath(path, 0, terms_of(path)) for path in products.paths],
            False,
        )
        for products in anatomy.pair_products
    ]
    return found


def coupling_figure(couplings: Couplings) -> go.Figure:
    """Draw three columns of irreps; each path is a line from the first factor over the second to the product."""
    columns = [_distinct(path.path[position] for path in couplings.paths) for position in range(3)]
    heights = [_heights(column) for column in columns]
    firsts = columns[0]
    most = max(path.terms for path in couplings.paths)
    figure = go.Figure()
    for counted in couplings.paths:
        corners = [heights[position][counted.path[position]] for position in range(3)]
        x, y = _curve(corners)
        color = palette.SERIES[firsts.index(counted.path[0]) % len(palette.SERIES)]
        weights = f"{counted.weights} weights, one per channel<br>" if couplings.has_weights else ""
        text = f"{counted}<br>{weights}{counted.terms} nonzero couplings"
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": color, "width": 1.2 + 4 * counted.terms / most},
            opacity=0.6,
            text=[text] * len(x),
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    for position, column in enumerate(columns):
        arriving = {irrep: sum(path.path[position] == irrep for path in couplings.paths) for irrep in column}
        figure.add_scatter(
            x=[position] * len(column),
            y=[heights[position][irrep] for irrep in column],
            mode="markers+text",
            marker={"size": 34, "color": "var(--surface)", "line": {"color": palette.INK, "width": 1.5}},
            text=[str(irrep) for irrep in column],
            customdata=[arriving[irrep] for irrep in column],
            hovertemplate="%{text}: %{customdata} paths<extra></extra>",
            showlegend=False,
        )
    heads = [couplings.first, couplings.second, couplings.product]
    figure.update_layout(
        xaxis={
            "range": [-0.35, 2.35],
            "tickvals": [0, 1, 2],
            "ticktext": heads,
            "side": "top",
            "showgrid": False,
            "ticks": "",
            "showline": False,
        },
        yaxis={"visible": False, "range": [-0.16, 1.12]},
        hovermode="closest",
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
    )
    return figure


def products_figure(products: Sequence[ManyBodyProducts]) -> go.Figure:
    """Draw stacked bars: independent products by irrep of the product and number of factors."""
    figure = go.Figure()
    labels = [(place.name, str(irrep)) for place in products for irrep in place.counts]
    most = max(len(counts) for place in products for counts in place.counts.values())
    for order in range(most):
        numbers = [
            counts[order] if order < len(counts) else 0 for place in products for counts in place.counts.values()
        ]
        figure.add_bar(
            x=[list(part) for part in zip(*labels, strict=True)],
            y=numbers,
            name="1 factor" if order == 0 else f"{order + 1} factors",
            marker={"color": palette.SERIES[order]},
            text=numbers,
            textposition="inside",
            textangle=0,
            insidetextfont={"color": "var(--ground)"},
            hovertemplate="%{x}: %{y}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        legend_traceorder="normal",
        barmode="stack",
        yaxis_title="independent products",
        xaxis_title="layer and irreps of the product",
    )
    return figure


def _distinct(irreps: Iterable[Irrep]) -> list[Irrep]:
    """Return the irreps sorted by degree, those with the parity of proper tensors first."""
    return sorted(set(irreps), key=lambda irrep: (irrep.degree, irrep.parity != (-1) ** irrep.degree))


def _heights(column: Sequence[Irrep]) -> dict[Irrep, float]:
    if len(column) == 1:
        return {column[0]: 0.5}
    return {irrep: 1 - number / (len(column) - 1) for number, irrep in enumerate(column)}


def _curve(corners: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return a line that is horizontal at each column."""
    t = np.linspace(0, 1, 16)
    ease = t * t * (3 - 2 * t)
    x = np.concatenate([t, 1 + t[1:]])
    y = np.concatenate(
        [corners[0] + (corners[1] - corners[0]) * ease, corners[1] + (corners[2] - corners[1]) * ease[1:]]
    )
    return np.round(x, 3).tolist(), np.round(y, 4).tolist()
