"""Many-body products: sparse symmetric polynomials of the features of each atom."""

from potentials.kernels.many_body.operator import many_body, many_body_gradients
from potentials.kernels.many_body.table import ManyBodyTable

__all__ = ["ManyBodyTable", "many_body", "many_body_gradients"]
