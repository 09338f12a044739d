"""Building blocks of equivariant networks: the feature layout, spherical harmonics, couplings, mixing and gates.

Features are tensors [nodes, components, channels]. A `Layout` says which (degree, parity) blocks the components are;
order, signs and normalisation within a block are e3nn's.
"""

from potentials.equivariant.activations import Gate, ScaledActivation
from potentials.equivariant.channel_products import ChannelProduct, product_coupling
from potentials.equivariant.couplings import coupling_coefficients, message_table
from potentials.equivariant.layout import Irrep, Layout
from potentials.equivariant.mixing import BlockMixing, SpeciesGroups, SpeciesMixing
from potentials.equivariant.spherical_harmonics import spherical_harmonics
from potentials.equivariant.symmetric_products import SymmetricBasis, symmetric_basis

__all__ = [
    "BlockMixing",
    "ChannelProduct",
    "Gate",
    "Irrep",
    "Layout",
    "ScaledActivation",
    "SpeciesGroups",
    "SpeciesMixing",
    "SymmetricBasis",
    "coupling_coefficients",
    "message_table",
    "product_coupling",
    "spherical_harmonics",
    "symmetric_basis",
]
