from __future__ import annotations

from collections.abc import Callable

import pytest
from ase import Atoms

from potentials.data.infer.elements import check_elements, check_elements_of_split
from potentials.data.label import LabeledFrame
from potentials.errors import DataError

Labeled = Callable[..., LabeledFrame]


def test_elements_the_training_frames_lack(labeled: Labeled) -> None:
    frames = [labeled(Atoms(f), i, "v.xyz") for i, f in enumerate(["H2", "H2O", "CO", "HF"])]
    check_elements_of_split(["H", "C", "O", "F"], "validation", frames)
    with pytest.raises(DataError, match=r"^the validation frames contain .* lack: C in 1 frame \(v\.xyz: 2\); O in 2 "):
        check_elements_of_split(["H", "F"], "validation", frames)


def test_elements_given_for_the_model(labeled: Labeled) -> None:
    check_elements(["H", "O", "Au"], [labeled(Atoms("H2O"))])
    with pytest.raises(DataError, match=r"model\.elements does not include O in 1 frame \(frames\.xyz: 0\)"):
        check_elements(["H"], [labeled(Atoms("H2O"))])
