"""Rotations, reflections, and what they do to features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from potentials.equivariant.layout import Irrep, Layout
from potentials.equivariant.layout_changes import check_components
from potentials.errors import LayoutError


def random_rotation(generator: torch.Generator | None = None, dtype: torch.dtype | None = None) -> Tensor:
    """A rotation matrix [3, 3], uniform over all rotations: that of a unit quaternion of normal random numbers.

    Args:
        generator: of the random numbers; PyTorch's own if not given.
        dtype: of the matrix; PyTorch's default if not given.
    """
    q = torch.randn(4, generator=generator, dtype=torch.float64)
    w, axis = q[0] / q.norm(), q[1:] / q.norm()
    x, y, z = axis
    zero = torch.zeros_like(w)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).view(3, 3)
    rotation = torch.eye(3, dtype=torch.float64) + 2 * w * cross + 2 * cross @ cross
    return rotation.to(dtype or torch.get_default_dtype())


def wigner_D(irrep: Irrep, rotation: Tensor) -> Tensor:
    """The matrix [2 l + 1, 2 l + 1] by which a block transforms when space is turned by an orthogonal matrix [3, 3].

    `x -> D x` for the components of a block; for degree 1 and odd parity D is the matrix itself. With determinant -1
    the matrix is a rotation times the inversion, and D has the factor `parity`. Convention and signs are e3nn's.

    Raises:
        LayoutError: the matrix is not orthogonal.
    """
    # Imported here: e3nn takes a second to import, and networks do not need it.
    from e3nn import o3

    exact = rotation.to(torch.float64)
    unit = torch.eye(3, dtype=torch.float64, device=exact.device)
    tolerance = 1e-4 if rotation.dtype in (torch.float32, torch.float16, torch.bfloat16) else 1e-8
    if exact.shape != (3, 3) or (exact @ exact.T - unit).abs().max() > tolerance:
        raise LayoutError(f"expected an orthogonal matrix [3, 3], got {rotation.tolist()}")
    # The nearest orthogonal matrix: e3nn is stricter than single precision can be.
    left, _, right = torch.linalg.svd(exact)
    exact = left @ right
    sign = torch.sign(torch.det(exact))
    angles = o3.matrix_to_angles(sign * exact)
    matrix = _in_double_precision(lambda: o3.wigner_D(irrep.degree, *angles))
    return (matrix * (float(irrep.parity) if sign < 0 else 1.0)).to(rotation.dtype)


def _in_double_precision(make: Callable[[], Tensor]) -> Tensor:
    """e3nn makes its generators in PyTorch's default precision, whatever that of the angles."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return make()
    finally:
        torch.set_default_dtype(before)


def rotate(features: Tensor, layout: Layout, rotation: Tensor) -> Tensor:
    """What features become when the structure they describe is turned: each block times its `wigner_D`.

    Args:
        features: [..., components, channels].
        layout: what the components are.
        rotation: orthogonal [3, 3]; positions turn as `positions @ rotation.T`. With determinant -1 it also inverts.

    Raises:
        LayoutError: the features do not have the layout's components, or the matrix is not orthogonal.
    """
    check_components(features, layout)
    matrices = [wigner_D(irrep, rotation) for irrep in layout]
    return torch.block_diag(*matrices).to(features) @ features


def reflect(features: Tensor, layout: Layout) -> Tensor:
    """What features become when space is inverted, r -> -r: each block times its parity.

    Args:
        features: [..., components, channels].
        layout: what the components are.

    Raises:
        LayoutError: the features do not have the layout's components.
    """
    check_components(features, layout)
    signs = [float(irrep.parity) for irrep in layout for _ in range(irrep.dim)]
    return features * features.new_tensor(signs).unsqueeze(1)
