"""The configuration of E3x."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from potentials.config.base import Depth, Width
from potentials.config.families import FamilyConfig, RadialConfig
from potentials.equivariant import Layout
from potentials.equivariant.e3x.mapped_radial import FunctionName, MappingName
from potentials.models.e3x.layouts import layer_layouts


class E3xRadialConfig(RadialConfig):
    """Functions of the distance mapped to (0, 1)."""

    basis: FunctionName = "bernstein"  # type: ignore[assignment]
    """Type of radial functions; `sinc` takes no mapping. The published examples use `bernstein`; `chebyshev` spans the
    same space and trains several times faster, but loses one digit in single precision."""
    mapping: MappingName = "reciprocal"
    """Mapping m(r), with r in A. `reciprocal`: 1 / (1 + r); `reciprocal damped`: (1 - e^-r) / r; `reciprocal cuspless`:
    1 / (r + e^-r); `exponential`: e^(-gamma r); `exponential cuspless`: e^(-gamma (r + e^-r - 1)); `none`: functions of
    r / cutoff."""
    size: Width = 16
    """Number of radial functions."""
    trainable: bool = False
    """Whether gamma of an exponential mapping is learned."""
    envelope: Literal["polynomial", "cosine", "smooth", "xplor"] = "smooth"
    """Cutoff function: `polynomial` has two continuous derivatives at the cutoff, `cosine` one, `smooth` all; `xplor`
    has one, and is 1 up to `envelope_onset`."""

    @model_validator(mode="after")
    def _something_to_train(self) -> E3xRadialConfig:
        if self.basis == "sinc" and self.mapping != "none":
            raise ValueError(
                f"mapping: the sinc functions take the distance itself, got {self.mapping!r}; "
                "use mapping: none, or another basis"
            )
        if self.trainable and not self.mapping.startswith("exponential"):
            raise ValueError(
                f"trainable: with mapping {self.mapping!r} there is nothing to learn; set trainable: "
                "false, or use mapping: exponential or exponential cuspless"
            )
        return self


class E3xConfig(FamilyConfig):
    """E3x: each layer has messages with all couplings up to a degree, then dense layers with gated activations.

    Messages are divided by the square root of `average_neighbors`; with 1 they are sums, as published; with attention
    they are weighted means. `degree: 0` gives a network of scalars with continuous filters.
    """

    name: Literal["e3x"]
    channels: Width = 32
    """Channels of every degree and parity."""
    layers: Depth = 3
    """Number of message-passing layers; each extends the range by one cutoff. The last one outputs scalars only."""
    degree: int = Field(default=2, ge=0, le=6)
    """Highest degree of features and spherical harmonics; with a single layer, degrees above 0 have no effect. With 5
    or 6, the first compilation of the kernels takes minutes."""
    pseudotensors: bool = False
    """Whether features include pseudotensors (1e, 0o, ...) besides proper tensors; they can affect the energy only
    with at least four layers (three with attention)."""
    activation: Literal["silu", "gelu", "mish"] = "silu"
    """Activation of the scalars; every other block is multiplied by the gate activation(x) / x of the scalars."""
    attention_heads: int = Field(default=0, ge=0)
    """Number of attention heads that weight the neighbors; 0 for messages without attention."""
    radial: E3xRadialConfig = E3xRadialConfig()

    @model_validator(mode="after")
    def _can_be_built(self) -> E3xConfig:
        has_attention = self.attention_heads > 0
        proper = Layout.natural(self.degree)
        made = layer_layouts(self.layers, self.degree, self.pseudotensors, has_attention)
        if self.pseudotensors and all(irrep in proper for layout in made for irrep in layout):
            given = "degree 0" if self.degree == 0 else f"{self.layers} layers"
            raise ValueError(
                f"pseudotensors: with {given} they cannot affect the energy; use degree 1 or more and at least "
                f"{3 if has_attention else 4} layers, or pseudotensors: false"
            )
        if self.attention_heads and self.channels % self.attention_heads:
            divisors = [n for n in range(1, self.channels + 1) if self.channels % n == 0]
            raise ValueError(
                f"attention_heads: {self.channels} channels cannot be divided among {self.attention_heads} heads; "
                f"use one of {', '.join(map(str, divisors))}, or 0 for no attention"
            )
        return self
