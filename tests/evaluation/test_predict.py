"""Batched prediction against ASE's Morse potential and the calculator."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.singlepoint import SinglePointCalculator
from morse_family import REFERENCE_ENERGIES, morse_oracle, morse_potential

from potentials.data.read.frames import Frame, read_frames
from potentials.errors import SimulationError, UnknownElementError
from potentials.evaluation.predict import predict


def structures() -> list[Atoms]:
    """Periodic, molecular, a single atom, a slab: of different sizes, in this order."""
    rng = np.random.default_rng(0)
    frames = [
        bulk("Cu", cubic=True),
        Atoms("Cu2O", [[0, 0, 0], [2.4, 0, 0], [0, 2.2, 1]]),
        Atoms("O"),
        Atoms("CuO", [[0, 0, 0], [0, 0, 2.5]], cell=[3, 3, 0], pbc=[True, True, False]),
        bulk("Cu") * (2, 1, 1),
    ]
    for atoms in frames:
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    return frames


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_agrees_with_ase_in_every_batch(batch_size: int) -> None:
    frames = structures()
    predicted = list(predict(morse_potential(), frames, batch_size))
    assert len(predicted) == len(frames)
    for atoms, result in zip(frames, predicted, strict=True):
        oracle = atoms.copy()
        oracle.calc = morse_oracle()
        isolated = np.array([REFERENCE_ENERGIES[symbol] for symbol in atoms.symbols])
        assert result == atoms
        energies = oracle.get_potential_energies() + isolated
        assert result.get_potential_energy() == pytest.approx(energies.sum(), rel=1e-12)
        assert result.get_potential_energy(force_consistent=True) == result.get_potential_energy()
        np.testing.assert_allclose(result.get_potential_energies(), energies, rtol=1e-12)
        np.testing.assert_allclose(result.get_forces(), oracle.get_forces(), atol=1e-12)
        if atoms.pbc.all():
            np.testing.assert_allclose(result.get_stress(), oracle.get_stress(), atol=1e-12)
        else:
            with pytest.raises(PropertyNotImplementedError):
                result.get_stress()


def test_is_lazy_and_reads_a_generator_batch_by_batch() -> None:
    taken = []

    def frames():
        for number, atoms in enumerate(structures()):
            taken.append(number)
            yield atoms

    predictions = predict(morse_potential(), frames(), batch_size=2)
    next(predictions)
    assert taken == [0, 1]


def test_no_stress_where_none_is_wanted() -> None:
    (result,) = predict(morse_potential(), [bulk("Cu")], stress=False)
    assert "stress" not in result.calc.results


def test_stress_of_all_is_an_error_where_one_has_none() -> None:
    with pytest.raises(SimulationError, match=r"structure 1: the stress .* periodic in three directions; Cu2O"):
        list(predict(morse_potential(), structures(), stress=True))


def test_labels_of_the_input_are_set_aside(tmp_path: Path) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.info.update({"name": "bulk", "REF_energy": 7.0})
    atoms.arrays["charges_dft"] = np.arange(4.0)
    labels = {"energy": 3.0, "forces": np.full((4, 3), 2.0), "stress": np.arange(6.0), "dipole": np.ones(3)}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    (result,) = predict(morse_potential(), [atoms])
    ase.io.write(tmp_path / "predicted.extxyz", result)
    for frame in (result, ase.io.read(tmp_path / "predicted.extxyz")):
        assert frame.info["name"] == "bulk"
        assert frame.info["REF_energy"] == 7.0
        assert frame.info["reference_energy"] == 3.0
        assert np.array_equal(frame.arrays["charges_dft"], np.arange(4.0))
        assert np.array_equal(frame.arrays["reference_forces"], np.full((4, 3), 2.0))
        assert np.array_equal(frame.info["reference_stress"], np.arange(6.0))
        assert frame.get_potential_energy() < -12
        assert np.abs(frame.get_forces()).max() < 1e-8
    assert atoms.get_potential_energy() == 3.0
    assert "reference_energy" not in atoms.info


def test_labels_in_info_and_arrays_are_set_aside_too(tmp_path: Path) -> None:
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]])
    atoms.info["energy"] = 1.0
    atoms.arrays["forces"] = np.ones((2, 3))
    (result,) = predict(morse_potential(), [atoms])
    assert result.info == {"reference_energy": 1.0}
    assert np.array_equal(result.arrays["reference_forces"], np.ones((2, 3)))
    ase.io.write(tmp_path / "predicted.extxyz", result)  # ASE refuses names that stand for results


def test_predicting_a_predicted_file_keeps_the_first_labels() -> None:
    atoms = bulk("Cu")
    atoms.calc = SinglePointCalculator(atoms, energy=3.0)
    (once,) = predict(morse_potential(), [atoms])
    (twice,) = predict(morse_potential(epsilon=0.2), [once])
    assert twice.info["reference_energy"] == 3.0
    assert twice.get_potential_energy() > once.get_potential_energy()
    assert "reference_forces" not in twice.arrays
    assert "reference_stress" not in twice.info


def test_errors_name_the_frame(tmp_path: Path) -> None:
    path = tmp_path / "mixed.extxyz"
    ase.io.write(path, [bulk("Cu"), bulk("Cu"), bulk("Au")])
    with pytest.raises(UnknownElementError, match=r"mixed\.extxyz, frame 2: .*Au;.*O, Cu"):
        list(predict(morse_potential(), read_frames(str(path))))
    with pytest.raises(UnknownElementError, match=r"a\.xyz, frame 8: "):
        list(predict(morse_potential(), [Frame(bulk("Au"), "a.xyz", 8)]))
    with pytest.raises(SimulationError, match="batch_size"):
        list(predict(morse_potential(), [], batch_size=0))


def test_nothing_gives_nothing() -> None:
    assert list(predict(morse_potential(), [])) == []
