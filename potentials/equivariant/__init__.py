"""Building blocks of equivariant networks.

These are the feature layout, spherical harmonics, couplings, mixing and gates; dense layers, tensor products, message
passing and attention as in E3x, with its radial functions and cutoff functions; rotations, changes of layout, and
Cartesian tensors. docs/networks.md contains a network built from them.

Features are tensors [nodes, components, channels]. A `Layout` lists the (degree, parity) blocks of the components;
order, signs and normalization within a block are those of e3nn.
"""

from potentials.equivariant.activations import Gate, GatedActivation, ScaledActivation
from potentials.equivariant.cartesian import (
    MATRIX,
    SYMMETRIC_MATRIX,
    irrep_to_traceless,
    irreps_to_matrix,
    matrix_to_irreps,
    traceless_to_irrep,
)
from potentials.equivariant.channel_products import ChannelProduct, WeightedChannelProduct, product_coupling
from potentials.equivariant.couplings import coupling_coefficients, message_table
from potentials.equivariant.e3x import (
    AttentionWeights,
    Dense,
    ExponentialMapping,
    Filters,
    FusedTensorProduct,
    MappedBasis,
    MessagePass,
    PathSum,
    PositionEncoding,
    SelfAttention,
    TensorDense,
    TensorProduct,
    product_layout,
)
from potentials.equivariant.envelopes import cosine_envelope, polynomial_envelope, smooth_envelope
from potentials.equivariant.layout import Blocks, Irrep, Layout
from potentials.equivariant.layout_changes import add, change_layout
from potentials.equivariant.mixing import BlockMixing, SpeciesGroups, SpeciesMixing
from potentials.equivariant.rotations import random_rotation, reflect, rotate, wigner_D
from potentials.equivariant.spherical_harmonics import spherical_harmonics
from potentials.equivariant.symmetric_products import SymmetricBasis, symmetric_basis
from potentials.kernels import EdgeTopology

__all__ = [
    "MATRIX",
    "SYMMETRIC_MATRIX",
    "AttentionWeights",
    "BlockMixing",
    "Blocks",
    "ChannelProduct",
    "Dense",
    "EdgeTopology",
    "ExponentialMapping",
    "Filters",
    "FusedTensorProduct",
    "Gate",
    "GatedActivation",
    "Irrep",
    "Layout",
    "MappedBasis",
    "MessagePass",
    "PathSum",
    "PositionEncoding",
    "ScaledActivation",
    "SelfAttention",
    "SpeciesGroups",
    "SpeciesMixing",
    "SymmetricBasis",
    "TensorDense",
    "TensorProduct",
    "WeightedChannelProduct",
    "add",
    "change_layout",
    "cosine_envelope",
    "coupling_coefficients",
    "irrep_to_traceless",
    "irreps_to_matrix",
    "matrix_to_irreps",
    "message_table",
    "polynomial_envelope",
    "product_coupling",
    "product_layout",
    "random_rotation",
    "reflect",
    "rotate",
    "smooth_envelope",
    "spherical_harmonics",
    "symmetric_basis",
    "traceless_to_irrep",
    "wigner_D",
]
