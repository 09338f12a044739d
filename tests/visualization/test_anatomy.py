"""Recordings of a network agree with its computation: messages add up to its sums, features rotate as in e3nn."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from e3nn import o3
from families.cases import Case, cases

from potentials.equivariant import random_rotation
from potentials.models.anatomy import recorded
from potentials.visualization.observation import anatomy_of, observe
from potentials.visualization.rotation import rotated

ETHANOL = molecule("CH3CH2OH")


@pytest.mark.parametrize("case", cases(), ids=str)
def test_messages_add_up_to_the_sums_of_the_network(case: Case) -> None:
    potential = case.potential()
    seen = observe(potential, ETHANOL)
    for place in anatomy_of(potential).rounds:
        messages = seen.messages(place)
        assert np.abs(messages).max() > 1e-3
        if place.summed is not None:
            sums = np.zeros((len(ETHANOL), *messages.shape[1:]))
            np.add.at(sums, seen.topology.receivers.numpy(), messages)
            np.testing.assert_allclose(sums, place.summed(seen.recording).detach().numpy(), atol=1e-12)


def _matrix_of_e3nn(degree: int, parity: int, rotation: torch.Tensor) -> np.ndarray:
    """In float64: e3nn makes its generators in the default precision."""
    torch.set_default_dtype(torch.float64)
    try:
        return o3.Irrep(degree, parity).D_from_matrix(rotation).numpy()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("case", cases(), ids=str)
def test_features_rotate_by_the_matrices_of_e3nn(case: Case, mirrored: bool) -> None:
    if mirrored and not case.variant.reflections:
        return
    potential = case.potential()
    rotation = random_rotation(torch.Generator().manual_seed(3), torch.float64) * (-1 if mirrored else 1)
    before, after = observe(potential, ETHANOL), observe(potential, rotated(ETHANOL, rotation.numpy()))
    for place in anatomy_of(potential).features:
        if place.grid is not None:
            continue
        features, expected = before.features(place), []
        for (irrep, copies), part in zip(place.blocks, place.blocks.slices(), strict=True):
            matrix = _matrix_of_e3nn(irrep.degree, irrep.parity, rotation)
            block = features[:, part].reshape(len(features), irrep.dim, copies, -1)
            turned = np.einsum("ab,nbkc->nakc", matrix, block)
            expected.append(turned.reshape(features[:, part].shape))
        assert np.abs(features).max() > 1e-3
        np.testing.assert_allclose(after.features(place), np.concatenate(expected, axis=1), atol=1e-10)


def test_a_recording_ends_with_its_context() -> None:
    case = cases()[0]
    potential = case.potential()
    with recorded(potential.model):
        assert potential.model._forward_hooks
    assert not any(module._forward_hooks for module in potential.model.modules())
