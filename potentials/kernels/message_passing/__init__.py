"""Message passing: products of sender features, harmonics and radial weights, summed onto receivers.

Radial weights are numbers (`operator.py`), or splines of the distance (`spline_operator.py`) for potentials that are
used but not trained. All of it is one multilinear form; `call.py` says which sums over edges and channels a call takes,
`formulas.py` what these sums are, and `cpu_code`, `triton_code.py` write them.
"""

from potentials.kernels.message_passing.operator import message_gradients, message_sum
from potentials.kernels.message_passing.spline_operator import spline_message_sum
from potentials.kernels.message_passing.splines import RadialSplines, evaluate_splines
from potentials.kernels.message_passing.table import MessagePath, MessageTable

__all__ = [
    "MessagePath",
    "MessageTable",
    "RadialSplines",
    "evaluate_splines",
    "message_gradients",
    "message_sum",
    "spline_message_sum",
]
