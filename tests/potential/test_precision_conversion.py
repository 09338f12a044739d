"""PyTorch's own conversions of a potential: right in the new precision, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ase import Atoms
from families.cases import Case, case_parameters, cases

from potentials import Potential, load
from potentials.data.graph import build_graph
from potentials.errors import PotentialsError
from potentials.potential.compilation import compile_for_md
from potentials.potential.model_file import save

FAMILIES = {case.family: case for case in cases()}
TO_DOUBLE: dict[str, Callable[[Potential], Potential]] = {
    "double()": lambda potential: potential.double(),
    "to(float64)": lambda potential: potential.to(torch.float64),
    "to(cpu, float64)": lambda potential: potential.to("cpu", torch.float64),
    "type(float64)": lambda potential: potential.type(torch.float64),
}


def structure() -> Atoms:
    return Atoms("HOCH", [[0, 0, 0], [0, 0, 1.1], [0, 1.2, 0.1], [1.3, 0.1, 0.2]], cell=[4, 4, 4], pbc=True)


def results(potential: Potential) -> list[torch.Tensor]:
    prediction = potential(build_graph(structure(), potential.elements, potential.cutoff), stress=True)
    return [prediction.energy, prediction.forces.double(), prediction.stress.double()]


@pytest.mark.parametrize("case", case_parameters())
@pytest.mark.parametrize("how", TO_DOUBLE)
def test_to_double(case: Case, how: str) -> None:
    """As exact as a potential that was made in float64 of the same weights: constants are not rounded to float32."""
    rough = case.potential("float32")
    weights = {name: tensor.double() for name, tensor in rough.model.state_dict().items()}
    exact = case.potential("float64")
    exact.model.load_state_dict(weights)
    converted = TO_DOUBLE[how](case.potential("float32"))
    assert converted.precision == "float64"
    for found, expected in zip(results(converted), results(exact), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11 * float(expected.abs().max()))


@pytest.mark.parametrize("case", case_parameters())
def test_to_single(case: Case) -> None:
    exact, converted = case.potential("float64"), case.potential("float64").float()
    assert converted.precision == "float32"
    # What energies are added to stays in float64.
    assert {converted.scale.dtype, converted.shift.dtype, converted.reference_energies.dtype} == {torch.float64}
    torch.testing.assert_close(converted.scale, exact.scale, rtol=0, atol=0)
    for found, expected in zip(results(converted), results(exact), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max().clamp_min(1.0)))


@pytest.mark.parametrize("case", FAMILIES.values(), ids=str)
def test_there_and_back_in_place(case: Case) -> None:
    """Parameters stay the objects that an optimizer holds, and nothing is lost on the way to float64 and back."""
    potential = case.potential("float32")
    before, parameters = results(potential), list(potential.parameters())
    assert potential.double().float() is potential
    assert all(one is other for one, other in zip(parameters, potential.parameters(), strict=True))
    for found, expected in zip(results(potential), before, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_mixed_stays_mixed() -> None:
    potential = FAMILIES["mace"].potential("mixed")
    assert potential.float().precision == "mixed"
    assert potential.to("cpu").precision == "mixed"
    assert potential.double().precision == "float64"


@pytest.mark.parametrize("how", ["half", "bfloat16"])
def test_half_precision_is_refused(how: str) -> None:
    potential = FAMILIES["mace"].potential("float32")
    before = results(potential)
    with pytest.raises(PotentialsError, match="float32 or float64; it cannot be converted to torch"):
        getattr(potential, how)()
    for found, expected in zip(results(potential), before, strict=True):
        assert torch.equal(found, expected)


def test_a_model_converted_behind_the_back_of_its_potential_is_refused() -> None:
    potential = FAMILIES["mace"].potential("float32")
    potential.model.double()
    with pytest.raises(PotentialsError, match=r"float32 potential are torch.float64.*potential.double\(\)"):
        results(potential)


def test_a_compiled_potential_is_not_converted() -> None:
    compiled = compile_for_md(FAMILIES["mace"].potential("float32"))
    with pytest.raises(PotentialsError, match="compile it again"):
        compiled.double()
    with pytest.raises(PotentialsError, match="compile it again"):
        compiled.with_precision("float64")
    assert compiled.to("cpu") is compiled


def test_saved_after_a_conversion(tmp_path: Path) -> None:
    potential = FAMILIES["nequip"].potential("float32").double()
    save(potential, tmp_path / "double.potential")
    loaded = load(tmp_path / "double.potential")
    assert loaded.precision == "float64"
    for found, expected in zip(results(loaded), results(potential), strict=True):
        assert torch.equal(found, expected)
