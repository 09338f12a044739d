"""Message passing: products of sender features, harmonics and radial weights, summed onto receivers.

Radial weights are given as values (`operator.py`) or, for inference only, as splines of the distance
(`spline_operator.py`). All operators are derivatives of one multilinear form: `call.py` breaks a call down into sums
over edges and channels, `formulas.py` defines these sums, and `cpu_code` and `triton_code.py` generate their code.
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
