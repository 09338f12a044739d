"""Building blocks of equivariant networks: the feature layout, spherical harmonics, couplings, mixing and gates; dense
layers, tensor products, message passing and attention after E3x; rotations, changes of layout, Cartesian tensors.

Features are tensors [nodes, components, channels]. A `Layout` says which (degree, parity) blocks the components are;
order, signs and normalisation within a block are e3nn's.
"""

from potentials.equivariant.activations import Gate, GatedActivation, ScaledActivation
from potentials.equivariant.attention import AttentionWeights, PositionEncoding, SelfAttention
from potentials.equivariant.cartesian import (
    MATRIX,
    SYMMETRIC_MATRIX,
    irrep_to_traceless,
    irreps_to_matrix,
    matrix_to_irreps,
    traceless_to_irrep,
)
from potentials.equivariant.channel_products import ChannelProduct, product_coupling
from potentials.equivariant.couplings import coupling_coefficients, message_table
from potentials.equivariant.dense import Dense
from potentials.equivariant.fused_tensor_product import FusedTensorProduct
from potentials.equivariant.layout import Irrep, Layout
from potentials.equivariant.layout_changes import add, change_layout
from potentials.equivariant.message_pass import Filters, MessagePass, PathSum
from potentials.equivariant.mixing import BlockMixing, SpeciesGroups, SpeciesMixing
from potentials.equivariant.rotations import random_rotation, reflect, rotate, wigner_D
from potentials.equivariant.spherical_harmonics import spherical_harmonics
from potentials.equivariant.symmetric_products import SymmetricBasis, symmetric_basis
from potentials.equivariant.tensor_products import TensorDense, TensorProduct, product_layout

__all__ = [
    "MATRIX",
    "SYMMETRIC_MATRIX",
    "AttentionWeights",
    "BlockMixing",
    "ChannelProduct",
    "Dense",
    "Filters",
    "FusedTensorProduct",
    "Gate",
    "GatedActivation",
    "Irrep",
    "Layout",
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
    "add",
    "change_layout",
    "coupling_coefficients",
    "irrep_to_traceless",
    "irreps_to_matrix",
    "matrix_to_irreps",
    "message_table",
    "product_coupling",
    "product_layout",
    "random_rotation",
    "reflect",
    "rotate",
    "spherical_harmonics",
    "symmetric_basis",
    "traceless_to_irrep",
    "wigner_D",
]
