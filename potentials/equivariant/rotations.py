"""Rotations and reflections of features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from potentials.equivariant.layout import Irrep, Layout
from potentials.equivariant.layout_changes import check_components
from potentials.errors import LayoutError


def random_rotation(generator: torch.Generator | None = None, dtype: torch.dtype | None = None) -> Tensor:
    """Draw a rotation matrix [3, 3] uniformly from SO(3), by a normalized quaternion of normal random numbers.

    Args:
        generator: random number generator; PyTorch's default if not given.
        dtype: dtype of the matrix; PyTorch's default if not given.
    """
    q = torch.randn(4, generator=generator, dtype=torch.float64)
    w, axis = q[0] / q.norm(), q[1:] / q.norm()
    x, y, z = axis
    zero = torch.zeros_like(w)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).view(3, 3)
    rotation = torch.eye(3, dtype=torch.float64) + 2 * w * cross + 2 * cross @ cross
    return rotation.to(dtype or torch.get_default_dtype())


def wigner_D(irrep: Irrep, rotation: Tensor) -> Tensor:
    """Return the matrix D [2 l + 1, 2 l + 1] by which a block transforms under an orthogonal matrix [3, 3].

    The components of a block transform as `x -> D x`; for degree 1 and odd parity D is the matrix itself. With
    determinant -1 the matrix is a rotation times the inversion, and D has the factor `parity`. Convention and signs are
    those of e3nn.

    Raises:
        LayoutError: the matrix is not orthogonal.
    """
    # Imported here, because importing e3nn takes a second and networks do not need it.
    from e3nn import o3

    exact = rotation.to(torch.float64)
    unit = torch.eye(3, dtype=torch.float64, device=exact.device)
    tolerance = 1e-4 if rotation.dtype in (torch.float32, torch.float16, torch.bfloat16) else 1e-8
    if exact.shape != (3, 3) or (exact @ exact.T - unit).abs().max() > tolerance:
        raise LayoutError(f"expected an orthogonal matrix [3, 3], got {rotation.tolist()}")
    # The nearest orthogonal matrix, because e3nn's tolerance is below single precision.
    left, _, right = torch.linalg.svd(exact)
    exact = left @ right
    sign = torch.sign(torch.det(exact))
    angles = o3.matrix_to_angles(sign * exact)
    matrix = _in_double_precision(lambda: o3.wigner_D(irrep.degree, *angles))
    return (matrix * (float(irrep.parity) if sign < 0 else 1.0)).to(rotation.dtype)


def _in_double_precision(make: Callable[[], Tensor]) -> Tensor:
    """Call a function in float64: e3nn creates its generators in PyTorch's default dtype, not that of the angles."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return make()
    finally:
        torch.set_default_dtype(before)


def rotate(features: Tensor, layout: Layout, rotation: Tensor) -> Tensor:
    """Rotate features: multiply each block by its `wigner_D`.

    Args:
        features: [..., components, channels].
        layout: blocks of the features.
        rotation: orthogonal matrix [3, 3]; positions transform as `positions @ rotation.T`. A matrix of determinant -1
            includes the inversion.

    Returns:
        Rotated features [..., components, channels].

    Raises:
        LayoutError: the features do not have the components of the layout, or the matrix is not orthogonal.
    """
    check_components(features, layout)
    matrices = [wigner_D(irrep, rotation) for irrep in layout]
    return torch.block_diag(*matrices).to(features) @ features


def reflect(features: Tensor, layout: Layout) -> Tensor:
    """Invert features, r -> -r: multiply each block by its parity.

    Args:
        features: [..., components, channels].
        layout: blocks of the features.

    Returns:
        Inverted features [..., components, channels].

    Raises:
        LayoutError: the features do not have the components of the layout.
    """
    check_components(features, layout)
    signs = [float(irrep.parity) for irrep in layout for _ in range(irrep.dim)]
    return features * features.new_tensor(signs).unsqueeze(1)
