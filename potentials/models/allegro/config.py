"""The configuration of Allegro."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from potentials.config.base import Depth, HiddenLayers, KeyedError, Width
from potentials.config.families import FamilyConfig, SteepRadialConfig


class AllegroConfig(FamilyConfig):
    """Allegro: strictly local features of ordered pairs of neighbors, which only depend on neighbors of one atom."""

    name: Literal["allegro"]
    channels: Width = 32
    """Channels of the tensor features of a pair."""
    scalars: Literal["residual", "dense"] = "residual"
    """How the scalars of a pair change from layer to layer: `residual` adds the output of a layer to them, as
    published; `dense` keeps those of all layers side by side, each path of a product has one weight per channel, and
    embeddings of both species are multiplied with the radial functions (nequip-allegro 0.8)."""
    scalar_channels: Width = 64
    """Number of invariant features of a pair."""
    layers: Depth = 2
    """Number of tensor products; each raises the body order by one, without increasing the range."""
    degree: int = Field(default=2, ge=0, le=4)
    """Highest degree of tensor features and spherical harmonics (l_max)."""
    parity: bool = True
    """Whether tensor features include pseudotensors (1e, 0o, ...) besides proper tensors; they can affect the energy
    with three or more layers."""
    radial: SteepRadialConfig = SteepRadialConfig()
    embedding_mlp: HiddenLayers | None = None
    """Hidden layers of the two-body network; by default those of `latent_mlp`."""
    embedding_channels: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] | None = None
    """Channels of the species embedding of a pair, half of them for each atom (only with `scalars: dense`); by default
    `scalar_channels`."""
    latent_mlp: HiddenLayers = Field(default=[64, 64])
    """Hidden layers of the scalar networks of the layers."""
    readout_mlp: HiddenLayers = Field(default=[32])
    """Hidden layers of the network for the pair energies."""

    @model_validator(mode="after")
    def _embedding_of_dense(self) -> Self:
        if self.scalars != "dense" and self.embedding_channels is not None:
            raise KeyedError({"embedding_channels": "used only with scalars: dense; remove it, or use dense"})
        if self.scalars == "dense" and self.embedding_channels is None and self.scalar_channels % 2:
            advice = "give embedding_channels, or an even number of scalar_channels"
            raise KeyedError({"embedding_channels": f"{self.scalar_channels} channels cannot be halved; {advice}"})
        return self
