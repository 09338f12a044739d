"""The configuration of MACE."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from potentials.config.base import Depth, HiddenLayers, KeyedError, PositiveInteger, Width
from potentials.config.families import FamilyConfig, RadialConfig

MAX_CORRELATION = 3


class MACEConfig(FamilyConfig):
    """MACE: sums of messages h (x) Y(r), products of up to `correlation` sums at each atom, one readout per layer."""

    name: Literal["mace"]
    channels: Width = 64
    """Channels of every degree."""
    layers: Depth = 2
    """Number of message-passing layers; each extends the range by one cutoff."""
    feature_degree: int = Field(default=1, ge=0, le=4)
    """Highest degree of the features passed between layers (max_L)."""
    edge_degree: int = Field(default=3, ge=0, le=4)
    """Highest degree of the spherical harmonics and of the input of the products (max_ell)."""
    correlation: PositiveInteger | list[PositiveInteger] = MAX_CORRELATION
    """Correlation order, the highest power of the atomic basis, 1 to 3; one number or one per layer. The body order is
    correlation + 1."""
    radial: RadialConfig = RadialConfig()
    radial_mlp: HiddenLayers = Field(default=[64, 64, 64])
    """Hidden layers of the radial networks."""
    readout_channels: Width = 16
    """Hidden channels of the last readout."""
    first_interaction: Literal["residual", "non-residual"] = "residual"
    """`residual` adds a species-dependent linear map of the layer's input; `non-residual` applies such a map to the
    message instead."""
    interaction: Literal["residual", "non-residual"] = "residual"
    """Form of the layers after the first."""
    normalization: Literal["average-neighbors", "density"] = "average-neighbors"
    """Divide messages by the average number of neighbors or by a learned local density."""

    @model_validator(mode="after")
    def _consistent(self) -> MACEConfig:
        highest = max(self.correlation) if isinstance(self.correlation, list) else self.correlation
        if highest > MAX_CORRELATION:
            raise KeyedError(
                {
                    "model.correlation": f"expected at most {MAX_CORRELATION}, got {highest}: products of four factors "
                    f"have too many terms; use {MAX_CORRELATION}, or the family ace, which goes up to 4"
                }
            )
        if isinstance(self.correlation, list) and len(self.correlation) != self.layers:
            raise ValueError(
                f"correlation: expected one number or {self.layers} (one per layer), got {len(self.correlation)}"
            )
        if self.feature_degree > self.edge_degree:
            raise ValueError(
                f"feature_degree: {self.feature_degree} exceeds edge_degree ({self.edge_degree}); messages contain "
                "harmonics up to edge_degree only, so features of a higher degree could only arise from products: "
                "raise edge_degree"
            )
        return self

    def correlation_of(self, layer: int) -> int:
        """Return the correlation order of one layer."""
        return self.correlation[layer] if isinstance(self.correlation, list) else self.correlation
