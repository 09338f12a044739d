"""Small model families for tests of the configuration, alone in the register, so that messages are always the same."""

import importlib
from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from pydantic import Field

from potentials.config.base import PositiveInteger
from potentials.config.families import FamilyConfig, RadialConfig, register_family


class PairsConfig(FamilyConfig):
    """A family of the tests."""

    name: Literal["pairs"] = "pairs"
    """Pair potentials."""
    channels: PositiveInteger = 64
    """Number of channels."""
    layers: Annotated[int, Field(ge=0, le=4)] = 2
    radial: RadialConfig = RadialConfig()
    widths: list[PositiveInteger] = Field(default=[64, 64])


class TriplesConfig(FamilyConfig):
    """Another family of the tests."""

    name: Literal["triples"] = "triples"
    order: PositiveInteger


@pytest.fixture(scope="module", autouse=True)
def only_test_families() -> Iterator[None]:
    # `potentials.config.families` is the function as an attribute of the package; the module comes by its name.
    module = importlib.import_module("potentials.config.families")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FAMILIES", {})
        patch.setattr(module, "_BUILDERS", {})
        register_family("pairs", PairsConfig, lambda config: config)
        register_family("triples", TriplesConfig, lambda config: config)
        yield
