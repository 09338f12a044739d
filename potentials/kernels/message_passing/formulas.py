"""The contractions of message passing as formulas for the numbers of any code emitter.

Formulas use dual numbers: without tangents they give the contraction, with tangents also its derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from potentials.kernels.codegen.duals import Dual, N
from potentials.kernels.message_passing.groups import Group
from potentials.kernels.message_passing.table import MessageTable

TOLERANCE = 1e-12

ByComponent = Callable[[int], Dual[N]]
Coupling = Callable[[int, int, int], Dual[N] | None]
"""Function of (path, a, d) that returns K_ad = sum_b C_abd Y_b of a path, None if it is always zero."""


def coupling_columns(table: MessageTable) -> dict[tuple[int, int, int], np.ndarray]:
    """Return C_ab'd of each (path, a, d) for all harmonics b', unless all of them are zero."""
    columns = {}
    for number, path in enumerate(table.paths):
        for a, d in np.argwhere(np.abs(path.coefficients).max(axis=1) > TOLERANCE):
            column = np.zeros(table.harmonic_components)
            start = path.harmonic_start
            column[start : start + path.coefficients.shape[1]] = path.coefficients[a, :, d]
            columns[number, int(a), int(d)] = column
    return columns


def receiver_terms(
    table: MessageTable, group: Group, weight: ByComponent[N], feature: ByComponent[N], coupling: Coupling[N]
) -> Iterator[tuple[int, Dual[N]]]:
    """Yield receiver components and the contributions of an edge to them: message_d += K_ad w_p h_a."""
    features: dict[int, Dual[N]] = {}
    for number in group.paths:
        path = table.paths[number]
        of_path = weight(number)
        for a, component in enumerate(path.senders):
            if component not in features:
                features[component] = feature(component)
            weighted = of_path * features[component]
            for d, receiver in enumerate(path.receivers):
                factor = coupling(number, a, d)
                if factor is not None:
                    yield receiver, weighted * factor


def sender_terms(
    table: MessageTable, group: Group, weight: ByComponent[N], received: ByComponent[N], coupling: Coupling[N]
) -> Iterator[tuple[int, Dual[N]]]:
    """Yield sender components and the contributions of an edge to them: gradient_a += w_p K_ad g_d."""
    for number in group.paths:
        path = table.paths[number]
        of_path = weight(number)
        gradients = [received(d) for d in path.receivers]
        for a, component in enumerate(path.senders):
            factors = [coupling(number, a, d) for d in range(len(gradients))]
            terms = [g * factor for g, factor in zip(gradients, factors, strict=True) if factor is not None]
            if terms:
                yield component, of_path * total(terms)


def moments(
    table: MessageTable, group: Group, feature: ByComponent[N], received: ByComponent[N]
) -> Iterator[tuple[int, dict[int, Dual[N]]]]:
    """Yield each path of a group with its m_pb = sum_ad C_abd h_a g_d by b."""
    features: dict[int, Dual[N]] = {}
    for number in group.paths:
        path = table.paths[number]
        gradients = [received(d) for d in path.receivers]
        found: dict[int, Dual[N]] = {}
        for a, component in enumerate(path.senders):
            if component not in features:
                features[component] = feature(component)
            for d, gradient in enumerate(gradients):
                coupled = np.flatnonzero(np.abs(path.coefficients[a, :, d]) > TOLERANCE)
                if not len(coupled):
                    continue
                product = features[component] * gradient
                for b in coupled:
                    term = product * float(path.coefficients[a, b, d])
                    found[int(b)] = found[int(b)] + term if int(b) in found else term
        yield number, found


def total(terms: Sequence[Dual[N]]) -> Dual[N]:
    """Sum numbers."""
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result
