"""Potentials of other elements: elements that are left out, and new ones that begin as copies of similar ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ase.data import atomic_numbers

from potentials.errors import PotentialsError
from potentials.potential.potential import Potential


def with_elements(
    potential: Potential, elements: Sequence[str], copied_from: Mapping[str, str] | None = None
) -> Potential:
    """Return a potential of other elements, with the same energies for the elements that both have.

    Args:
        potential: with one head.
        elements: chemical symbols of the result.
        copied_from: for each new element, the element whose weights, scale, shift and reference energy it begins with.

    Returns:
        The potential itself if its elements are the same; otherwise a copy, in evaluation mode with frozen parameters.

    Raises:
        PotentialsError: a new element has no source, or one that the potential does not know; or the family cannot
            change its elements.
    """
    copied_from = copied_from or {}
    ordered = sorted(elements, key=lambda symbol: atomic_numbers[symbol])
    if ordered == potential.elements:
        return potential
    sources = [_source(potential, symbol, copied_from) for symbol in ordered]
    config = potential.config
    values: dict[str, Any] = {"elements": ordered}
    for name in ("scale", "shift"):
        given = getattr(config, name)
        if isinstance(given, dict):
            values[name] = {symbol: given[source] for symbol, source in zip(ordered, sources, strict=True)}
    changed_config = type(config).model_validate({**config.model_dump(), **values})
    numbers = [potential.elements.index(source) for source in sources]
    energies = dict(zip(ordered, potential.reference_energies[numbers].tolist(), strict=True))
    with torch.random.fork_rng(devices=[]):
        changed = Potential(changed_config, energies, potential.precision, dict(potential.metadata))
    changed.network.take_species(potential.network, numbers)
    changed.source = potential.source
    return changed.to(potential.scale.device).eval().requires_grad_(False)


def _source(potential: Potential, symbol: str, copied_from: Mapping[str, str]) -> str:
    if symbol in potential.elements:
        return symbol
    source = copied_from.get(symbol)
    known = ", ".join(potential.elements)
    if source is None:
        raise PotentialsError(
            f"the potential does not support {symbol} (supported: {known}); set fine_tune.new_elements: {{{symbol}: "
            f"ELEMENT}}, so that {symbol} starts with a copy of the weights of ELEMENT, or remove its frames"
        )
    if source not in potential.elements:
        raise PotentialsError(f"{symbol} cannot begin as a copy of {source}; the potential supports {known}")
    return source
