"""Building blocks of E3x (Unke and Maennel, arXiv:2401.07595): dense layers, tensor products, message passing,
attention, and radial functions of a mapped distance."""

from potentials.equivariant.e3x.attention import AttentionWeights, PositionEncoding, SelfAttention
from potentials.equivariant.e3x.dense import Dense
from potentials.equivariant.e3x.fused_tensor_product import FusedTensorProduct
from potentials.equivariant.e3x.mapped_radial import ExponentialMapping, MappedBasis
from potentials.equivariant.e3x.message_pass import Filters, MessagePass, PathSum
from potentials.equivariant.e3x.tensor_products import TensorDense, TensorProduct, product_layout

__all__ = [
    "AttentionWeights",
    "Dense",
    "ExponentialMapping",
    "Filters",
    "FusedTensorProduct",
    "MappedBasis",
    "MessagePass",
    "PathSum",
    "PositionEncoding",
    "SelfAttention",
    "TensorDense",
    "TensorProduct",
    "product_layout",
]
